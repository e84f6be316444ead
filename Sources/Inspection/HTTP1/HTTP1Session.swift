internal import Calls
internal import HTTP1
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// An HTTP/1 connection: JSON-RPC calls are known by their bodies, Triple's plain form by its headers; whatever else it
/// carries is framed and passed on.
final class HTTP1Session: ProtocolSession {
    /// The most requests that may wait for their responses before the connection is given up.
    static let maxExchanges = 1024
    /// The most bytes that a coded body of a request may hold to be read.
    static let maxInflatedBytes = 1 << 20

    /// The state of a message that is half read.
    struct MessageState {
        var headers: HeaderTextsBox?
        var rpc: RPCReader?
        var start: UInt64 = 0
        var bytes: UInt64 = 0
        /// The message's head, as far as it was read.
        var head = HTTP1Head()
        /// How its body is coded.
        var coding = ContentCoding.identity
        /// Reads a coded body.
        var inflater: Inflater?
        /// True if the body, or its rest, cannot be read as it is coded.
        var isUnreadable = false
        /// The beginning of a request's body.
        var bodyStart = BodyStart()
        /// True if a request's head says that it is JSON.
        var isJSON = false
        /// True if a response's body is compressed, so that it cannot be read.
        var isCoded = false
        /// True if a response is an event stream by its head.
        var isEventStream = false
        /// The events of a response's stream that is read.
        var events: EventStream?
        /// True if a response goes on with HTTP/2.
        var upgradesToHTTP2 = false
    }

    // Apart from the rest, which changes while they read.
    var requestReader = HTTP1Reader(.requests)
    var responseReader = HTTP1Reader(.responses)
    var requests = MessageState()
    var responses = MessageState()
    /// The direction of requests.
    let requestDirection: Direction
    /// Which directions wait for a message's beginning; see HTTP1Session+Search.
    var search = Search()
    /// The requests whose responses have not ended.
    var queue = ExchangeQueue()
    /// The request being read.
    var current = Exchange()
    /// The decision about it.
    var asked = RequestState()
    /// The edit of its head.
    var headEdit = HeadEdit()
    /// The response's head, as far as it was read.
    var reply = TripleResponseHead()
    var spareTexts = PrefixBuffer(limitBytes: 0)
    /// Which ends have said their last.
    var gone = (client: false, server: false)
    /// The bytes for the client besides upstream's responses as they are.
    var answering = AnswerState()
    /// The end of the connection; see HTTP1Session+Drain.
    var closing = Closing()

    /// The requests of a connection whose responses have not ended.
    struct ExchangeQueue {
        /// The oldest first; those in front of `first` are over.
        var exchanges: [Exchange] = []
        var first = 0
        /// The number of the next request.
        var nextNumber: UInt64 = 1
    }

    /// The decision about the request being read; see HTTP1Session+Decisions.
    struct RequestState {
        /// True if its bytes are held, passed on, or dropped.
        var holdState = HoldState.held
        /// The bytes of it that the relay holds.
        var heldBytes = 0
        /// The decision before its end.
        var early: EarlyDecision?
        /// Why it was passed on without anything being asked; counted if it turns out to be a call.
        var passed: PartialVerdictReason?
        /// True if its path is configured to be JSON-RPC's.
        var isPathConfigured = false
        /// True if an event stream is accepted as its response.
        var wantsEvents = false
        /// The treatment of this request and those that follow.
        var reading = Reading.follow
    }

    /// The edit of the head being read.
    struct HeadEdit {
        /// The headers that it is given.
        var insertion: [InsertedField] = []
        /// Where trace contexts stand in it, whose place Weir's own may take.
        var traceLines: [(format: TraceFormat, line: Range<Int>)] = []
        /// Where its last line ends.
        var lineEnd = 0
    }

    /// The bytes for the client besides upstream's responses as they are.
    struct AnswerState {
        /// Weir's own answers that wait for the plan.
        var replies: [UInt8] = []
        /// Bytes of a response's head that wait until it is known whether upstream tells the client to go on.
        var heldBytes = 0
        /// True if responses are passed on unread.
        var isBlind = false
    }

    /// The end of a connection.
    struct Closing {
        /// True if the response being read is to say, behind its first line, that it is the last.
        var isDue = false
        /// True if a response says that it is the last: no request is taken any more.
        var isAnnounced = false
        /// The bytes of interim responses in front of the response being read.
        var interimBytes: UInt64 = 0
    }

    /// How far it is decided about a request.
    enum HoldState: UInt8 {
        /// Its bytes wait.
        case held
        /// Its bytes are passed on.
        case admitted
        /// Its bytes are dropped.
        case refused
    }

    init(requests direction: Direction) { requestDirection = direction }

    var isIdle: Bool { requestReader.isAtBoundary && responseReader.isAtBoundary && waiting == 0 }

