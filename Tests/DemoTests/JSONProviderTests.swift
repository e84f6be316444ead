import Calls
import HTTP1
import TestSupport
import Testing

@testable import Demo

@Suite(.timeLimit(.minutes(10)), .serialized) struct JSONProviderTests {
    /// A bare HTTP/1.1 client.
    private final class HTTPPeer {
        let socket: DemoSocket
        private var bodies = HTTP1Bodies(.responses)
        private var waiting: [HTTP1Message] = []
        private var buffer = [UInt8](repeating: 0, count: 4096)

        init?(port: UInt16) {
            guard let socket = DemoSocket.connect(to: "127.0.0.1", port: port, milliseconds: 1000) else { return nil }
            self.socket = socket
        }

        func send(_ body: String, to target: String = "/" + PaymentService.interface) -> Bool {
            socket.write(
                Array("POST \(target) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
            )
        }

        /// The next response's status and body; `nil` when the connection has ended.
        func next() throws -> (status: UInt16, body: String)? {
            while waiting.isEmpty {
                let count = socket.read(into: &buffer)
                if count == 0 { return nil }
                waiting += try bodies.read(buffer[..<count])
            }
            let message = waiting.removeFirst()
            return (message.head.status, String(decoding: message.body, as: UTF8.self))
        }
    }

    private static func request(_ method: String, _ parameters: String = "[]", id: String = "1") -> String {
        "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":\"\(method)\",\"params\":\(parameters)}"
    }

    private static func error(_ code: Int, _ message: String, id: String = "1") -> String {
        "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"error\":{\"code\":\(code),\"message\":\"\(message)\"}}"
    }

    private static let cases: [(request: String, reply: String)] = [
        (request("refund", "{\"account\":\"ACC-1000\"}"), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}"),
        (request("refund", "{}", id: "\"a\\u0062\""), "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"result\":true}"),
        (
            request("balance", "[\"ACC-1000\"]"),
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"cents\":64805,\"currency\":\"EUR\"}}"
        ), (request("charge", "{\"account\":\"ACC-0001\",\"cents\":5}"), error(1001, "insufficient funds")),
        (request("charge", "{\"account\":\"ACC-1234\",\"cents\":0,\"x\":1}"), error(-32602, "cents must be positive")),
        (request("refund", "[\"ACC-0002\"]"), error(-32001, "account is frozen")),
        (request("balance", "[\"ACC-0003\"]"), error(-32603, "ledger is not reachable")),
        (request("payout"), error(-32601, "Method not found")), ("{\"id\":1}", error(-32600, "Invalid Request")),
        ("[]", error(-32600, "Invalid Request", id: "null")), ("7", error(-32600, "Invalid Request", id: "null")),
        ("{\"id\":1,", error(-32700, "Parse error", id: "null")), ("", error(-32700, "Parse error", id: "null")),
        (
            "[\(request("refund", id: "1")),\(request("payout", id: "2")),{\"jsonrpc\":\"2.0\",\"method\":\"audit\"}]",
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true},\(error(-32601, "Method not found", id: "2"))]"
        ),
    ]

    @Test("calls are answered as their texts ask for, in the order of the requests")
    func answers() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(HTTPPeer(port: provider.port))
        for (request, _) in Self.cases { #expect(peer.send(request)) }
        for (request, expected) in Self.cases {
            let response = try #require(try peer.next())
            #expect(response.status == 200, "\(request)")
            #expect(response.body.contains(expected), "\(request): \(response.body)")
        }
        #expect(provider.counts.requests == UInt64(Self.cases.count + 1))
        #expect(provider.counts.onewayRequests == 1)
        #expect(provider.counts.replies == provider.counts.requests)
    }

    @Test("notifications get no content, other services and other methods of HTTP are refused")
    func others() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(HTTPPeer(port: provider.port))
        #expect(peer.send("{\"jsonrpc\":\"2.0\",\"method\":\"audit\"}"))
        #expect(try #require(try peer.next()) == (204, ""))
        #expect(peer.send(Self.request("refund"), to: "/com.example.Nothing"))
        #expect(try #require(try peer.next()).body == Self.error(-32601, "no service at /com.example.Nothing"))
        #expect(peer.socket.write(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)))
        #expect(try #require(try peer.next()) == (404, ""))
    }

    private static let wrongTexts = [
        "POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n" + String(repeating: " ", count: 65537),
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "POST / HTTP/2.7\r\n\r\n", "POST \u{1}\r\n\r\n",
    ]

    @Test("bodies that are too long and what is no HTTP end the connection", arguments: wrongTexts.indices)
    func refused(_ index: Int) throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(HTTPPeer(port: provider.port))
        _ = peer.socket.write(Array(Self.wrongTexts[index].utf8))
        while try peer.next() != nil {}
        #expect(provider.counts.decodeErrors == 1)
    }
}
