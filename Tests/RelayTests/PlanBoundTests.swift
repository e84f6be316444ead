import Calls
import Foundation
import Inspection
import Relay
import Synchronization
import Testing
import Wire

/// A session made of a closure.
private final class ClosureSession: ProtocolSession {
    private let body: @Sendable (RawSpan, Direction, inout Plan) -> Void

    init(_ body: @escaping @Sendable (RawSpan, Direction, inout Plan) -> Void) { self.body = body }

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        body(bytes, direction, &plan)
    }
    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {}
}

extension RelaySocketTests {
    @Suite("The bounds of plans", .timeLimit(.minutes(10)))
    struct PlanBoundTests {
        private static func harness(
            _ listener: TestListener,
            _ body: @escaping @Sendable (RawSpan, Direction, inout Plan) -> Void
        ) throws -> Harness {
            try Harness(to: listener, makeSession: { $0.open(side: $1, as: ClosureSession(body)) })
        }

        /// What the relay has read of the only connection, after it has had every chance to read more.
        private static func received(_ harness: Harness) async -> UInt64 {
            var count: UInt64 = 0
            for _ in 0..<20 { count = await harness.relay.connections().first?.bytesToUpstream ?? 0 }
            return count
        }

        @Test("a session that holds too much is asked no more, and what it held of either direction goes on")
        func overrun() async throws {
            let asked = Atomic<Int>(0)
            let listener = try TestListener()
            // It holds everything and would forward nothing.
            let harness = try Self.harness(listener) { bytes, _, _ in asked.add(bytes.byteCount, ordering: .relaxed) }
            let (client, server) = try harness.pair(listener)
            try server.write([1, 2, 3])
            try await eventually("the server's bytes") { asked.load(ordering: .relaxed) == 3 }
            let pattern = Pattern(seed: 3).bytes(65_536 + 1)
            for piece in [pattern[..<65_536], pattern[65_536...]] {
                #expect(!server.poll(POLLIN, milliseconds: 0))
                try client.write(piece)
                try await eventually("the client's bytes") { asked.load(ordering: .relaxed) == 3 + piece.endIndex }
            }
            #expect(try server.read(exactly: pattern.count) == pattern)
            #expect(try client.read(exactly: 3) == [1, 2, 3])
            let before = asked.load(ordering: .relaxed)
            try client.write([4])
            #expect(try server.read(exactly: 1) == [4])
            #expect(asked.load(ordering: .relaxed) == before)
            await harness.stop()
        }

        @Test("a peer whose replies wait for a boundary is not read past the bound")
        func repliesWaiting() async throws {
            let listener = try TestListener()
            // Each byte from the client is answered with a kilobyte; the server's messages end with a zero.
            let harness = try Self.harness(listener) { bytes, direction, plan in
                if direction == .toUpstream {
                    plan.drop(bytes.byteCount)
                    plan.reply(with: Array(repeating: 0xaa, count: 1024 * bytes.byteCount))
                } else {
                    plan.forward(bytes.byteCount)
                    if bytes.byte(at: bytes.byteCount - 1) == 0 { plan.markBoundary() }
                }
            }
            let (client, server) = try harness.pair(listener)
            try server.write([9])
            #expect(try client.read(exactly: 1) == [9])
            for count in 1...256 {
                try client.write([1])
                try await eventually("byte \(count)") {
                    await harness.relay.connections().first?.bytesToUpstream == UInt64(count)
                }
            }
            try client.write([1, 1, 1])
            #expect(await Self.received(harness) == 256)
            #expect(!client.poll(POLLIN, milliseconds: 0))
            try server.write([0])
            let replies = try client.read(exactly: 1 + 259 * 1024)
            #expect(replies.first == 0 && replies.dropFirst().allSatisfy { $0 == 0xaa })
            await harness.stop()
        }

        @Test("a peer that does not take its replies is not read past the bound")
        func repliesNotTaken() async throws {
            let listener = try TestListener()
            let harness = try Self.harness(listener) { bytes, direction, plan in
                plan.drop(bytes.byteCount)
                plan.reply(with: Array(repeating: 0xaa, count: 65_536 * bytes.byteCount))
            }
            let client = try harness.connect(receiveBuffer: 32_768)
            let server = try listener.accept()
            let limit = 1000
            var sent = 0
            while sent < limit {
                try client.write([1])
                sent += 1
                if await harness.relay.connections().first?.bytesToUpstream == UInt64(sent) { continue }
                if await Self.received(harness) < UInt64(sent) { break }
            }
            // The kernel's buffers hold at most a few megabytes.
            #expect(sent < 300)
            let replies = try client.read(exactly: 65_536 * sent)
            #expect(replies.allSatisfy { $0 == 0xaa })
            client.close()
            #expect(server.readToEnd().bytes.isEmpty)
            await harness.stop()
        }
    }
}
