import Foundation
import Inspection
import Relay
import Synchronization
import Telemetry
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Names with several addresses", .timeLimit(.minutes(10)))
    struct UpstreamNameTests {
        private static func harness(
            _ endpoints: [Endpoint],
            timeoutMilliseconds: UInt64 = 5000,
            lookUp: @escaping @Sendable () -> [Endpoint] = { [] }
        ) throws -> Harness {
            let name = try #require(UpstreamName(endpoints, lookUp: lookUp))
            return try Harness(to: .name(name)) { $0.connectTimeoutNanoseconds = timeoutMilliseconds * 1_000_000 }
        }

        private static func checkConnection(_ harness: Harness, to listener: TestListener) async throws {
            let (client, server) = try harness.pair(listener)
            try client.write([1, 2, 3])
            #expect(try server.read(exactly: 3) == [1, 2, 3])
            try server.write([4])
            #expect(try client.read(exactly: 1) == [4])
            #expect(await harness.relay.connections().map(\.upstream) == [listener.endpoint])
            client.close()
            #expect(server.readToEnd().end == .closed)
            server.close()
            try await harness.waitForConnections(0)
        }

        /// An address that nobody listens on.
        private static func closed(isIPv6: Bool = false) throws -> Endpoint {
            try TestListener(isIPv6 ? .loopback6() : .loopback()).endpoint
        }

        @Test("the first address that accepts is taken, in either family", arguments: [false, true])
        func nextAddress(isIPv6Last: Bool) async throws {
            let listener = try TestListener(isIPv6Last ? .loopback6() : .loopback())
            // 255.255.255.255 is no address to connect to: connect() itself fails.
            let dead = [
                try Self.closed(isIPv6: !isIPv6Last), Endpoint(ipv4: 0xffff_ffff, port: 9), try Self.closed(),
            ]
            let harness = try Self.harness(dead + [listener.endpoint])
            for _ in 0..<3 { try await Self.checkConnection(harness, to: listener) }
            #expect(harness.told.refusals.withLock { $0.isEmpty })
            await harness.stop()
        }

        @Test("the order is that of the lookup")
        func order() async throws {
            let listeners = try [TestListener(), TestListener()]
            let harness = try Self.harness(listeners.map(\.endpoint))
            for _ in 0..<3 { try await Self.checkConnection(harness, to: listeners[0]) }
            #expect(listeners[1].isIdle(milliseconds: 0))
            await harness.stop()
        }

        @Test("an address that does not answer leaves time for the next")
        func silentAddress() async throws {
            let silent = try TestListener(backlog: 0)
            let filler = try TestSocket.connect(to: silent.endpoint)
            let listener = try TestListener()
            let harness = try Self.harness([silent.endpoint, listener.endpoint], timeoutMilliseconds: 600)
            try await Self.checkConnection(harness, to: listener)
            #expect(harness.told.refusals.withLock { $0.isEmpty })
            filler.close()
            await harness.stop()
        }

        @Test("when none accepts the client is reset, once, and the name is looked up again")
        func lookedUpAgain() async throws {
            let listener = try TestListener()
            let lookups = Lookups()
            let endpoint = listener.endpoint
            let harness = try Self.harness([try Self.closed(), try Self.closed(isIPv6: true)]) {
                // The first time the name server has nothing, and nothing changes.
                lookups.count() == 1 ? [] : [endpoint]
            }
            var clients: [TestSocket] = []
            try await eventually("the new address") {
                // The reset may come before connect() returns.
                if let client = try? harness.connect() {
                    try? client.write([9])
                    clients.append(client)
                }
                return !listener.isIdle(milliseconds: 20)
            }
            #expect(try listener.accept().read(exactly: 1) == [9])
            let refused = harness.told.refusals.withLock { $0 }
            #expect(refused.count >= 2 && refused.allSatisfy { $0 == .connectFailed })
            clients = []
            await harness.stop()
        }

        private final class Lookups: Sendable {
            private let made = Mutex(0)

            func count() -> Int {
                made.withLock { made in
                    made += 1
                    return made
                }
            }
        }
    }
}
