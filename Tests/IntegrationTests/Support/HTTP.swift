import Foundation

/// An answer over HTTP/1.1.
struct HTTPAnswer {
    let status: Int
    /// Names in lower case.
    let headers: [String: String]
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON.
    var json: Any { get throws { try JSONSerialization.jsonObject(with: Data(body)) } }

    /// Asks with `Connection: close` and reads to the end.
    static func get(_ path: String, from address: Address, accept: String = "*/*") throws -> HTTPAnswer {
        try get(path, over: Connection(to: address), host: address.description, accept: accept)
    }

    /// As above, over a connection of the caller's.
    static func get(_ path: String, over connection: Connection, host: String, accept: String = "*/*") throws
        -> HTTPAnswer
    {
        let request = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nAccept: \(accept)\r\nConnection: close\r\n\r\n"
        try connection.write(Array(request.utf8))
        return try HTTPAnswer(connection.readToEnd().bytes)
    }

    /// Asks for something else than to read, with a body.
    static func ask(
        _ method: String,
        _ path: String,
        _ body: [UInt8] = [],
        headers: [String] = [],
        from address: Address
    ) throws -> HTTPAnswer {
        let connection = try Connection(to: address)
        let lines = ["\(method) \(path) HTTP/1.1", "Host: \(address)", "Content-Length: \(body.count)"] + headers
        try connection.write(Array((lines + ["Connection: close", "", ""]).joined(separator: "\r\n").utf8) + body)
        return try HTTPAnswer(connection.readToEnd().bytes)
    }

    private init(_ bytes: [UInt8]) throws {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { throw Failure("no HTTP answer") }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first?.split(separator: " "), first.count > 1, let status = Int(first[1]) else {
            throw Failure("no HTTP status")
        }
        self.status = status
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
        self.headers = headers
        let rest = bytes[end.upperBound...]
        body = headers["transfer-encoding"] == "chunked" ? Self.joinChunks(rest) : Array(rest)
    }

    private static func joinChunks(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var rest = bytes
        var body: [UInt8] = []
        while let line = rest.firstRange(of: [0x0d, 0x0a]) {
            let size = String(decoding: rest[..<line.lowerBound], as: UTF8.self)
            guard let count = Int(size, radix: 16), count > 0 else { break }
            body += rest[line.upperBound...].prefix(count)
            rest = rest[line.upperBound...].dropFirst(count + 2)
        }
        return body
    }
}
