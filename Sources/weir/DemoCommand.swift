internal import Admin
internal import ArgumentParser
internal import Calls
internal import Demo
internal import Glibc
internal import Logging
internal import Relay
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import Telemetry
internal import UnixSignals
internal import Wire

/// `weir demo`: Weir at work, with peers of its own on both sides.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Starts a provider, consumers and the proxy between them, and shows the calls live.",
        discussion: """
            The provider takes Dubbo 2, Triple and JSON-RPC on one port, and so does the proxy. Everything stays on \
            127.0.0.1. It runs until Ctrl-C or for --seconds.
            """
    )

    @Option(help: "How long to run; without it, until Ctrl-C.")
    var seconds: Double?

    @Option(help: "Calls a second, all consumers together (1 to 20000).")
    var rate = 400

    @Option(help: "Address of the admin API.")
    var admin = "127.0.0.1:16080"

    @Option(help: "Seed of the calls that are made.")
    var seed: UInt64 = 1

    @Option(help: "Collector that spans go to, such as Jaeger's http://HOST:4318.")
    var traces: String?

    @Option(help: "Any setting of weir run: section.key=value; may be repeated.")
    var set: [String] = []

    func validate() throws {
        if let seconds, !(seconds > 0 && seconds <= 86_400) {
            throw ValidationError("--seconds takes a number above 0 and up to 86400")
        }
        guard (1...DemoConsumers.maxCallsPerSecond).contains(rate) else {
            throw ValidationError("--rate takes a number from 1 to \(DemoConsumers.maxCallsPerSecond)")
        }
    }

    @concurrent
    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let provider: DemoProvider
        do throws(DemoError) {
            provider = try DemoProvider(seed: seed)
        } catch {
            Output.error("cannot start the demo's provider: \(error)")
            throw ExitStatus.unavailable
        }
        let settings = try settings(providerPort: provider.port)
        var logger = Logger(label: "weir") { [log = settings.log] _ in LogLines(log) }
        logger.logLevel = .error
        let proxy = try Proxy(settings, limits: LimitsDocument(), logger: logger)
        let demo = DemoService(
            proxy: proxy,
            provider: provider,
            adminPort: AdminPort(),
            seconds: seconds,
            rate: rate,
            seed: seed
        )
        let server = AdminServer(configuration: settings.admin.configuration, backend: proxy, logger: logger) {
            [port = demo.adminPort] _, number in port.number.store(number, ordering: .relaxed)
        }
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: server)]
        for service in try proxy.tracing?.services(logger) ?? [] { services.append(.init(service: service)) }
        services.append(.init(service: demo, successTerminationBehavior: .gracefullyShutdownGroup))
        let group = ServiceGroup(
            configuration: .init(
                services: services,
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        do {
            try await group.run()
        } catch let error as AdminError {
            Output.error("\(error); choose another with --admin")
            throw ExitStatus.unavailable
        }
    }

    private func settings(providerPort: UInt16) throws -> WeirSettings {
        var overrides: [SettingsOverride] = []
        if let traces {
            overrides.append(SettingsOverride(keyPath: "tracing.endpoint", text: traces, flag: "--traces"))
        }
        for pair in set {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? String(parts[1]) : ""
            overrides.append(SettingsOverride(keyPath: String(parts[0]), text: value, flag: "--set"))
        }
        overrides += [
            SettingsOverride(keyPath: "provider.listen", text: "127.0.0.1:0", flag: "--demo"),
            SettingsOverride(keyPath: "provider.upstream", text: "127.0.0.1:\(providerPort)", flag: "--demo"),
            SettingsOverride(keyPath: "relay.workers", text: "1", flag: "--demo"),
            SettingsOverride(keyPath: "admin.listen", text: admin, flag: "--admin"),
        ]
        do throws(ConfigurationProblems) {
            return try SettingsLoader(overrides: overrides).load()
        } catch {
            for problem in error.problems { Output.error(problem.description) }
            throw ExitStatus.usage
        }
    }
}

/// The port that the admin API got.
final class AdminPort: Sendable {
    let number = Atomic<Int>(0)
}

