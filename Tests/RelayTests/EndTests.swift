import Calls
import Foundation
import Relay
import Synchronization
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Ends of connections", .timeLimit(.minutes(10)))
    struct EndTests {
        private static let something = Pattern(seed: 11).bytes(100_000)

        @Test("each direction may end first, and the other goes on", arguments: [true, false], [true, false])
        func halfClose(_ isClientFirst: Bool, _ isClosedAtOnce: Bool) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            let (first, second) = isClientFirst ? (client, server) : (server, client)
            try first.write(Self.something)
            first.shutdownWrite()
            let end = second.readToEnd()
            #expect(end.bytes == Self.something && end.end == .closed)
            for _ in 0..<3 {
                try second.write(Self.something)
                #expect(try first.read(exactly: Self.something.count) == Self.something)
            }
            if isClosedAtOnce { second.close() } else { second.shutdownWrite() }
            #expect(first.readToEnd().end == .closed)
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("both directions end at the same time with bytes on their way")
        func bothAtOnce() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            for _ in 0..<50 {
                let (client, server) = try harness.pair(listener)
                for socket in [client, server] {
                    try socket.write(Self.something)
                    socket.shutdownWrite()
                }
                for socket in [client, server] {
                    let end = socket.readToEnd()
                    #expect(end.bytes == Self.something && end.end == .closed)
                }
            }
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("a reset is passed on as one after everything said before", arguments: [true, false], [0, 1, 100_000])
        func reset(_ isClient: Bool, _ count: Int) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            for _ in 0..<20 {
                let (client, server) = try harness.pair(listener)
                let (source, sink) = isClient ? (client, server) : (server, client)
                try source.write(Self.something[..<count])
                #expect(source.waitUntilAcknowledged())
                source.reset()
                let end = sink.readToEnd()
                #expect(end.end == .reset)
                #expect(end.bytes == Array(Self.something[..<count]))
            }
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("a reset after a half-close is passed on in either direction", arguments: [true, false])
        func resetAfterHalfClose(_ isClient: Bool) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            let (source, sink) = isClient ? (client, server) : (server, client)
            try source.write([1, 2])
            source.shutdownWrite()
            #expect(try sink.read(exactly: 2) == [1, 2])
            #expect(try sink.readSome().isEmpty)
            try sink.write([3])
            #expect(try source.read(exactly: 1) == [3])
            source.reset()
            // Its end was said already; that it takes nothing any more shows when writing.
            try await eventually("the sink's connection is gone") {
                guard (try? sink.write([4])) == nil else { return false }
                return true
            }
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        /// Writes until the peer's kernel takes no more: how much it has acknowledged for sure.
        private static func fill(_ socket: TestSocket, _ pattern: Pattern) throws -> (acknowledged: Int, written: Int) {
            var written = 0
            while written < 64 << 20 {
                let count = try socket.writeSome(pattern.bytes(at: written, count: 32_768))
                let before = written
                written += count
                if count == 0 || !socket.waitUntilAcknowledged(milliseconds: 300) {
                    return (before + max(0, count - socket.unacknowledged), written)
                }
            }
            return (written, written)
        }

        /// Reads everything and compares: how much it was, and how it ended.
        private static func drain(_ socket: TestSocket, _ pattern: Pattern) -> (
            count: Int, end: TestSocket.End, isSame: Bool
        ) {
            let (bytes, end) = socket.readToEnd()
            return (bytes.count, end, pattern.matches(bytes, at: 0))
        }

        @Test("what a slow reader has not read yet survives the reset of the writer", arguments: [true, false])
        func resetUnderBackpressure(_ isClient: Bool) async throws {
            let pattern = Pattern(seed: 12)
            let listener = try TestListener(receiveBuffer: 32_768)
            let harness = try Harness(to: listener)
            let client = try harness.connect(receiveBuffer: 32_768)
            let server = try listener.accept()
            let (source, sink) = isClient ? (client, server) : (server, client)
            let (acknowledged, written) = try Self.fill(source, pattern)
            #expect(acknowledged > 1 << 20)
            source.reset()
            // The relay is not reading; it must neither spin over the reset nor forget what is before it.
            #expect(try await harness.clock.isAtRest())
            let (count, end, isSame) = Self.drain(sink, pattern)
            #expect(isSame && end == .reset)
            #expect(count >= acknowledged && count <= written)
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("an orderly end of both directions stays one while a slow reader still reads", arguments: [true, false])
        func endUnderBackpressure(_ isClient: Bool) async throws {
            let pattern = Pattern(seed: 13)
            let listener = try TestListener(receiveBuffer: 32_768)
            let harness = try Harness(to: listener)
            let client = try harness.connect(receiveBuffer: 32_768)
            let server = try listener.accept()
            let (source, sink) = isClient ? (client, server) : (server, client)
            // The reader has said its last before the writer has.
            sink.shutdownWrite()
            #expect(try source.readSome().isEmpty)
            let (_, written) = try Self.fill(source, pattern)
            source.close()
            #expect(try await harness.clock.isAtRest())
            let (count, end, isSame) = Self.drain(sink, pattern)
            #expect(isSame && end == .closed && count == written)
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("a reader that is reset under backpressure stops the writer with a reset", arguments: [true, false])
        func readerReset(_ isClient: Bool) async throws {
            let pattern = Pattern(seed: 14)
            let listener = try TestListener(receiveBuffer: 32_768)
            let harness = try Harness(to: listener)
            let client = try harness.connect(receiveBuffer: 32_768)
            let server = try listener.accept()
            let (source, sink) = isClient ? (client, server) : (server, client)
            _ = try Self.fill(source, pattern)
            sink.reset()
            let end = source.readToEnd()
            #expect(end.end == .reset && end.bytes.isEmpty)
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("a client that closes before upstream accepts is heard to the end")
        func clientClosesEarly() async throws {
            let listener = try TestListener(backlog: 0)
            let harness = try Harness(to: listener)
            let filler = try TestSocket.connect(to: listener.endpoint)
            let client = try harness.connect()
            try client.write([1, 2, 3])
            client.close()
            try await harness.waitForConnections(1)
            _ = try listener.accept()
            filler.close()
            let server = try listener.accept()
            let end = server.readToEnd()
            #expect(end.bytes == [1, 2, 3] && end.end == .closed)
            server.close()
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("a client that is reset before upstream accepts gives its connection up")
        func clientResetsEarly() async throws {
            let listener = try TestListener(backlog: 0)
            let harness = try Harness(to: listener)
            let filler = try TestSocket.connect(to: listener.endpoint)
            let client = try harness.connect()
            try await harness.waitForConnections(1)
            client.reset()
            try await harness.waitForConnections(0)
            #expect(harness.told.refusals.withLock { $0.isEmpty })
            filler.close()
            await harness.stop()
        }
    }
}
