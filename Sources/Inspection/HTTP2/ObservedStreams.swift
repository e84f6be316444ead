internal import Calls
internal import Triple
internal import Wire

/// The streams of a connection that an observer of messages will be told of; empty, and free of cost, without one.
///
/// Bound: the streams that are followed, and ``ObservedStreamHalf/maxMessages`` lengths of messages a half.
struct ObservedStreams {
    /// The most bytes of a reply's message that are kept.
    private static let maxMessageBytes = 4096

    private var streams: [UInt32: (request: ObservedStreamHalf, reply: ObservedStreamHalf)] = [:]

    /// True if nothing is kept.
    var isEmpty: Bool { streams.isEmpty }

    /// The streams, in their order.
    var streamIDs: [UInt32] { streams.keys.sorted() }

    /// The request of a stream; `nil` of one that is not kept.
    func request(of id: UInt32) -> ObservedStreamHalf? { streams[id]?.request }

    /// The reply of a stream, as far as it has come; `nil` of one that is not kept.
    func reply(of id: UInt32) -> ObservedStreamHalf? { streams[id]?.reply }

    /// A request begins.
    mutating func begin(_ stream: TripleStream, _ headers: borrowing HeaderTexts) {
        var request = headers.observedRequest()
        request.streamID = stream.id
        request.start = stream.start
        begin(request, repliesTo: .toDownstream)
    }

    /// A request begins, or has begun elsewhere.
    ///
    /// - Parameters:
    ///   - request: Its half.
    ///   - direction: The direction of its reply, seen from the client.
    mutating func begin(_ request: ObservedStreamHalf, repliesTo direction: Direction) {
        var reply = ObservedStreamHalf()
        reply.streamID = request.streamID
        reply.direction = direction
        streams[request.streamID] = (request, reply)
    }

    /// A block of a reply came.
    ///
    /// - Parameters:
    ///   - id: Its stream.
    ///   - start: The time of its first byte, of the reply's first block.
    ///   - headers: Its fields.
    mutating func noteReply(_ id: UInt32, start: UInt64?, _ headers: borrowing HeaderTexts) {
        guard streams[id] != nil else { return }
        if let start { streams[id]?.reply.start = start }
        for field in headers.fields {
            switch TripleHeaderName(id: field.id) {
            case .grpcStatus: streams[id]?.reply.grpcStatus = field.value
            case .grpcMessage:
                let bytes = Array(field.value.utf8)
                let text = GRPCMessageText.decode(bytes.byteSpan, maxBytes: Self.maxMessageBytes)
                streams[id]?.reply.grpcMessage = text
            default: break
            }
        }
    }

    /// A message begins.
    ///
    /// - Parameters:
    ///   - bytes: Its length.
    ///   - id: Its stream.
    ///   - isRequest: True for the request's half.
    mutating func note(_ bytes: UInt32, on id: UInt32, isRequest: Bool) {
        guard streams[id] != nil else { return }
        if isRequest {
            streams[id]?.request.note(bytes)
        } else {
            streams[id]?.reply.note(bytes)
        }
    }

    /// Forgets a stream.
    mutating func remove(_ id: UInt32) { streams[id] = nil }

    /// Takes a stream out.
    mutating func take(_ id: UInt32) -> (request: ObservedStreamHalf, reply: ObservedStreamHalf)? {
        streams.isEmpty ? nil : streams.removeValue(forKey: id)
    }
}

extension ObservedStreamHalf {
    fileprivate mutating func note(_ bytes: UInt32) {
        if messageBytes.count < Self.maxMessages { messageBytes.append(UInt64(bytes)) }
    }
}