    // MARK: Bytes

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        if search.isGoingOn, !isFollowed(direction, bytes: bytes, in: context) {
            return plan.forwardAll(endsAtBoundary: false)
        }
        if direction == requestDirection {
            receiveRequests(bytes, in: context, plan: &plan)
        } else {
            receiveResponses(bytes, in: context, plan: &plan)
        }
    }

    private func receiveRequests(_ bytes: RawSpan, in context: ConnectionContext, plan: inout Plan) {
        let isDropped = asked.holdState == .refused || asked.reading == .drop
        var walk = PlanBuilder(at: -asked.heldBytes, isEdited: context.isGoverned || asked.heldBytes > 0 || isDropped)
        var at = 0
        if asked.reading == .follow {
            var sink = RequestSink(session: self, context: context)
            do throws(HTTP1Error) {
                while at < bytes.byteCount, isFollowing(context) {
                    if requestReader.isAtBoundary { requests.start = context.now }
                    let from = at
                    let progress = try requestReader.read(bytes, &at, into: &sink)
                    countRequestBytes(progress, at - from)
                    guard isFollowing(context) else { break }
                    take(progress, at: at, isLast: at == bytes.byteCount, in: context, walk: &walk, plan: &plan)
                }
            } catch {
                failRequests(.malformed(error), context)
            }
        }
        if at < bytes.byteCount {
            context.recorder.uninspectedBytes(UInt64(bytes.byteCount - at), reason: .blind)
        }
        finishRequestPlan(bytes.byteCount, in: context, walk: &walk, plan: &plan)
    }

    /// Counts the request's own bytes, not empty lines in front of it, in whatever pieces they come.
    private func countRequestBytes(_ progress: HTTP1Reader.Progress, _ count: Int) {
        if progress == .head || (progress == .message && requests.head.body == .none) {
            requests.bytes = UInt64(requests.head.headBytes)
        } else if progress == .message || requestReader.isInBody {
            requests.bytes &+= UInt64(count)
        }
    }

    private func take(
        _ progress: HTTP1Reader.Progress,
        at: Int,
        isLast: Bool,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) {
        switch progress {
        case .head:
            if walk.isEdited { decideHead(at, in: context, walk: &walk, plan: &plan) }
        case .message:
            if context.isGoverned, asked.holdState == .held, isBodyUnreadable, requests.rpc?.isCallSoFar != true {
                judgeEarly(.encoding, context)
            }
            finishRequest(context)
            if walk.isEdited { decideMessage(at, isLast: isLast, in: context, walk: &walk, plan: &plan) }
            if walk.boundary == nil { walk.boundary = at }
            asked.holdState = .held
            if answering.isBlind { goBlindIfDone(context) }
        case .needsMore, .interim, .notHTTP: break
        }
    }

    private func receiveResponses(_ bytes: RawSpan, in context: ConnectionContext, plan: inout Plan) {
        var walk = PlanBuilder(at: -answering.heldBytes, isEdited: answering.heldBytes > 0)
        answering.heldBytes = 0
        var at = 0
        var isForeign = false
        if !answering.isBlind {
            do throws(HTTP1Error) {
                isForeign = try readResponses(bytes, at: &at, in: context, walk: &walk, plan: &plan)
            } catch {
                closing.isDue = false
                failResponses(.malformed(error), context)
            }
        }
        let next = isForeign ? finishUpgrade(context) : nil
        forwardResponses(bytes.byteCount - heldForContinue(context), walk: &walk, plan: &plan)
        if let next { return upgrade(to: next, bytes.extracting(at..<bytes.byteCount), context) }
        guard at < bytes.byteCount else { return }
        context.recorder.uninspectedBytes(UInt64(bytes.byteCount - at), reason: isForeign ? .opaque : .blind)
    }

    /// Reads responses as far as the connection is followed.
    ///
    /// - Returns: True if what follows `at` is no HTTP/1.
    private func readResponses(
        _ bytes: RawSpan,
        at: inout Int,
        in context: ConnectionContext,
        walk: inout PlanBuilder,
        plan: inout Plan
    ) throws(HTTP1Error) -> Bool {
        var sink = ResponseSink(session: self, context: context)
        while at < bytes.byteCount {
            if responseReader.isAtBoundary { beginResponse(context) }
            let from = at
            let progress = try responseReader.read(bytes, &at, into: &sink)
            if closing.isDue { insertClose(from, in: context, walk: &walk, plan: &plan) }
            responses.bytes &+= UInt64(at - from)
            if progress == .notHTTP { return true }
            guard progress == .message else {
                if progress == .interim { takeInterim(at, walk: &walk, plan: &plan) }
                continue
            }
            finishResponse(context)
            sendLocalReplies(at, in: context, walk: &walk, plan: &plan)
            if walk.boundary == nil { walk.boundary = at }
            if closing.isAnnounced {
                close(behind: at, bytes.byteCount, walk: &walk, plan: &plan)
                return false
            }
            if asked.reading == .pass { goBlindIfDone(context) }
            guard case .other = context.session.decoder else { return false }
        }
        return false
    }

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        if direction == requestDirection { gone.client = !gone.server } else { gone.server = true }
        if direction != requestDirection {
            var sink = ResponseSink(session: self, context: context)
            if !answering.isBlind, responseReader.end(into: &sink) == .message {
                finishResponse(context)
                if closing.isAnnounced { plan.close() }
            }
        }
        // MessageState a request that was to be dropped stays dropped.
        if direction != requestDirection || (asked.holdState != .refused && asked.reading != .drop) {
            plan.forwardAll(endsAtBoundary: true)
        }
    }

    func missed(_ count: UInt64, going direction: Direction, in context: ConnectionContext) { searchAgain(context) }

    func goBlind(_ context: ConnectionContext) {
        leaveEvents(context)
        dropEarly(context)
    }

    func close(_ context: ConnectionContext) {
        abandonEvents(context)
        dropEarly(context)
        giveBack(&requests, context.inspector)
        giveBack(&responses, context.inspector)
    }

    func giveBack(_ half: inout MessageState, _ inspector: Inspector) {
        if let rpc = half.rpc { inspector.pool.giveBack(rpc) }
        if let headers = half.headers { inspector.pool.giveBack(headers) }
        if let events = half.events { inspector.pool.giveBack(events) }
        if let inflater = half.inflater { inspector.pool.giveBack(inflater) }
        half.inflater = nil
        half.rpc = nil
        half.headers = nil
        half.events = nil
    }
}
