internal import Calls
internal import HTTP2
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// The calls of one HTTP/2 connection, by their streams: what a session tells it of header blocks, DATA and resets it
/// tells ``CallTracker`` and the ``RequestPipeline``.
///
/// It reads no frames and edits none: whatever concerns the connection is an action that it returns. A class, because
/// the tracker asks for a call's messages while it ends the call. Bound: ``StreamTable/maxCount`` streams.
final class StreamCalls {
    /// The block that begins or ends a half of a stream, as far as calls need it.
    struct Block {
        /// Its stream.
        var id: UInt32
        /// The time of its first byte, in nanoseconds.
        var start: UInt64
        /// The bytes of its frames.
        var bytes: UInt64
        /// True if nothing follows it.
        var endsStream: Bool
    }

    /// A block that begins a request, and what can be done about that.
    struct Request {
        var block: Block
        /// True if nothing of it was passed on and a stage is in force: it can be refused or changed.
        var isDecided = false
        /// True if an answer to it would have room.
        var isAnswerable = true
        /// True if its body may be JSON-RPC: only that will tell what the connection speaks.
        var mayBeRPC = false
        /// The method that a generic call's first message names, if the headers have waited for it.
        var method: [UInt8]?
        /// The reason for which a generic call's method is not known.
        var failure = PartialVerdictReason.serialization
    }

    /// The consequence of a request for the connection.
    struct Opening {
        enum Event {
            /// The request passes.
            case passed
            /// The request passes; its client waits to be told a service's health.
            case watches
            /// The request is answered.
            case refused(LocalReplyQueue.Answer)
            /// The request passes and is not followed: there are too many streams.
            case overflow
        }

        var event = Event.passed
        /// The fields to be inserted into the block.
        var inserted: [InsertedField] = []
    }

    /// A deadline for streams that may last.
    static let noDeadline: UInt64 = .max >> 1

    /// The direction of requests.
    var direction: Direction
    var streams = StreamTable()
    /// The streams that an observer of messages will be told of.
    var observed = ObservedStreams()
    /// The beginnings of messages that are looked into.
    var captures = MessageCaptures()
    /// The generic calls that wait for the name of their method.
    var pending: [UInt32: PendingCall] = [:]
    /// The streams that may be JSON-RPC, or are.
    var rpcStreams: [UInt32: RPCStream] = [:]

    /// No calls.
    ///
    /// - Parameter direction: The direction of requests.
    init(requests direction: Direction) { self.direction = direction }

    // MARK: Facts

    /// True if the stream's reply has begun.
    func hasReplyBegun(_ id: UInt32) -> Bool {
        let place = streams.place(of: id)
        return place >= 0 && streams[place].marks.contains(.replyBegun)
    }

    /// True if the client has opened the stream, or a later one, and it is not open: it has ended or was refused.
    @inline(__always)
    func isEnded(_ id: UInt32) -> Bool { id != 0 && id <= streams.highestID && streams.place(of: id) < 0 }

    func messages(of call: CallTable.Entry) -> StreamMessages? {
        // Members of batches have other ids.
        guard call.direction == direction, call.id <= UInt64(UInt32.max) else { return nil }
        let place = streams.place(of: UInt32(truncatingIfNeeded: call.id))
        return place >= 0 ? streams[place].messages : nil
    }

    /// True if a stream's call is in the call table and waits for its reply.
    func isOpenCall(_ place: Int, _ context: ConnectionContext) -> Bool {
        let stream = streams[place]
        guard stream.marks.contains(.isCounted) else { return false }
        let entry = context.tracker.table[stream.call]
        return entry.kind == .call && entry.id == UInt64(stream.id) && entry.session == context.session.number
            && entry.direction == direction
    }

    func callEntry(_ stream: TripleStream, operation: OperationID, context: ConnectionContext) -> CallTable.Entry {
        CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: direction,
            id: UInt64(stream.id),
            side: context.session.side(of: direction),
            operation: operation,
            start: stream.start,
            deadline: stream.marks.intersection([.streams, .hasDeadline]) == .streams
                ? Self.noDeadline : stream.deadline,
            requestBytes: 0
        )
    }

    // MARK: The connection

    /// Bytes of a stream are missing.
    func damage(_ id: UInt32) {
        let place = streams.place(of: id)
        if place >= 0 { streams[place].marks.insert(.isDamaged) }
    }

    /// The connection has ended.
    func close(_ context: ConnectionContext) {
        endAllGivenUp(context)
        reportOpenRequests(context)
        observed = ObservedStreams()
        captures = MessageCaptures()
        removeAllRPC(context)
        dropPending(context)
    }

    /// The connection can no longer be followed.
    func goBlind(_ context: ConnectionContext) {
        endAllGivenUp(context)
        removeAllRPC(context)
        dropPending(context)
    }

    /// Calls that wait for their method's name will not learn it.
    private func dropPending(_ context: ConnectionContext) {
        for call in pending.values {
            context.pipeline.limits.release(call.permit)
            guard call.draft >= 0 else { continue }
            context.tracker.tracer?.resume(call.draft)
            context.tracker.tracer?.discard()
        }
        pending = [:]
    }

    /// Tells of requests that were still going on when the connection ended, in messages that are whole.
    private func reportOpenRequests(_ context: ConnectionContext) {
        guard !observed.isEmpty, let connection = context.session.seenConnection else { return }
        for id in observed.streamIDs {
            let place = streams.place(of: id)
            guard place >= 0, streams[place].marks.isDisjoint(with: [.requestEnded, .isDamaged]),
                !streams[place].requests.isInsideMessage, let request = observed.request(of: id)
            else { continue }
            context.inspector.messageObserver?.streamRequest(request, on: connection)
        }
    }

    /// A stream is not followed any more.
    func remove(_ id: UInt32, _ context: ConnectionContext) {
        let place = streams.place(of: id)
        if place >= 0 { streams.remove(at: place) }
        if !observed.isEmpty { observed.remove(id) }
        if !captures.isEmpty { captures.remove(id) }
        // A call is resolved before its stream goes.
        if !pending.isEmpty { pending[id] = nil }
        if !rpcStreams.isEmpty { removeRPC(id, context) }
    }
}

/// A call that waits for its method's name.
struct PendingCall {
    var operation: OperationID
    var caller: UInt8
    var interface: String
    var version: String
    var group: String
    var texts: CallTexts
    /// The draft of its span; see ``Tracer/suspend()``.
    var draft: Int32
    /// The permit that it holds.
    var permit: LimitToken
}
