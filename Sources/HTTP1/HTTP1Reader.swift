public import Wire

/// A reader that divides one direction of an HTTP/1 connection into messages, from bytes in any pieces.
///
/// It is a machine that looks at every byte once and can stop anywhere. A head is read line by line, each as soon as it
/// is complete: a line that is complete in one read is used in place, the available part of a split line is kept
/// (bounded by ``HTTP1Limits/maxHeadBytes``). Bodies are never kept.
///
/// ``HTTP1Error`` lists the forms it rejects. Line ends must be CR LF, as strict parsers demand (RFC 9112 §2.2 leaves
/// it open): some programs take a bare LF and some do not, and Weir cannot know which kind it is beside. Empty lines
/// before a request line are skipped, as RFC 9112 §2.2 asks, a bare LF or CR as well because servers do so; they belong
/// to no message. HTTP/1.2 and above is read as HTTP/1.1 (RFC 9110 §2.5). Equal content-lengths may be repeated.
///
/// A direction begins with ``init(_:)``, is read with ``read(_:_:into:)`` and closed with ``end(into:)``. Cost: about
/// 40 ns a line of a head and 10 ns a piece of a body; no allocation in the steady state, lines split or not.
/// Source: RFC 9112, RFC 9110.
public struct HTTP1Reader: ~Copyable {
    /// The direction of an exchange.
    public enum Role: UInt8, BitwiseCopyable, Sendable {
        /// From the client.
        case requests
        /// From the server.
        case responses
    }

    /// The reasons for which ``read(_:_:into:)`` returns.
    public enum Progress: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// All bytes are used up inside or between messages.
        case needsMore
        /// A head ended and a body follows. The bytes before the position are the head's.
        case head
        /// An interim response (1xx) ended; the final one is still to come, so that nothing may be put in between.
        case interim
        /// A message ended.
        case message
        /// The bytes after the position are not HTTP/1: an upgrade (101) or a tunnel. No more is read.
        case notHTTP
    }

    /// The meaning of a connection's end.
    public enum Ending: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// It came between messages.
        case clean
        /// It ended the body, and so the message, that was going on.
        case message
        /// It came inside a message, or between an interim response and its final one.
        case truncated
        /// The direction did not carry HTTP/1 any more.
        case notHTTP
    }

    enum State: UInt8 {
        case startLine, header
        case lengthBody, lengthBodyEnd, endlessBody
        case chunkSize, chunkExtension, chunkSizeEnd, chunkData, chunkDataEnd, chunkDataFinal
        case trailer
        case notHTTP
    }

    enum Coding: UInt8 {
        case absent, other, chunkedLast
    }

    /// The result of one step; ranges point into the line buffer if `isLineKept`, else into the given bytes.
    @usableFromInline
    enum Event {
        case needsMore
        case nothing
        case requestLine(method: ByteRange, target: ByteRange)
        case statusLine(reason: ByteRange)
        case header(name: ByteRange, value: ByteRange)
        case trailer(name: ByteRange, value: ByteRange)
        case headEnd
        case body(from: Int, count: Int)
        case messageEnd
        case notHTTP
    }

    /// The direction of the exchange.
    public let role: Role
    var state = State.startLine
    var coding = Coding.absent
    var endsInCR = false
    var awaitsFinal = false
    var chunkDigits: UInt8 = 0
    var failure: HTTP1Error?
    /// Bytes of the head, the trailers or the chunk extension so far.
    @usableFromInline
    var lineBytes = 0
    /// Bytes of the body or of the chunk still to come.
    var remaining: UInt64 = 0

    @usableFromInline
    var head = HTTP1Head()
    @usableFromInline
    var line = PrefixBuffer(limitBytes: HTTP1Limits.maxHeadBytes)
    @usableFromInline
    var isLineKept = false

    /// A reader at the beginning of a direction, or at any place where a message begins.
    ///
    /// - Parameter role: The direction of the exchange that is read.
    public init(_ role: Role) { self.role = role }

    /// True if a message may begin with the next byte: no message is incomplete and no final response is due.
    public var isAtBoundary: Bool { state == .startLine && lineBytes == 0 && !awaitsFinal }

    /// The length of the first line of the last head, or of the current one, with its CR LF.
    public var startLineBytes: Int { Int(head.startLineBytes) }

    /// The number of bytes read of an incomplete head, without the empty lines before it.
    public var unfinishedHeadBytes: Int {
        switch state {
        case .startLine, .header: lineBytes
        default: 0
        }
    }

    /// True inside a body.
    public var isInBody: Bool {
        switch state {
        case .startLine, .header, .notHTTP: false
        default: true
        }
    }

    /// Reads on, up to the end of a head, of a message or of the bytes.
    ///
    /// Call it until `at` reaches the end of the bytes: every call moves `at` or returns ``Progress/notHTTP``. A
    /// message without body returns ``Progress/message`` at the end of its head.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that have arrived, at most 2³² − 1.
    ///   - at: The position to read at; moved past the bytes read. After an error it is at or after the wrong byte.
    ///   - sink: The receiver of the facts.
    /// - Returns: The reason for returning.
    /// - Throws: ``HTTP1Error``; thrown again by every later call.
    @inlinable
    public mutating func read<Sink: HTTP1Sink & ~Copyable>(
        _ bytes: RawSpan,
        _ at: inout Int,
        into sink: inout Sink
    ) throws(HTTP1Error) -> Progress {
        while true {
            switch try next(bytes, &at) {
            case .needsMore: return .needsMore
            case .nothing: continue
            case .body(let offset, let count): sink.body(bytes.extracting(offset..<offset &+ count))
            case .headEnd:
                if role == .responses, !head.isInterim { head.method = sink.answeredMethod() }
                let progress = try endHead()
                sink.headEnded(head)
                if progress == .message || progress == .notHTTP { sink.messageEnded() }
                return progress
            case .messageEnd:
                sink.messageEnded()
                return .message
            case .notHTTP: return .notHTTP
            case let event:
                if isLineKept {
                    tell(event, text: line.bytes, sink: &sink)
                } else {
                    tell(event, text: bytes, sink: &sink)
                }
            }
        }
    }

    /// Records that the connection's direction has ended.
    ///
    /// - Parameter sink: The receiver of the end of a body that the connection ends.
    /// - Returns: The meaning of the end.
    @inlinable
    public mutating func end<Sink: HTTP1Sink & ~Copyable>(into sink: inout Sink) -> Ending {
        let ending = endDirection()
        if ending == .message { sink.messageEnded() }
        return ending
    }

    /// Passes the facts of one line to the sink.
    @inlinable
    func tell<Sink: HTTP1Sink & ~Copyable>(_ event: Event, text: RawSpan, sink: inout Sink) {
        switch event {
        case .requestLine(let method, let target):
            sink.requestLine(method: text.slice(method), target: text.slice(target), version: head.version)
        case .statusLine(let reason):
            sink.statusLine(status: head.status, reason: text.slice(reason), version: head.version)
        case .header(let name, let value):
            sink.headerLine(end: lineBytes)
            let id = Sink.number(ofHeader: text.slice(name))
            guard id != NameTable.unwanted || sink.wantsAllHeaders else { return }
            sink.header(id, name: text.slice(name), value: text.slice(value))
        case .trailer(let name, let value):
            let id = Sink.number(ofHeader: text.slice(name))
            guard id != NameTable.unwanted || sink.wantsAllHeaders else { return }
            sink.trailer(id, name: text.slice(name), value: text.slice(value))
        default: return
        }
    }
}
