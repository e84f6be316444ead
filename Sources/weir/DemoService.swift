internal import Admin
internal import Calls
internal import Clocks
internal import Demo
internal import Inspection
internal import Policy
internal import Relay
internal import ServiceLifecycle
internal import Synchronization
internal import Telemetry
internal import Wire

/// The demo's traffic and its table.
struct DemoService: Service {
    let proxy: Proxy
    let provider: DemoProvider
    let adminPort: AdminPort
    let seconds: Double?
    let rate: Int
    let seed: UInt64

    func run() async throws {
        let port = proxy.relay.addresses.first?.port ?? 0
        let consumers = DemoConsumers(address: "127.0.0.1", port: port, callsPerSecond: rate, seed: seed)
        consumers.start()
        let callers = consumers.applications.joined(separator: ", ")
        let keys = TerminalKeys()
        defer { keys?.end() }
        var view = DemoView(route: "\(callers) → weir 127.0.0.1:\(port) → provider 127.0.0.1:\(provider.port)")
        let end = seconds.map { SystemClock.now() + UInt64($0 * 1e9) } ?? .max
        while SystemClock.now() < end, !Task.isShuttingDownGracefully, !Task.isCancelled {
            let now = SystemClock.now()
            let rest = min(1_000_000_000, end - min(end, now))
            await wait(rest, keys)
            if keys?.take("d") == true { DemoDrain.toggle(proxy) }
            view.footer = DemoDrain.footer(proxy, hasKeys: keys != nil)
            view.show(await snapshot())
        }
        consumers.stop()
        proxy.stopAccepting()
        let last = await lastSnapshot()
        view.finish(last)
        await proxy.relay.drain(within: 1_000_000_000)
        provider.stop()
        _ = Output.write(Array(farewell(consumers.counts, last).utf8))
    }

    /// Waits, but not when a key was pressed or the process is to end.
    private func wait(_ nanoseconds: UInt64, _ keys: TerminalKeys?) async {
        let end = SystemClock.now() + nanoseconds
        while keys?.isPressed != true, !Task.isShuttingDownGracefully, !Task.isCancelled {
            let now = SystemClock.now()
            guard now < end else { return }
            let step = keys == nil ? end - now : min(50_000_000, end - now)
            try? await cancelWhenGracefulShutdown { try await Task.sleep(nanoseconds: step) }
        }
    }

    private func snapshot() async -> MetricsSnapshot {
        MetricsSnapshot(merging: await proxy.snapshots().recorders, registry: proxy.registry, labels: proxy.labels)
    }

    /// The numbers when all connections have ended, for nothing is counted after that; after a second, what there is.
    private func lastSnapshot() async -> MetricsSnapshot {
        let end = SystemClock.now() + 1_000_000_000
        while true {
            let snapshot = await snapshot()
            let isOver = snapshot.connections.allSatisfy { $0.open == 0 }
            if isOver || SystemClock.now() >= end || Task.isCancelled { return snapshot }
            try? await Task.sleep(nanoseconds: 5_000_000)
        }
    }

    /// What a user would open while it runs, and whether the numbers agree with the consumers' own.
    private func farewell(_ counts: DemoCounts, _ snapshot: MetricsSnapshot) -> String {
        let protocols = CallProtocol.allCases.map { callProtocol in
            let counted = snapshot.operations.reduce(UInt64(0)) {
                $0 + ($1.operation.callProtocol == callProtocol ? $1.calls : 0)
            }
            return "  \(callProtocol.label): \(counts.totalSent(in: callProtocol)) sent, \(counted) counted by Weir"
        }
        let base = "http://127.0.0.1:\(adminPort.number.load(ordering: .relaxed))"
        return """

            The consumers sent \(counts.totalSent) calls, \(counts.totalEnded) have ended.
            \(protocols.joined(separator: "\n"))

            While it runs:
              \(base)/metrics          for Prometheus
              \(base)/v1/operations    per operation, as JSON
              \(base)/v1/connections   per connection, as JSON
              \(base)/readyz

            """ + "\n"
    }
}

/// The drain that a key of the demo starts and undoes.
enum DemoDrain {
    /// The interface whose method `stock` is limited.
    static let limited = "com.example.shop.InventoryService"
    private static let target = DrainTarget(interface: "com.example.shop.OrderService")
    private static let grace: UInt64 = 3_000_000_000
    private static let deadline: UInt64 = 10_000_000_000

    private static func current(_ proxy: Proxy) -> DrainOrder? {
        proxy.drains.registry.current.first { $0.target == target }
    }

    static func toggle(_ proxy: Proxy) {
        if proxy.drains.registry.end(target) == nil {
            proxy.drains.registry.begin(
                DrainOrder(target: target, reason: "demo", now: SystemClock.now(), grace: grace, deadline: deadline)
            )
        }
        proxy.sources.drainsChanged()
    }

    /// The table's last line: what can be done, or what is being done.
    static func footer(_ proxy: Proxy, hasKeys: Bool) -> String {
        let ends = "Ctrl-C stops it"
        guard hasKeys else { return ends }
        guard let order = current(proxy) else { return "d drains OrderService · stock is limited to 30/s · \(ends)" }
        let now = SystemClock.now()
        let state =
            switch order.stage(at: now) {
            case .grace: "consumers are told, calls still pass for \((order.rejectTime - now) / 1_000_000_000 + 1) s"
            default: "calls are refused, so that consumers go elsewhere"
            }
        return "OrderService is drained: \(state) · d undoes it · \(ends)"
    }
}
