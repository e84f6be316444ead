public import Wire

/// Divides one direction of an HTTP/1 connection into messages, from bytes in any pieces.
///
/// A machine that looks at every byte once and can stop anywhere. A head is read line by line, each as soon as it is
/// complete: a line that lies whole in one read is used where it is, of a split one the part that is there is kept
/// (bounded by ``HTTP1Limits/maxHeadBytes``). Bodies are never kept.
///
/// What it does not accept is listed by ``HTTP1Error``. Line ends must be CR LF, as strict parsers demand it (RFC 9112
/// §2.2 leaves it open): of two programs one of which takes a bare LF and one does not, Weir cannot know which it
/// stands beside. Empty lines before a request line are passed over, as RFC 9112 §2.2 asks, a bare LF or CR as well,
/// for servers do so; they belong to no message. HTTP/1.2 and above is read as HTTP/1.1 (RFC 9110 §2.5).
/// Equal content-lengths may be repeated.
///
/// A direction begins with ``init(_:)``, is read with ``read(_:_:into:)`` and closed with ``end(into:)``. Cost: about
/// 40 ns a line of a head and 10 ns a piece of a body; no allocation in the steady state, lines split or not.
/// Source: RFC 9112, RFC 9110.
public struct HTTP1Reader: ~Copyable {
    /// Which half of the exchange a direction carries.
    public enum Role: UInt8, BitwiseCopyable, Sendable {
        /// From the client.
        case requests
        /// From the server.
        case responses
    }

    /// Why ``read(_:_:into:)`` came back.
    public enum Progress: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// All bytes are used up inside or between messages.
        case needsMore
        /// A head ended and a body follows. The bytes before the position are the head's.
        case head
        /// An interim response (1xx) ended; the final one is still to come, so that nothing may be put in between.
        case interim
        /// A message ended.
        case message
        /// What follows the position is not HTTP/1: an upgrade (101) or a tunnel. No more is read.
        case foreign
    }

    /// What the end of a connection meant.
    public enum Ending: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// It came between messages.
        case clean
        /// It ended the body, and so the message, that was going on.
        case message
        /// It came inside a message, or between an interim response and its final one.
        case truncated
        /// The direction did not carry HTTP/1 any more.
        case foreign
    }

    enum State: UInt8 {
        case startLine, header
        case lengthBody, lengthBodyEnd, endlessBody
        case chunkSize, chunkExtension, chunkSizeEnd, chunkData, chunkDataEnd, chunkDataFinal
        case trailer
        case foreign
    }

    enum Coding: UInt8 {
        case absent, other, chunkedLast
    }

    /// What one step found; ranges lie in the line buffer when `isLineKept`, else in the bytes given.
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
        case foreign
    }

    /// Which half of the exchange this is.
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
    /// - Parameter role: Which half of the exchange is read.
    public init(_ role: Role) { self.role = role }

    /// Whether a message may begin with the next byte: nothing is half read and no final response is owed.
    public var isAtBoundary: Bool { state == .startLine && lineBytes == 0 && !awaitsFinal }

    /// How long the first line of the head read last is, or of the one being read, its CR LF counted.
    public var startLineBytes: Int { Int(head.startLineBytes) }

    /// How much was read of a head that is not complete, in bytes; empty lines in front of it are none of it.
    public var unfinishedHeadBytes: Int {
        switch state {
        case .startLine, .header: lineBytes
        default: 0
        }
    }

    /// Whether a body is going on.
    public var isInBody: Bool {
        switch state {
        case .startLine, .header, .foreign: false
        default: true
        }
    }

    /// Reads on, up to the end of a head, of a message or of the bytes.
    ///
    /// Call it until `at` reaches the end of the bytes: every call moves `at` or returns ``Progress/foreign``. A
    /// message without body returns ``Progress/message`` at the end of its head.
    ///
    /// - Parameters:
    ///   - bytes: What has arrived, at most 2³² − 1 bytes.
    ///   - at: Where to read; moved past what was read. After an error it stands at or behind what was wrong.
    ///   - sink: Told what was read.
    /// - Returns: Why it came back.
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
                if progress == .message || progress == .foreign { sink.messageEnded() }
                return progress
            case .messageEnd:
                sink.messageEnded()
                return .message
            case .foreign: return .foreign
            case let event:
                if isLineKept {
                    tell(event, line.bytes, &sink)
                } else {
                    tell(event, bytes, &sink)
                }
            }
        }
    }

    /// Takes note that the connection's direction has ended.
    ///
    /// - Parameter sink: Told of the end of a body that the connection ends.
    /// - Returns: What the end meant.
    @inlinable
    public mutating func end<Sink: HTTP1Sink & ~Copyable>(into sink: inout Sink) -> Ending {
        let ending = endDirection()
        if ending == .message { sink.messageEnded() }
        return ending
    }

    /// Gives the facts of one line to the sink.
    @inlinable
    func tell<Sink: HTTP1Sink & ~Copyable>(_ event: Event, _ text: RawSpan, _ sink: inout Sink) {
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
