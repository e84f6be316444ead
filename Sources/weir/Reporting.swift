internal import Admin
internal import Logging
internal import Relay
internal import Telemetry
internal import Wire

/// What a process that was taken over from does for its successor: it tells its numbers.
final class Reporting: Sendable {
    private let proxy: Proxy
    private let admin: AdminServer
    private let reporter: TakeoverReporter

    /// Begins to report, once nobody is answered here any more.
    ///
    /// - Returns: `nil` when the system gives no thread; then the successor goes on with what it has.
    static func start(_ proxy: Proxy, _ admin: AdminServer, port: UInt16, _ logger: Logger) async -> Reporting? {
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
        reporter = try TakeoverReporter(port: port, process: proxy.others.process) { question in
            await Self.answer(question, proxy, admin)
        }
    }

    /// Tells the last numbers: all that this process has counted, and what it knows of others.
    func stop() async { await reporter.stop(last: await Self.numbers(proxy, admin, withOthers: true)) }

    private static func answer(
        _ question: TakeoverReporter.Question,
        _ proxy: Proxy,
        _ admin: AdminServer
    ) async -> TakeoverReporter.Answer {
        switch question.what {
        case "numbers": (200, await numbers(proxy, admin, withOthers: !question.body.isEmpty))
        default: (404, [])
        }
    }

    private static func numbers(_ proxy: Proxy, _ admin: AdminServer, withOthers: Bool) async -> [UInt8] {
        let time = Output.now()
        return proxy.others.bytes(await admin.report(), time: time, withOthers: withOthers)
    }
}
