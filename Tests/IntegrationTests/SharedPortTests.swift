import Foundation
import TestSupport
import Testing

extension Integration {
    /// One port for every protocol, told by what a connection says; and for those that say nothing.
    @Suite struct SharedPortTests {
        @Test(
            "Dubbo, Triple or gRPC, and JSON-RPC clients share a port at the same time",
            .enabled(
                if: [PeerProgram.grpc, .triple, .jsonrpc].allSatisfy(\.isThere),
                PeerProgram.missing(.grpc, .triple)
            ),
            .timeLimit(.minutes(10)),
            arguments: [PeerProgram.grpc, .triple]
        )
        func sharesPort(_ http2: PeerProgram) throws {
            let dubbo = try EchoProvider()
            defer { dubbo.stop() }
            let (stream, rpc) = (try PeerServer(http2), try PeerServer(.jsonrpc))
            let (dubboAddress, streamAddress, rpcAddress) = (dubbo.address, stream.address, rpc.address)
            let upstream = try Switchboard { first in
                if first[0] == 0xda { return dubboAddress }
                return first == Array("PRI".utf8) ? streamAddress : rpcAddress
            }
            defer { upstream.stop() }
            let weir = try WeirProcess(upstream: upstream.address, "--workers", "2")
            let steps = ["--only", "unary,errors,concurrent", "--streams", "200"]
            let clients = [
                try http2.client(weir.address, http2 == .grpc ? steps : ["--calls", "200"]),
                try PeerProgram.jsonrpc.client(weir.address),
            ]
            var dubboCalls: UInt64 = 0
            let connections = try (0..<3).map { _ in try Connection(to: weir.address) }
            while clients.contains(where: { $0.isRunning() }) || dubboCalls < 300 {
                dubboCalls += 1
                for connection in connections { try connection.call(dubboCalls) }
            }
            for connection in connections { connection.close() }
            let summaries = try clients.map { try PeerSummary.of($0).summary }
            for summary in summaries { #expect(summary.problems == []) }

            let metrics = try weir.settledMetrics()
            expectNoTrouble(metrics)
            #expect(metrics.connections == ["dubbo": 3, "triple": 1, "jsonrpc": 31, "http": 1])
            #expect(metrics.calls(["protocol": "dubbo"]) == [Self.dubboCall: 3 * Int(dubboCalls)])
            #expect(metrics.sum("weir_calls_total", ["protocol": "triple"]) == summaries[0].calls)
            #expect(metrics.sum("weir_calls_total", ["protocol": "jsonrpc", "side": "provider"]) == summaries[1].calls)
        }

        private static let dubboCall = CallKey("demo.Greeter", "hello", "ok", "OK", version: "1.0.0")

        @Test(
            "1,500 calls are in flight on one connection, all seen and all answered",
            .enabled(if: PeerProgram.grpc.isThere, PeerProgram.missing(.grpc)),
            .timeLimit(.minutes(10))
        )
        func manyAtOnce() throws {
            let server = try PeerServer(.held)
            let weir = try WeirProcess(upstream: server.address)
            let folder = try TemporaryFolder()
            let word = folder.path + "/release"
            let client = try PeerProgram.held.client(weir.address, ["1500", word])
            try weir.metrics("1,500 calls in flight", within: 4 * patience) {
                guard client.isRunning() else { throw Failure("the client ended: \(client.errorText)") }
                return $0.sum("weir_calls_in_flight") == 1500
            }
            _ = try folder.file("release")
            #expect(try client.wait(within: 4 * patience) == .exited(0), "\(client.errorText)")
            let metrics = try weir.settledMetrics()
            expectNoTrouble(metrics)
            let counted = ["Hold": 1500, "Release": 1].map { (CallKey(path: "weir.test.Held/\($0)", status: "OK"), $1) }
            #expect(metrics.calls() == Dictionary(uniqueKeysWithValues: counted))
            #expect(metrics.connections == ["triple": 1])
            #expect(try server.stop() == ["Hold": 1500, "Release": 1])
        }

        @Test("HTTP/2 is known wherever its beginning is cut", .timeLimit(.minutes(10)))
        func cutPreface() throws {
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address, "--workers", "1")
            // POST, http, /a.B/call, application/grpc.
            let fields = "8386" + "0409" + hexText("/a.B/call".utf8) + "0f1010" + hexText("application/grpc".utf8)
            let settings = hex("000000 04 00 00000000")
            let headers = hex("0000\(hexText([UInt8(fields.count / 2)])) 01 04 00000001" + fields)
            let bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings + headers
            for cut in 1..<bytes.count {
                let client = try Connection(to: weir.address)
                let server = try listener.accept()
                for piece in [bytes[..<cut], bytes[cut...]] {
                    try client.write(Array(piece))
                    #expect(try server.read(piece.count) == Array(piece))
                }
            }
            let metrics = try weir.settledMetrics()
            expectNoTrouble(metrics)
            #expect(metrics.connections == ["triple": bytes.count - 1])
            #expect(metrics.calls() == [CallKey("a.B", "call", "unanswered", ""): bytes.count - 1])
        }

