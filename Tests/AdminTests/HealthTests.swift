import Foundation
import Glibc
import Synchronization
import Testing

@testable import Admin

@Suite(.timeLimit(.minutes(10))) struct HealthTests {
    /// A port that accepts connections and counts them.
    private final class Application: Sendable {
        let port: Int
        private let descriptor: Int32
        private let accepted = Mutex(0)
        private let isOver = Mutex(false)

        init() throws {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, size) == 0 && listen(descriptor, 128) == 0
                        && getsockname(descriptor, $0, &size) == 0
                }
            }
            try #require(result)
            self.descriptor = descriptor
            port = Int(UInt16(bigEndian: address.sin_port))
            Thread.detachNewThread { [self] in
                while case let connection = accept(descriptor, nil, nil), connection >= 0 {
                    accepted.withLock { $0 += 1 }
                    close(connection)
                }
            }
        }

        var connections: Int { accepted.withLock { $0 } }

        /// Accepts nothing any more.
        func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

        deinit { close(descriptor) }
    }

    @Test("readiness of a port is the application's, told by one connection a second") func upstream() async throws {
        let application = try Application()
        let port = application.port
        let backend = FakeBackend()
        try await withServer(backend, metrics: true, probes: true, configure: { $0.upstream.ports = [port] }) { ports in
            for listener in [ports.main, ports.metrics, ports.probes] {
                for _ in 0..<20 { #expect(await ask(listener, "/readyz?upstream=\(port)")?.status == 200) }
            }
            // 60 questions within some seconds.
            #expect(1..<60 ~= application.connections)
            backend.isReady = false
            #expect(await ask(ports.probes, "/readyz?upstream=\(port)")?.status == 503)
            backend.isReady = true
            application.end()
            var statuses: Set<Int> = []
            while !statuses.contains(503) {
                statuses.insert(try #require(await ask(ports.probes, "/readyz?upstream=\(port)")).status)
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(await ask(ports.probes, "/readyz")?.status == 200)
            #expect(await ask(ports.probes, "/healthz?upstream=1")?.status == 200)
        }
    }

    @Test("only a port that was named may be asked about") func otherPorts() async throws {
        let application = try Application()
        let named = application.port == 20_880 ? 20_881 : 20_880
        try await withServer(probes: true, configure: { $0.upstream.ports = [named] }) { ports in
            for listener in [ports.main, ports.probes] {
                #expect(await ask(listener, "/readyz?upstream=\(application.port)")?.status == 404)
                for value in ["", "x", "-1", "0", "65536", "020880x", "99999999999999999999", "%31", "1&upstream=1"] {
                    let status = await ask(listener, "/readyz?upstream=\(value)")?.status
                    #expect(status == 400 || status == 404, "\(value)")
                }
                #expect(await ask(listener, "/readyz?upstream=%zz")?.status == 400)
                #expect(await ask(listener, "/readyz?other=1")?.status == 200)
            }
        }
        #expect(application.connections == 0)
        application.end()
    }

    @Test("a stuck worker fails health where that is wanted", arguments: [true, false])
    func stuck(_ isWanted: Bool) async throws {
        let backend = FakeBackend()
        try await withServer(backend, probes: true, configure: { $0.stuckFailsHealth = isWanted }) { ports in
            for listener in [ports.main, ports.probes] {
                backend.stuckWorkers = 0
                #expect(await ask(listener, "/healthz")?.status == 200)
                backend.stuckWorkers = 1
                #expect(await ask(listener, "/healthz")?.status == (isWanted ? 500 : 200))
                #expect(await ask(listener, "/readyz")?.status == 200)
            }
        }
    }
}
