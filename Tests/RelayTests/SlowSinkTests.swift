import Calls
import Foundation
import Inspection
import Relay
import Synchronization
import Testing
import Wire

extension RelaySocketTests {
    /// Peers that do not read what the other sends.
    @Suite("Slow sinks", .timeLimit(.minutes(10)))
    struct SlowSinkTests {
        /// Passes everything on, and ends the connection when downstream says anything.
        private final class Closer: ProtocolSession {
            func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan)
            {
                plan.forwardAll(endsAtBoundary: true)
                if direction == .toUpstream { plan.close() }
            }

            func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
                plan.forwardAll(endsAtBoundary: true)
            }
        }

        /// Writes until neither the relay nor the kernel takes any more: where in the pattern that is.
        private static func fill(_ socket: TestSocket, _ pattern: Pattern, from start: Int = 0) throws -> Int {
            var count = start
            while socket.poll(Int32(POLLOUT), milliseconds: 300) {
                let written = try socket.writeSome(pattern.bytes(at: count, count: 65_521))
                count += written
                if written == 0 { usleep(1000) }
            }
            return count
        }

        @Test("a reader that stops and goes on gets every byte, and the relay rests meanwhile", arguments: 0..<2)
        func stopsAndGoesOn(way: Int) async throws {
            let listener = try TestListener(receiveBuffer: 4096)
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener, receiveBuffer: 4096)
            let (source, sink) = way == 0 ? (client, server) : (server, client)
            let pattern = Pattern(seed: 7)
            var sent = 0
            var got = 0
            for _ in 0..<3 {
                let before = sent
                sent = try Self.fill(source, pattern, from: sent)
                #expect(sent > before)
                #expect(try await harness.clock.isAtRest())
                while got < sent {
                    let bytes = try sink.readSome(30_000)
                    try #require(!bytes.isEmpty && pattern.matches(bytes, at: got))
                    got += bytes.count
                }
            }
            // The other way is not held up by this one.
            try sink.write([1, 2, 3])
            #expect(try source.read(exactly: 3) == [1, 2, 3])
            client.close()
            server.close()
            await harness.stop()
        }

        @Test("a connection that Weir ends while its reader is slow does not keep a worker busy")
        func ended() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener, makeSession: { $0.open(side: $1, as: Closer()) })
            let (client, server) = try harness.pair(listener, receiveBuffer: 4096)
            let pattern = Pattern(seed: 3)
            _ = try Self.fill(server, pattern)
            try client.write([1])
            // What the relay had read arrives, and its end; the client does not end its own way.
            let (bytes, end) = client.readToEnd()
            #expect(end == .closed && pattern.matches(bytes, at: 0))
            #expect(try await harness.clock.isAtRest())
            client.close()
            try await harness.waitForConnections(0)
            await harness.stop()
        }
    }
}
