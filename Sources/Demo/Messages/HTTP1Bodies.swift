internal import HTTP1
internal import Wire

/// One HTTP/1.1 message as it was read.
struct HTTP1Message: Sendable {
    var head = HTTP1Head()
    /// The request's target.
    var target = ""
    var body: [UInt8] = []
}

/// A splitter of one direction of an HTTP/1.1 connection into messages.
struct HTTP1Bodies: ~Copyable {
    /// The longest body taken; nothing in the demo comes near it.
    static let maxBodyBytes = 65_536

    private var reader: HTTP1Reader
    private var sink = Collector()

    init(_ role: HTTP1Reader.Role) { reader = HTTP1Reader(role) }

    /// Reads on.
    ///
    /// - Parameter piece: The bytes that have arrived.
    /// - Returns: The messages that it completes.
    /// - Throws: ``PeerFault`` for what is no HTTP/1.1, and for bodies that are too long.
    mutating func read(_ piece: ArraySlice<UInt8>) throws(PeerFault) -> [HTTP1Message] {
        let piece = Array(piece)
        let bytes = piece.byteSpan
        var messages: [HTTP1Message] = []
        var at = 0
        while at < bytes.byteCount {
            let progress: HTTP1Reader.Progress
            do throws(HTTP1Error) {
                progress = try reader.read(bytes, &at, into: &sink)
            } catch {
                throw .badHTTP1
            }
            guard sink.message.body.count <= Self.maxBodyBytes else { throw .tooLong }
            switch progress {
            case .message: messages.append(sink.take())
            case .notHTTP: throw .badHTTP1
            case .needsMore, .head, .interim: break
            }
        }
        return messages
    }
}

/// A collector of the wanted parts of a message.
private struct Collector: HTTP1Sink, ~Copyable {
    static func number(ofHeader name: RawSpan) -> UInt8 { NameTable.unwanted }

    var message = HTTP1Message()

    mutating func take() -> HTTP1Message {
        defer { message = HTTP1Message() }
        return message
    }

    mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version) { message.target = target.text }

    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {}

    mutating func answeredMethod() -> HTTP1Method { .post }

    mutating func headEnded(_ head: HTTP1Head) { message.head = head }

    mutating func body(_ piece: RawSpan) {
        // One byte more than is taken shows that there is too much.
        let room = HTTP1Bodies.maxBodyBytes + 1 - message.body.count
        message.body.append(piece.extracting(first: max(0, room)))
    }

    mutating func messageEnded() {}
}
