internal import Hessian
internal import HTTP2
internal import Triple
internal import Wire

/// The beginnings of messages that must be looked into: a generic call's first message names its method, a reply's
/// first message its exception's class.
///
/// Bound: ``MessageCapture/maxBytes`` a stream; of a method's message what ``TripleMethodReader`` keeps.
struct MessageCaptures {
    private var captures: [UInt32: MessageCapture] = [:]

    /// True if no message is looked into.
    @inline(__always)
    var isEmpty: Bool { captures.isEmpty }

    /// True if the method of a stream's call is looked for.
    @inline(__always)
    func awaitsMethod(of id: UInt32) -> Bool { !captures.isEmpty && captures[id]?.purpose == .method }

    /// A stream's next message is looked into, and no other.
    mutating func begin(_ purpose: MessageCapture.Purpose, on id: UInt32) {
        captures[id] = MessageCapture(purpose: purpose)
    }

    /// Takes a part of a message.
    ///
    /// - Parameters:
    ///   - part: The part.
    ///   - piece: The bytes that it lies in.
    ///   - id: Its stream.
    ///   - isRequest: True for the request's half.
    /// - Returns: True if as much is known of a call's method as will be.
    mutating func take(_ part: GRPCMessagePart, _ piece: RawSpan, on id: UInt32, isRequest: Bool) -> Bool {
        guard var capture = captures[id], (capture.purpose == .method) == isRequest, !capture.isComplete else {
            return false
        }
        captures[id] = nil
        capture.take(part, piece.slice(part.payload))
        captures[id] = capture
        return isRequest && capture.isComplete
    }

    /// Takes out what is known of a call's method; `nil` if it is not looked for.
    mutating func takeMethod(of id: UInt32) -> MessageCapture? {
        awaitsMethod(of: id) ? captures.removeValue(forKey: id) : nil
    }

    /// Takes out the class of the exception that a reply's first message carries; empty if it was not looked for or
    /// found.
    mutating func takeException(of id: UInt32) -> String {
        guard !captures.isEmpty, let capture = captures.removeValue(forKey: id), capture.purpose == .exception else {
            return ""
        }
        let message = capture.bytes.byteSpan
        guard let wrapper = TripleResponseWrapper(message) else { return "" }
        return HessianText.string(message.slice(wrapper.exceptionClass), maxBytes: OperationCache.maxNameBytes)
    }

    /// Forgets a stream.
    mutating func remove(_ id: UInt32) { captures[id] = nil }
}

/// The beginning of a message that must be looked into.
struct MessageCapture {
    enum Purpose {
        case method
        case exception
    }

    static let maxBytes = 512

    let purpose: Purpose
    fileprivate var bytes: [UInt8] = []
    /// Looks for the method.
    private(set) var search = TripleMethodReader()
    /// True if nothing more is to be added.
    fileprivate var isComplete = false

    fileprivate init(purpose: Purpose) { self.purpose = purpose }

    fileprivate mutating func take(_ part: GRPCMessagePart, _ payload: RawSpan) {
        switch purpose {
        case .method:
            if !part.isCompressed { search.take(payload) }
            isComplete = part.isEnd || search.isOver
        case .exception:
            let room = Self.maxBytes - bytes.count
            if !part.isCompressed { bytes.append(payload.extracting(first: room)) }
            isComplete = part.isEnd || bytes.count >= Self.maxBytes
        }
    }
}
