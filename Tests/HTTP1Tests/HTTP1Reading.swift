import HTTP1
import TestSupport
import Wire

/// Writes down what a reader tells, as lines; pieces of one body are put together.
struct Recorder: HTTP1Sink {
    private static let table = NameTable([("content-type", 1), ("traceparent", 2), ("upgrade", 3)])
    static func number(ofHeader name: RawSpan) -> UInt8 { table.id(ignoringCaseOf: name) }

    var wantsAllHeaders = false
    var lines: [String] = []
    var answered: [HTTP1Method] = []
    var answeredCount = 0
    private var bodyText: [UInt8] = []
    private var hasBody = false

    init(wantsAllHeaders: Bool = false, answered: [HTTP1Method] = []) {
        self.wantsAllHeaders = wantsAllHeaders
        self.answered = answered
    }

    mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version) {
        lines.append("\(method.text) \(target.text) \(version)")
    }

    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) {
        lines.append("\(status) '\(reason.text)' \(version)")
    }

    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {
        lines.append("header \(id) \(name.text)='\(value.text)'")
    }

    mutating func trailer(_ id: UInt8, name: RawSpan, value: RawSpan) {
        flushBody()
        lines.append("trailer \(id) \(name.text)='\(value.text)'")
    }

    mutating func answeredMethod() -> HTTP1Method {
        answeredCount < answered.count ? answered[answeredCount] : .other
    }

    mutating func headEnded(_ head: HTTP1Head) {
        lines.append(
            "head \(head.method) \(head.status) \(head.body) \(head.contentLength) flags \(head.flags.rawValue)"
                + " at \(head.startLineBytes)/\(head.headBytes)"
                + " connection \(head.connectionLine.offset)+\(head.connectionLine.count)"
        )
        if head.isInterim { lines.append("interim") }
    }

    mutating func body(_ piece: RawSpan) {
        precondition(piece.byteCount > 0)
        hasBody = true
        bodyText += piece.array
    }

    mutating func messageEnded() {
        flushBody()
        answeredCount += 1
        lines.append("end")
    }

    mutating func flushBody() {
        if hasBody { lines.append("body \(String(decoding: bodyText, as: UTF8.self))") }
        bodyText = []
        hasBody = false
    }
}

/// What reading a direction came to.
struct Reading: Equatable {
    var lines: [String] = []
    /// The offsets behind messages, with `interim` ones negative.
    var ends: [Int] = []
    var error: HTTP1Error?
    var ending: HTTP1Reader.Ending?
    var notHTTPAt: Int?
}

func read(
    _ role: HTTP1Reader.Role,
    _ pieces: [ArraySlice<UInt8>],
    answered: [HTTP1Method] = [],
    all: Bool = false
) -> Reading {
    var reader = HTTP1Reader(role)
    var sink = Recorder(wantsAllHeaders: all, answered: answered)
    var reading = Reading()
    var base = 0
    pieces: for piece in pieces {
        let bytes = Array(piece)
        var at = 0
        while at < bytes.count {
            let before = at
            do {
                let progress = try reader.read(bytes.span.bytes, &at, into: &sink)
                switch progress {
                case .message: reading.ends.append(base + at)
                case .interim: reading.ends.append(-(base + at))
                case .needsMore: precondition(at == bytes.count)
                case .head: break
                case .notHTTP:
                    if reading.notHTTPAt == nil { reading.notHTTPAt = base + at }
                    break pieces
                }
                precondition(at > before, "no progress")
                precondition(progress != .message || reader.isAtBoundary)
            } catch {
                reading.error = error
                break pieces
            }
        }
        base += bytes.count
    }
    if reading.error == nil { reading.ending = reader.end(into: &sink) }
    sink.flushBody()
    reading.lines = sink.lines
    return reading
}

func read(
    _ role: HTTP1Reader.Role,
    _ text: String,
    answered: [HTTP1Method] = [],
    all: Bool = false
) -> Reading {
    read(role, [Array(text.utf8)[...]], answered: answered, all: all)
}

/// A direction with everything a reader can meet, as (name, role, answered methods, text).
struct Sample: Sendable, CustomStringConvertible {
    var name: String
    var role: HTTP1Reader.Role
    var answered: [HTTP1Method] = []
    var text: String
    var description: String { name }
}

let samples: [Sample] = [
    Sample(
        name: "requests of every framing",
        role: .requests,
        text: """
            POST /com.x.Service HTTP/1.1\r
            Host: a\r
            Content-Type:  application/json \t\r
            Content-Length: 9\r
            X-Empty:\r
            \r
            {"id":1}
            GET /healthz HTTP/1.1\r\nhost: a\r\n\r
            \r\n\r\nPUT /c HTTP/1.1\r
            transfer-ENCODING: Chunked\r
            traceparent: 00-ab\r
            \r
            5\r\nhello\r\n006;name="va\tlue";x\r\n world\r\n0\r\nX-Sum: 12\r\nTraceparent: t\r\n\r
            POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nab
            """
    ),
    Sample(
        name: "responses of every framing",
        role: .responses,
        answered: [.post, .head, .get, .get, .get, .get],
        text: """
            HTTP/1.1 100 Continue\r\n\r
            HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc\
            HTTP/1.1 200 \r\nContent-Length: 300\r\n\r
            HTTP/1.1 204\r\nConnection: keep-alive\r\n\r
            HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r
            HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r
            Content-Type: application/json\r\n\r\nA\r\n0123456789\r\n0\r\n\r
            HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end
            """
    ),
    Sample(
        name: "an upgrade",
        role: .responses,
        answered: [.get],
        text: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\u{12}\u{4}"
    ),
    Sample(
        name: "a tunnel",
        role: .responses,
        answered: [.connect],
        text: "HTTP/1.1 200 Connection established\r\nContent-Length: 4\r\n\r\n\u{16}\u{3}\u{1}"
    ),
]
