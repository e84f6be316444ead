import Calls
import Foundation
import Inspection
import Relay
import Telemetry
import TestSupport
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Transparency", .timeLimit(.minutes(10)))
    struct TransparencyTests {
        /// Writes so many bytes of a pattern in pieces of random size.
        private static func write(_ count: Int, of pattern: Pattern, to socket: TestSocket, seed: UInt64) throws {
            var random = SeededRandom(seed: seed)
            var at = 0
            while at < count {
                let piece = pattern.bytes(at: at, count: min(count - at, Int.random(in: 1...60_000, using: &random)))
                try socket.write(piece)
                at += piece.count
            }
        }

        /// Reads to the end and compares: how many bytes there were.
        private static func check(_ socket: TestSocket, _ pattern: Pattern) throws -> Int {
            var count = 0
            while case let bytes = try socket.readSome(), !bytes.isEmpty {
                guard pattern.matches(bytes, at: count) else { throw SocketError("other bytes after \(count)", 0) }
                count += bytes.count
            }
            return count
        }

        @Test("bytes arrive unchanged both ways on several connections at once", arguments: [1, 3])
        func severalConnections(_ workers: Int) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener) { $0.workers = workers }
            let jobs = (0..<12).map { number in
                Background {
                    let (up, down) = (Pattern(seed: UInt64(number)), Pattern(seed: UInt64(number) | 0x100))
                    let client = try harness.connect()
                    // Which connection the server's end belongs to is said first.
                    try client.write([UInt8(number)])
                    let counts = (up: 500_000 + number * 1001, down: 700_000 - number * 333)
                    let writer = Background {
                        try Self.write(counts.up, of: up, to: client, seed: UInt64(number)); client.shutdownWrite()
                    }
                    #expect(try Self.check(client, down) == counts.down)
                    try writer.value()
                }
            }
            let servers = try (0..<12).map { _ in
                let server = try listener.accept()
                return Background {
                    let number = Int(try server.read(exactly: 1)[0])
                    let (up, down) = (Pattern(seed: UInt64(number)), Pattern(seed: UInt64(number) | 0x100))
                    let writer = Background {
                        try Self.write(700_000 - number * 333, of: down, to: server, seed: ~UInt64(number));
                        server.shutdownWrite()
                    }
                    #expect(try Self.check(server, up) == 500_000 + number * 1001)
                    try writer.value()
                }
            }
            for job in jobs + servers { try job.value() }
            try await harness.waitForConnections(0)
            await harness.stop()
        }

        @Test("real calls, one byte a write, arrive unchanged and are counted")
        func singleBytes() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            let call = DubboFrames.call
            for byte in call.request { try client.write([byte]) }
            #expect(try server.read(exactly: call.request.count) == call.request)
            for byte in call.reply { try server.write([byte]) }
            #expect(try client.read(exactly: call.reply.count) == call.reply)
            let operation = await harness.metrics().operations.first { $0.calls > 0 }
            #expect(operation?.calls == 1 && operation?.errors == 0)
            await harness.stop()
        }

        @Test("all real frames of a connection pass at once and every call is counted")
        func realFrames() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            // Without the provider's own calls back, which have no place in this order.
            let calls = DubboFrames.requests.filter { $0[2] & 0x80 != 0 }
            let requests = calls.flatMap { $0 }
            let replies = DubboFrames.replies.filter { $0[2] & 0x80 == 0 }.flatMap { $0 }
            try client.write(requests)
            #expect(try server.read(exactly: requests.count) == requests)
            try server.write(replies)
            #expect(try client.read(exactly: replies.count) == replies)
            try await eventually("all calls answered") {
                let operations = await harness.metrics().operations
                let counted = operations.reduce(0) { $0 + $1.calls }
                return counted == calls.count { $0[2] & 0x20 == 0 } && operations.allSatisfy { $0.inFlight == 0 }
            }
            let reports = await harness.relay.connections()
            #expect(reports.count == 1)
            #expect(reports.first?.connectionProtocol == .dubbo && reports.first?.inFlight == 0)
            #expect(reports.first?.bytesToUpstream == UInt64(requests.count))
            #expect(reports.first?.bytesToDownstream == UInt64(replies.count))
            #expect(reports.first?.upstream == listener.endpoint && reports.first?.isConnecting == false)
            await harness.stop()
        }

        @Test("an upstream that speaks first is heard")
        func upstreamFirst() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            let (client, server) = try harness.pair(listener)
            try server.write(Array("220 ready\r\n".utf8))
            #expect(try client.read(exactly: 11) == Array("220 ready\r\n".utf8))
            try client.write([1])
            #expect(try server.read(exactly: 1) == [1])
            await harness.stop()
        }

        @Test("connections on which nothing is said are passed on and end")
        func emptyConnections() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener)
            for number in 0..<50 {
                let (client, server) = try harness.pair(listener)
                let (first, second) = number % 2 == 0 ? (client, server) : (server, client)
                first.close()
                let end = second.readToEnd()
                #expect(end.bytes.isEmpty && end.end == .closed)
                second.close()
            }
            try await harness.waitForConnections(0)
            let connections = await harness.metrics().connections.filter { $0.total > 0 }
            #expect(connections.count == 1 && connections[0].connectionProtocol == .silent && connections[0].open == 0)
            #expect(connections[0].total == 50)
            await harness.stop()
        }

        @Test("a dual-stack listener takes both families, and either can be upstream")
        func families() async throws {
            for upstream in [Endpoint.loopback(), .loopback6()] {
                let listener = try TestListener(upstream)
                let any = Endpoint(high: 0, low: 0, port: 0)
                let harness = try Harness(to: .fixed(listener.endpoint), at: any, isDualStack: true)
                let port = harness.address.port
                for address in [Endpoint.loopback(port), .loopback6(port)] {
                    let client = try TestSocket.connect(to: address)
                    let server = try listener.accept()
                    try client.write([7, 8])
                    #expect(try server.read(exactly: 2) == [7, 8])
                    let report = await harness.relay.connections().first
                    #expect(report?.peer.isIPv6 == address.isIPv6)
                    client.close()
                    #expect(server.readToEnd().end == .closed)
                    server.close()
                    try await harness.waitForConnections(0)
                }
                await harness.stop()
            }
        }

        @Test("an IPv6 listener that is not dual-stack leaves IPv4 alone")
        func onlyIPv6() async throws {
            let listener = try TestListener()
            let harness = try Harness(to: .fixed(listener.endpoint), at: Endpoint(high: 0, low: 0, port: 0))
            #expect(throws: SocketError.self) { try TestSocket.connect(to: .loopback(harness.address.port)) }
            _ = try TestSocket.connect(to: .loopback6(harness.address.port))
            await harness.stop()
        }

        @Test("storms of connections that end in every way leave the others' bytes alone", arguments: [1, 3])
        func churn(_ workers: Int) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener) { $0.workers = workers }
            // The application echoes until the end.
            let server = Background {
                var echoes: [Background<Void>] = []
                for number in 0..<600 {
                    let socket = try listener.accept()
                    echoes.append(
                        Background {
                            while let bytes = try? socket.readSome(), !bytes.isEmpty {
                                guard (try? socket.write(bytes)) != nil else { break }
                                if number % 7 == 3 { return socket.reset() }
                            }
                            socket.close()
                        }
                    )
                }
                for echo in echoes { try echo.value() }
            }
            let clients = (0..<6).map { seed in
                Background {
                    var random = SeededRandom(seed: UInt64(seed))
                    let pattern = Pattern(seed: UInt64(seed))
                    for _ in 0..<100 {
                        let count = Int.random(in: 1...5000, using: &random)
                        let client = try harness.connect()
                        guard (try? client.write(pattern.bytes(at: 0, count: count))) != nil else { continue }
                        switch Int.random(in: 0..<4, using: &random) {
                        case 0: client.reset()
                        case 1: client.close()
                        case 2:
                            client.shutdownWrite()
                            let (bytes, end) = client.readToEnd()
                            guard pattern.matches(bytes, at: 0), end == .reset || end == .closed else {
                                throw SocketError("\(end)", 0)
                            }
                            if end == .closed, bytes.count != count {
                                throw SocketError("only \(bytes.count) of \(count)", 0)
                            }
                        default:
                            guard let some = try? client.readSome(), pattern.matches(some, at: 0) else { continue }
                        }
                    }
                }
            }
            for client in clients { try client.value() }
            try server.value()
            try await harness.waitForConnections(0)
            #expect(await harness.metrics().connections.reduce(0) { $0 + $1.total } == 600)
            await harness.stop()
        }
    }
}
