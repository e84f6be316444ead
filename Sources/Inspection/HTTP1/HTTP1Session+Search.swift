internal import Calls
internal import HTTP1
internal import Telemetry
internal import Triple
internal import Wire

/// Connections whose beginning was not seen, and holes in captures: where a direction is taken up.
///
/// A request line or a status line at the beginning of what arrives (of a capture: of a segment) is a good place, as
/// peers send a message's head on its own or at the front of its body. Each direction looks for its own, keeps nothing
/// meanwhile, and looks at every segment once.
extension HTTP1Session {
    /// The beginning of a direction that is taken up.
    struct Search: BitwiseCopyable {
        var requests = false
        var responses = false

        var isGoingOn: Bool { requests || responses }
    }

    /// Which half of an exchange carries what begins with these bytes: with a whole start line, its end included.
    ///
    /// - Parameter bytes: What arrived.
    /// - Returns: `nil` for anything else.
    static func beginning(of bytes: RawSpan) -> HTTP1Reader.Role? {
        // Empty lines may stand in front of a request, but nobody sends them apart from what came before.
        guard bytes.byteCount > 0, bytes.byte(at: 0) > 0x20 else { return nil }
        for role in [HTTP1Reader.Role.responses, .requests] {
            var reader = HTTP1Reader(role)
            var sink = StartLineSink()
            var at = 0
            _ = try? reader.read(bytes, &at, into: &sink)
            if sink.hasStartLine { return role }
        }
        return nil
    }

    /// True if a direction is followed, or begins with these bytes.
    func isFollowed(_ direction: Direction, bytes: RawSpan, in context: ConnectionContext) -> Bool {
        let isRequests = direction == requestDirection
        guard isRequests ? search.requests : search.responses else { return true }
        guard Self.beginning(of: bytes) == (isRequests ? .requests : .responses) else {
            context.recorder.uninspectedBytes(UInt64(bytes.byteCount), reason: .resync)
            return false
        }
        if isRequests { search.requests = false } else { search.responses = false }
        return true
    }

    /// Bytes are missing: which response belongs to which request is not known any more, nor where the next begins.
    func searchAgain(_ context: ConnectionContext) {
        giveBack(&requests, context.inspector)
        giveBack(&responses, context.inspector)
        context.tracker.endAll(on: context.session, as: .lost, now: context.now)
        queue.exchanges.removeAll()
        queue.first = 0
        current = Exchange()
        requestReader = HTTP1Reader(.requests)
        responseReader = HTTP1Reader(.responses)
        requests = MessageState()
        responses = MessageState()
        search = Search(requests: true, responses: true)
    }
}

/// Notes whether there is a start line.
private struct StartLineSink: HTTP1Sink {
    var hasStartLine = false

    static func number(ofHeader name: RawSpan) -> UInt8 { TripleHeaderName.table.id(ignoringCaseOf: name) }

    mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version) { hasStartLine = true }
    mutating func statusLine(status: UInt16, reason: RawSpan, version: HTTP1Version) { hasStartLine = true }
    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {}
    mutating func headEnded(_ head: HTTP1Head) {}
    mutating func body(_ piece: RawSpan) {}
    mutating func messageEnded() {}
}

extension Inspector {
    /// Begins to follow HTTP/1 in a connection whose beginning was not seen, if it can be taken up here.
    ///
    /// - Parameters:
    ///   - session: The connection's session.
    ///   - bytes: What arrived.
    ///   - direction: Which way it goes.
    /// - Returns: The decoder, or `nil` if the bytes are no beginning.
    func joinHTTP1(_ session: Session, bytes: RawSpan, going direction: Direction) -> HTTP1Session? {
        guard let role = HTTP1Session.beginning(of: bytes) else { return nil }
        let requests = role == .requests ? direction : direction.opposite
        if session.isClientUnknown {
            session.settleClient(isFlipped: requests == .toDownstream)
        }
        guard session.seen(requests) == .toUpstream else { return nil }
        recorder.uninspectedBytes(UInt64(session.detection.searchedBytes), reason: .resync)
        session.detection.searchedBytes = 0
        let http = HTTP1Session(requests: requests)
        http.search = HTTP1Session.Search(requests: true, responses: true)
        return http
    }

    /// The same where the connection was taken for another: its first value was the body of a request half seen.
    ///
    /// - Returns: True if the connection is followed as HTTP/1 from here on.
    func joinHTTP1(
        insteadOf stream: JSONStreamSession,
        _ bytes: RawSpan,
        going direction: Direction,
        in context: ConnectionContext
    ) -> Bool {
        let session = context.session
        guard let http = joinHTTP1(session, bytes: bytes, going: direction) else { return false }
        stream.close(context)
        tracker.endAll(on: session, as: .lost, now: context.now)
        session.decoder = .other(http)
        var unused = Plan()
        http.receive(bytes, going: direction, in: context, plan: &unused)
        return true
    }
}