/// The demo's traffic and its table.
private struct DemoService: Service {
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
        var view = DemoView(route: "\(callers) → weir 127.0.0.1:\(port) → provider 127.0.0.1:\(provider.port)")
        let end = seconds.map { Output.now() + UInt64($0 * 1e9) } ?? .max
        while Output.now() < end, !Task.isShuttingDownGracefully, !Task.isCancelled {
            let rest = min(1_000_000_000, end - Output.now())
            try? await cancelWhenGracefulShutdown { try await Task.sleep(nanoseconds: rest) }
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

    private func snapshot() async -> MetricsSnapshot {
        MetricsSnapshot(merging: await proxy.snapshots().recorders, registry: proxy.registry, labels: proxy.labels)
    }

    /// The numbers when all connections have ended, for nothing is counted after that; after a second, what there is.
    private func lastSnapshot() async -> MetricsSnapshot {
        let end = Output.now() + 1_000_000_000
        while true {
            let snapshot = await snapshot()
            let isOver = snapshot.connections.allSatisfy { $0.open == 0 }
            if isOver || Output.now() >= end || Task.isCancelled { return snapshot }
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

/// Shows snapshots as the demo's table, or as lines where there is no terminal.
private struct DemoView {
    private let route: String
    private let start = Output.now()
    private let isTerminal = Output.isTerminal
    private var screen = DemoScreen()
    private var previous: [OperationKey: OperationReport] = [:]
    private var previousTime = Output.now()

    private struct OperationKey: Hashable {
        let id: OperationID
        let side: Side
    }

    init(route: String) { self.route = route }

    mutating func show(_ snapshot: MetricsSnapshot) {
        let now = Output.now()
        let elapsed = Double(now - previousTime) / 1e9
        let rows = snapshot.operations.map { row($0, elapsed) }
        let total = snapshot.operations.reduce(0) { $0 + $1.calls }
        let rates = rows.compactMap(\.callsPerSecond)
        let errors = rows.compactMap(\.errorsPerSecond)
        let header = DemoTable.Header(
            route: route,
            footer: "Ctrl-C stops it",
            uptimeSeconds: Double(now - start) / 1e9,
            connections: snapshot.connections.reduce(0) { $0 + Int($1.open) },
            inFlight: rows.reduce(0) { $0 + $1.inFlight },
            totalCalls: total,
            callsPerSecond: rates.isEmpty ? nil : rates.reduce(0, +),
            errorsPerSecond: errors.isEmpty ? nil : errors.reduce(0, +)
        )
        for report in snapshot.operations { previous[OperationKey(id: report.id, side: report.side)] = report }
        previousTime = now
        draw(header, rows)
    }

    private mutating func draw(_ header: DemoTable.Header, _ rows: [DemoTable.Row]) {
        guard isTerminal else {
            _ = Output.write(Array((DemoTable.plainLine(header: header, rows: rows) + "\n").utf8))
            return
        }
        let size = Output.size
        let text = DemoTable.render(
            header: header,
            rows: rows,
            width: size.columns,
            height: size.rows - 1,
            colour: true
        )
        _ = Output.write(Array(screen.show(text).utf8))
    }

    private func row(_ report: OperationReport, _ elapsed: Double) -> DemoTable.Row {
        let before = previous[OperationKey(id: report.id, side: report.side)]
        let calls = report.calls - (before?.calls ?? 0)
        let errors = report.errors - (before?.errors ?? 0)
        // Calls with streams of messages are timed apart.
        let times = report.duration.count > 0 ? report.duration : report.streams
        return DemoTable.Row(
            interface: report.name,
            method: report.operation.method,
            callProtocol: report.operation.callProtocol,
            callsPerSecond: elapsed > 0 ? Double(calls) / elapsed : nil,
            errorsPerSecond: elapsed > 0 ? Double(errors) / elapsed : nil,
            p50Seconds: times.quantile(0.5),
            p99Seconds: times.quantile(0.99),
            inFlight: Int(report.inFlight),
            totalCalls: report.calls
        )
    }

    /// Shows the last numbers, with rates over all of the time: the last moment's own would say little.
    mutating func finish(_ snapshot: MetricsSnapshot) {
        (previous, previousTime) = ([:], start)
        show(snapshot)
        if isTerminal { _ = Output.write(Array(screen.farewell.utf8)) }
    }
}
