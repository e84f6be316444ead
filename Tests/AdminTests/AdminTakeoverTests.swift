import Admin
import Foundation
import Logging
import ServiceLifecycle
import Testing

@Suite struct AdminTakeoverTests {
    /// Runs a server until `body` has talked to it, and then stops it.
    private func withServer(
        _ server: (@escaping @Sendable (Int) -> Void) -> AdminServer,
        _ body: (AdminServer, Int) async throws -> Void
    ) async throws {
        let (listening, continuation) = AsyncStream.makeStream(of: Int.self)
        let server = server { continuation.yield($0) }
        let group = ServiceGroup(configuration: .init(services: [server], logger: silent))
        let running = Task { try await group.run() }
        var ports = listening.makeAsyncIterator()
        try await body(server, try #require(await ports.next()))
        await group.triggerGracefulShutdown()
        try await running.value
    }

    @Test("a second server answers on the socket of the first, which answers no more, and nobody is refused")
    func takeover() async throws {
        let any = AdminServer.Address(host: "127.0.0.1", port: 0)
        let (old, new) = (FakeBackend(), FakeBackend())
        new.isReady = false
        try await withServer { listening in
            AdminServer(configuration: .init(main: [any]), backend: old, logger: silent) { listening($1) }
        } _: { first, port in
            let sockets = first.listeningSockets()
            #expect(sockets.map(\.listener) == [.main])
            let descriptor = try #require(sockets.first?.descriptor)
            #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
            #expect(await ask(port, "/readyz")?.status == 200)
            let again = AdminServer.Address(host: "127.0.0.1", port: port)
            try await withServer { listening in
                AdminServer(
                    configuration: .init(main: [again]),
                    backend: new,
                    logger: silent,
                    inherited: [.init(.main, again): descriptor]
                ) { listening($1) }
            } _: { _, second in
                #expect(second == port)
                await first.leave()
                for _ in 0..<50 { #expect(await ask(port, "/healthz")?.status == 200) }
                // The second one is not ready.
                for _ in 0..<50 { #expect(await ask(port, "/readyz")?.status == 503) }
                #expect(first.listeningSockets().isEmpty)
            }
            #expect(await ask(port, "/readyz") == nil)
        }
    }

    @Test("responses carry the date") func date() async throws {
        let any = AdminServer.Address(host: "127.0.0.1", port: 0)
        try await withServer { listening in
            AdminServer(configuration: .init(main: [any]), backend: FakeBackend(), logger: silent) { listening($1) }
        } _: { _, port in
            let date = try #require(await ask(port, "/healthz")?.headers["date"])
            let format = DateFormatter()
            format.locale = Locale(identifier: "en_US_POSIX")
            format.timeZone = TimeZone(identifier: "GMT")
            format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
            let read = try #require(format.date(from: date))
            #expect(abs(read.timeIntervalSinceNow) < 5)
        }
    }
}
