internal import Admin
internal import Clocks
internal import Inspection
internal import Logging
internal import Relay
internal import Synchronization
internal import Telemetry
internal import Wire

/// The side of a process that was taken over from: it reports its numbers to its successor, and does what that asks.
final class Reporting: Sendable {
    private let proxy: Proxy
    private let admin: AdminServer
    private let subscribers: RemoteSubscribers
    private let reporter: TakeoverReporter

    /// Begins to report, once this process answers no questions itself.
    ///
    /// - Returns: `nil` when the system gives no thread; then the successor goes on with what it has.
    static func start(_ proxy: Proxy, admin: AdminServer, port: UInt16, logger: Logger) async -> Reporting? {
        // Numbers reported here are older than those reported there.
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
        let subscribers = RemoteSubscribers(proxy)
        self.subscribers = subscribers
        reporter = try TakeoverReporter(port: port, process: proxy.others.process) { question in
            switch question.what {
            case "numbers": (200, await Self.numbers(proxy, admin, withOthers: !question.body.isEmpty))
            case "calls": await subscribers.begin(question.body)
            case "calls-end": subscribers.end(question.body)
            default: await proxy.answer(question)
            }
        } onEnd: {
            subscribers.endAll()
        }
        subscribers.reporter.withLock { $0 = reporter }
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

/// The subscribers of the newest process, as far as this process's calls are concerned.
private final class RemoteSubscribers: Sendable {
    /// The time between two checks for room.
    private static let pause = Duration.milliseconds(20)

    private let proxy: Proxy
    private let subscriptions = Mutex<[UInt64: CallSubscription]>([:])
    let reporter = Mutex<TakeoverReporter?>(nil)

    init(_ proxy: Proxy) { self.proxy = proxy }

    /// Begins to tell of calls.
    func begin(_ body: [UInt8]) async -> TakeoverReporter.Answer {
        guard let (number, parameters) = try? Self.read(body) else { return (400, []) }
        let subscription: CallSubscription
        do throws(CallStreamError) {
            subscription = try await proxy.subscribe(parameters)
        } catch {
            return (503, [])
        }
        subscriptions.withLock { subscriptions in
            let old = subscriptions.updateValue(subscription, forKey: number)
            old?.cancel()
        }
        Task {
            while let lines = await subscription.next() {
                // Meanwhile they wait in the subscription, which counts those that it drops.
                while let reporter = reporter.withLock({ $0 }), !reporter.hasRoom {
                    try? await Task.sleep(for: Self.pause)
                }
                guard reporter.withLock({ $0 })?.send(lines: lines, of: number) == true else { break }
            }
            subscription.cancel()
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

    /// Ends a subscription.
    func end(_ body: [UInt8]) -> TakeoverReporter.Answer {
        var reader = ReportReader(body[...])
        guard let number = try? reader.number() else { return (400, []) }
        subscriptions.withLock { $0.removeValue(forKey: number) }?.cancel()
        return (200, [])
    }

    /// Ends all subscriptions.
    func endAll() {
        let all = subscriptions.withLock { subscriptions in
            defer { subscriptions = [:] }
            return subscriptions.values
        }
        for subscription in all { subscription.cancel() }
    }
}
