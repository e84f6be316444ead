import Calls
import Inspection
import Telemetry

/// Bytes of HTTP/1.
enum H1 {
    /// A request with a body, by default a POST to a service's path.
    static func request(
        _ body: String = "",
        path: String = "/org.example.Users",
        method: String = "POST",
        _ headers: [String] = [],
        version: String = "1.1",
        chunks: Int? = nil
    ) -> [UInt8] {
        message(
            "\(method) \(path) HTTP/\(version)",
            body,
            ["Host: a", "Content-Type: application/json"] + headers,
            chunks
        )
    }

    /// A response with a body.
    static func response(
        _ status: Int = 200,
        _ body: String = "",
        _ headers: [String] = [],
        chunks: Int? = nil
    ) -> [UInt8] {
        message("HTTP/1.1 \(status) Text", body, headers, chunks)
    }

    /// A head alone: what follows it is up to the caller.
    static func head(_ lines: String...) -> [UInt8] { Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) }

    private static func message(_ line: String, _ body: String, _ headers: [String], _ chunks: Int?) -> [UInt8] {
        let content = Array(body.utf8)
        var lines = [line] + headers
        guard let chunks else {
            if !content.isEmpty || line.hasPrefix("HTTP") { lines.append("Content-Length: \(content.count)") }
            return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + content
        }
        lines.append("Transfer-Encoding: chunked")
        var bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        for start in stride(from: 0, to: content.count, by: chunks) {
            let piece = content[start..<min(content.count, start + chunks)]
            bytes += Array((String(piece.count, radix: 16) + ";a=b\r\n").utf8) + piece + [13, 10]
        }
        return bytes + Array("0\r\nX-Trailer: 1\r\n\r\n".utf8)
    }

    /// A call in Triple's plain form.
    static func triple(
        _ method: String = "hi",
        _ headers: [String] = [],
        verb: String = "POST",
        body: String = "[1]",
        chunks: Int? = nil
    ) -> [UInt8] {
        request(
            body,
            path: "/org.example.Greeter/\(method)",
            method: verb,
            ["Triple-Protocol-Version: 0.1.0"] + headers,
            chunks: chunks
        )
    }
}

/// Texts of JSON-RPC.
enum RPC {
    static func call(_ id: String? = "1", _ method: String = "get", params: String = "[1,{\"id\":9}]") -> String {
        let end = id.map { ",\"id\":\($0)" } ?? ""
        return "{\"jsonrpc\":\"2.0\",\"method\":\"\(method)\",\"params\":\(params)\(end)}"
    }

    static func result(_ id: String = "1") -> String { "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"result\":{\"a\":[]}}" }

    static func error(_ code: Int, _ id: String = "1") -> String {
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":\(code),\"message\":\"m\"},\"id\":\(id)}"
    }

    static func batch(_ members: String...) -> String { "[" + members.joined(separator: ", ") + "]" }
}

/// What happens on a connection: bytes of either direction, in order.
enum Exchanged {
    case up([UInt8])
    case down([UInt8])
    case upEnds
    case downEnds
}

extension Bench {
    /// Runs what happens through a session; cut into pieces of `piece` bytes, or once at `cut` (counted over all).
    func run(_ steps: [Exchanged], piece: Int? = nil, cut: Int? = nil) -> Session {
        let session = open()
        var total = 0
        for step in steps {
            switch step {
            case .up(let bytes): give(session, bytes, .toUpstream, piece, cut, &total)
            case .down(let bytes): give(session, bytes, .toDownstream, piece, cut, &total)
            case .upEnds: end(session, .toUpstream)
            case .downEnds: end(session, .toDownstream)
            }
        }
        return session
    }

    private func end(_ session: Session, _ direction: Direction) {
        plan.removeAll()
        inspector.ended(session, direction, now: 3000, plan: &plan)
    }

    private func give(
        _ session: Session,
        _ bytes: [UInt8],
        _ direction: Direction,
        _ piece: Int?,
        _ cut: Int?,
        _ total: inout Int
    ) {
        let now: UInt64 = direction == .toUpstream ? 1000 : 2000
        var start = 0
        while start < bytes.count {
            var end = bytes.count
            if let piece { end = min(end, start + piece) }
            if let cut, cut > total, cut - total < end - start { end = start + cut - total }
            give(session, Array(bytes[start..<end]), direction, now)
            total += end - start
            start = end
        }
    }
}

extension [Exchanged] {
    /// How many bytes both directions have.
    var byteCount: Int {
        reduce(0) { sum, step in
            switch step {
            case .up(let bytes), .down(let bytes): sum + bytes.count
            case .upEnds, .downEnds: sum
            }
        }
    }
}