        /// What a peer may begin with, and what its connection counts as when no more comes.
        struct Beginning: CustomTestStringConvertible, Sendable {
            let bytes: [UInt8]
            /// Empty where it may be anything but `silent`.
            let counted: String
            var testDescription: String { "\(bytes)" }

            init(_ text: String, _ counted: String) {
                bytes = Array(text.utf8)
                self.counted = counted
            }

            init(_ bytes: [UInt8], _ counted: String) {
                self.bytes = bytes
                self.counted = counted
            }
        }

        static let beginnings = [
            Beginning([], "silent"), Beginning("PRI * HTTP/2.0\r\n", ""), Beginning("PO", "opaque"),
            Beginning("GET", "opaque"), Beginning("POST / HTTP/1.1\r\n", "http"), Beginning("{\"json", "opaque"),
            Beginning("[", "opaque"), Beginning([0xda], "opaque"), Beginning([0xda, 0xbb, 0xc2], "dubbo"),
            Beginning([0x16], "opaque"), Beginning([0x16, 0x03, 0x01], "tls"), Beginning([0, 0, 0, 4], "opaque"),
            Beginning("220 mail.example ESMTP\r\n", "opaque"),
        ]

        @Test("Nothing that a peer begins with waits for more", .timeLimit(.minutes(10)), arguments: beginnings)
        func waitsForNothing(_ beginning: Beginning) throws {
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address, "--workers", "1")
            var connections = 0
            for clientBegins in [true, false] {
                // Each byte is awaited before the next is sent; a delay of any timer's would add up, every time. That of
                // a busy machine comes and goes.
                let isPrompt = try (0..<20).contains { _ in
                    connections += 1
                    let client = try Connection(to: weir.address)
                    // The server sees the connection before a byte has come.
                    let server = try listener.accept()
                    defer {
                        client.close()
                        server.close()
                    }
                    let (first, second) = clientBegins ? (client, server) : (server, client)
                    let start = ContinuousClock.now
                    for byte in beginning.bytes {
                        try first.write([byte])
                        #expect(try second.read(1) == [byte])
                    }
                    return ContinuousClock.now - start < .milliseconds(250 + 10 * beginning.bytes.count)
                }
                #expect(isPrompt)
            }
            let metrics = try weir.settledMetrics()
            if beginning.counted.isEmpty {
                #expect(metrics.connections["silent"] == nil)
            } else {
                #expect(metrics.connections[beginning.counted] ?? 0 >= 1, "\(metrics.connections)")
            }
            #expect(metrics.connections.values.reduce(0, +) == connections)
            #expect(metrics.calls() == [:])
        }
    }
}
