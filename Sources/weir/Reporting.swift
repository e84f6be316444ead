internal import Admin
internal import Clocks
internal import Inspection
internal import Logging
internal import Relay
internal import Synchronization
internal import Telemetry
internal import Wire

/// What a process that was taken over from does for its successor: it tells its numbers, and does as it is told.
final class Reporting: Sendable {
    private let proxy: Proxy
    private let admin: AdminServer
    private let viewers: Viewers
    private let reporter: TakeoverReporter

    /// Begins to report, once nobody is answered here any more.
    ///
    /// - Returns: `nil` when the system gives no thread; then the successor goes on with what it has.
    static func start(_ proxy: Proxy, admin: AdminServer, port: UInt16, logger: Logger) async -> Reporting? {
        // Whoever was told numbers here is told later ones there.
        await admin.leave()
        do throws(TakeoverError) {
            return try Reporting(proxy, admin, port: port)
        } catch {
            logger.error("nothing is reported to the successor", metadata: ["reason": "\(error)"])
            return nil
        }
    }

    private init(_ proxy: Proxy, _ admin: AdminServer, port: UInt16) throws(TakeoverError) {
        self.proxy = proxy
        self.admin = admin
        let viewers = Viewers(proxy)
        self.viewers = viewers
        reporter = try TakeoverReporter(port: port, process: proxy.others.process) { question in
            switch question.what {
            case "numbers": (200, await Self.numbers(proxy, admin, withOthers: !question.body.isEmpty))
            case "calls": await viewers.begin(question.body)
            case "calls-end": viewers.end(question.body)
            default: await proxy.answer(question)
            }
        } onEnd: {
            viewers.endAll()
        }
        viewers.reporter.withLock { $0 = reporter }
    }

    /// Hands over what was set, all that this process has counted, and what it knows of others.
    func stop() async {
        let numbers = await Self.numbers(proxy, admin, withOthers: true)
        await reporter.stop(last: [("state", proxy.toTell.bytes), ("numbers", numbers)])
    }

    private static func numbers(_ proxy: Proxy, _ admin: AdminServer, withOthers: Bool) async -> [UInt8] {
        let time = SystemClock.now()
        var report = await admin.report()
        if proxy.limits.isToldBySuccessor { report.additions.limits = [] }
        return proxy.others.bytes(report, time: time, withOthers: withOthers)
    }
}

/// Those who look at this process's calls through the newest process.
private final class Viewers: Sendable {
    /// How often it is looked whether there is room for further lines.
    private static let pause = Duration.milliseconds(20)

    private let proxy: Proxy
    private let watches = Mutex<[UInt64: CallSubscription]>([:])
    let reporter = Mutex<TakeoverReporter?>(nil)

    init(_ proxy: Proxy) { self.proxy = proxy }

    /// Begins to tell of calls.
    func begin(_ body: [UInt8]) async -> TakeoverReporter.Answer {
        guard let (number, parameters) = try? Self.read(body) else { return (400, []) }
        let watch: CallSubscription
        do throws(CallStreamError) {
            watch = try await proxy.watch(parameters)
        } catch {
            return (503, [])
        }
        watches.withLock { watches in
            let old = watches.updateValue(watch, forKey: number)
            old?.cancel()
        }
        Task {
            while let lines = await watch.next() {
                // Meanwhile they wait in the watch, which counts those that it drops.
                while let reporter = reporter.withLock({ $0 }), !reporter.hasRoom {
                    try? await Task.sleep(for: Self.pause)
                }
                guard reporter.withLock({ $0 })?.send(lines: lines, of: number) == true else { break }
            }
            watch.cancel()
        }
        return (200, [])
    }

    private static func read(_ body: [UInt8]) throws(ReportError) -> (UInt64, [(name: String, value: String)]) {
        var reader = ReportReader(body[...])
        let number = try reader.number()
        let parameters = try reader.each(atMost: 1000) { reader throws(ReportError) in
            (name: try reader.text(), value: try reader.text())
        }
        return (number, parameters)
    }

    /// Tells a viewer no more.
    func end(_ body: [UInt8]) -> TakeoverReporter.Answer {
        var reader = ReportReader(body[...])
        guard let number = try? reader.number() else { return (400, []) }
        watches.withLock { $0.removeValue(forKey: number) }?.cancel()
        return (200, [])
    }

    /// Nobody asks any more.
    func endAll() {
        let all = watches.withLock { watches in
            defer { watches = [:] }
            return watches.values
        }
        for watch in all { watch.cancel() }
    }
}
