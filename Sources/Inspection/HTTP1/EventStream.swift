internal import Calls
internal import JSONRPC
internal import Wire

/// A response that is a stream of server-sent events, while it is read for JSON-RPC messages.
///
/// Kept by its connection until the response has ended, else spare. Events are read as they come, whatever their
/// length: only what a JSON-RPC reader keeps of a message is kept of them, and 2 KiB of the first one.
final class EventStream {
    /// The longest `endpoint` that is followed.
    static let maxEndpointBytes = 2048
    /// The most calls of one request whose deadlines events put off.
    static let maxExtendedCalls = 16

    var reader = EventStreamReader()
    let rpc = RPCReader()
    /// The event going on: whether data of it have come, whether it is the first that has any, and when they came.
    var event: (isBegun: Bool, isFirst: Bool, start: UInt64) = (false, true, 0)
    /// The bytes of the response's heads and body up to the end of what was read, chunk framing left out.
    var byteCount: UInt64 = 0
    /// The first event's data.
    var text = PrefixBuffer(limitBytes: EventStream.maxEndpointBytes)

    /// True if a GET asked for the stream: none of the calls on its connection waits for it.
    var isStandalone = false
    /// True if nothing further is read of it: it turned out to be none of JSON-RPC.
    var isPassed = false
    /// Replies to none of the request's calls, and what the first of them says.
    var strangers: (count: Int, first: (outcome: Outcome, code: Int32)) = (0, (.unknown, ResultCode.none))
    /// True if the deadline of the calls that wait is Weir's own, so that events put it off; when it was put off last.
    var deadline: (isPutOff: Bool, time: UInt64) = (false, 0)

    /// The operation that the answered request called.
    var operation: OperationID?
    /// True if nothing but the connection's end ends it.
    var endsWithConnection = false
    /// The service that messages in it belong to, once it is known.
    var interface: [UInt8]?
    /// The key of its client and session (see ``CorrelationTable``); 0 while it is not known.
    var scope: UInt64 = 0
    /// True if that is an endpoint which the stream announced.
    var isAnnounced = false

    /// Makes it ready for another stream.
    func begin() {
        reader = EventStreamReader()
        event.isBegun = false
        event.isFirst = true
        byteCount = 0
        text.removeAll()
        isStandalone = false
        isPassed = false
        strangers.count = 0
        deadline = (false, 0)
        operation = nil
        endsWithConnection = false
        interface = nil
        scope = 0
        isAnnounced = false
    }

    /// Takes a piece of the event's data.
    func take(_ piece: RawSpan, _ now: UInt64) {
        if !event.isBegun {
            event.isBegun = true
            event.start = now
            rpc.beginBody(at: .responses)
        }
        rpc.readBody(piece)
        // One that does not fit is no endpoint's.
        if event.isFirst, isStandalone, !text.append(piece) { event.isFirst = false }
    }

    /// Takes the LF between two lines of data.
    func takeLineEnd(_ now: UInt64) {
        let end: [1 of UInt8] = [0x0a]
        take(end.byteSpan, now)
    }
}
