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
    /// The most bytes of a request that are held back for its verdict.
    static let maxHeldBytes = 60_000

    /// What a request turned out to be.
    enum Kind: UInt8 {
        case other
        case triple
        case rpc
    }

    /// A request that waits for its final response.
    struct Exchange {
        var number: UInt64 = 0
        var method = HTTP1Method.other
        var kind = Kind.other
        /// The calls of a batch that wait, by the key of their place in the call table; one call has the number.
        var keys: [UInt64] = []
        var hasCall = false
        /// What Weir answers; upstream never saw the request.
        var localReply: [UInt8]?
        /// Whether it asks for HTTP/2.
        var asksForHTTP2 = false
        /// For an observer of messages.
        var observed: ObservedStreamHalf?
    }

    /// What is kept of a message that is half read.
    struct Half {
        var headers: HeaderTextsBox?
        var rpc: RPCReader?
        var start: UInt64 = 0
        var bytes: UInt64 = 0
        /// What was read of the message's head.
        var head = HTTP1Head()
    }

    // Apart from the rest, which changes while they read.
    var requestReader = HTTP1Reader(.requests)
    var responseReader = HTTP1Reader(.responses)
    var requests = Half()
    var responses = Half()
    /// The direction of requests.
    let requestDirection: Direction
    /// Waiting requests, the oldest first.
    var exchanges: [Exchange] = []
    var firstExchange = 0
    var nextNumber: UInt64 = 1
    /// The request being read.
    var current = Exchange()
    /// What was read of the response's head.
    var reply = TripleResponseHead()
    var spareTexts = PrefixBuffer(limitBytes: 0)

    // Verdicts; see HTTP1Session+Verdicts.
    var heldBytes = 0
    /// What stands of the verdict on the request being read.
    var judgement = Judgement.held
    var replies: [UInt8] = []
    var insertion: [UInt8]?
    /// How long the request line is, behind which a header can be inserted.
    var startLineBytes = 0

    enum Judgement: UInt8 {
        /// Its bytes wait.
        case held
        /// Its bytes are passed on.
        case admitted
        /// Its bytes are dropped.
        case refused
    }

    init(requests direction: Direction) { requestDirection = direction }

    var isQuiet: Bool { requestReader.isAtBoundary && responseReader.isAtBoundary && waiting == 0 }

    /// How many requests wait.
    var waiting: Int { exchanges.count - firstExchange }

    // MARK: Bytes

    func receive(_ bytes: RawSpan, _ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan) {
        if direction == requestDirection {
            receiveRequests(bytes, context, &plan)
        } else {
            receiveResponses(bytes, context, &plan)
        }
    }

    private func receiveRequests(_ bytes: RawSpan, _ context: InspectedBytes, _ plan: inout Plan) {
        var walk = PlanWalk(at: -heldBytes, isEdited: context.isGoverned || heldBytes > 0 || judgement == .refused)
        var at = 0
        var sink = RequestSink(session: self, context: context)
        do throws(HTTP1Error) {
            reading: while at < bytes.byteCount {
                let from = at
                let progress = try requestReader.read(bytes, &at, into: &sink)
                requests.bytes &+= UInt64(at - from)
                switch progress {
                case .needsMore: break
                case .head, .interim:
                    if walk.isEdited { decideHead(at, context, &walk, &plan) }
                case .message:
                    finishRequest(context)
                    if walk.isEdited { decideMessage(at, context, &walk, &plan) }
                    if walk.boundary == nil { walk.boundary = at }
                    judgement = .held
                case .foreign:
                    // What a CONNECT or an upgrade brings; a response will tell whether it is granted.
                    break reading
                }
                guard case .other(let decoder) = context.session.decoder, decoder === self else { break reading }
            }
        } catch {
            fail(error, bytes.byteCount - at, context)
        }
        finishRequestPlan(bytes.byteCount, context, &walk, &plan)
    }

    private func receiveResponses(_ bytes: RawSpan, _ context: InspectedBytes, _ plan: inout Plan) {
        var walk = PlanWalk(at: 0)
        var at = 0
        var sink = ResponseSink(session: self, context: context)
        var next: HTTP2Session?
        do throws(HTTP1Error) {
            reading: while at < bytes.byteCount {
                if responseReader.isAtBoundary { beginResponse(context) }
                let from = at
                let progress = try responseReader.read(bytes, &at, into: &sink)
                responses.bytes &+= UInt64(at - from)
                switch progress {
                case .needsMore, .head, .interim: break
                case .message:
                    finishResponse(context)
                    sendLocalReplies(at, &walk, &plan)
                    if walk.boundary == nil { walk.boundary = at }
                case .foreign:
                    next = finishUpgrade(context)
                    break reading
                }
            }
        } catch {
            fail(error, bytes.byteCount - at, context)
        }
        forwardResponses(bytes.byteCount, &walk, &plan)
        if let next { upgrade(to: next, bytes.extracting(at..<bytes.byteCount), context) }
    }

    /// The bytes are not HTTP/1 as everybody reads it: the connection is not followed any further.
    private func fail(_ error: HTTP1Error, _ count: Int, _ context: InspectedBytes) {
        let inspector = context.inspector
        let spoken = context.session.connectionProtocol
        inspector.recorder.decodeError(spoken == .silent || spoken == .opaque ? .http : spoken, reason: error.label)
        inspector.goBlind(context.session, context.now)
        inspector.countUninspected(context.session, count)
        if spoken == .silent { inspector.identify(context.session, .http) }
    }

    func ended(_ direction: Direction, _ context: InspectedBytes, _ plan: inout Plan) {
        if direction != requestDirection {
            var sink = ResponseSink(session: self, context: context)
            if responseReader.end(into: &sink) == .message { finishResponse(context) }
        }
        // Half a request that was to be dropped stays dropped.
        if direction != requestDirection || judgement != .refused { plan.forwardAll(endsAtBoundary: true) }
    }

    func missed(_ count: UInt64, _ direction: Direction, _ context: InspectedBytes) {
        context.inspector.goBlind(context.session, context.now)
    }

    func close(_ context: InspectedBytes) {
        giveBack(&requests, context.inspector)
        giveBack(&responses, context.inspector)
    }

    func giveBack(_ half: inout Half, _ inspector: Inspector) {
        if let rpc = half.rpc { inspector.giveBack(rpc) }
        if let headers = half.headers { inspector.giveBack(headers) }
        half.rpc = nil
        half.headers = nil
    }
}

/// Header texts on the heap, for a head that may be split over reads.
final class HeaderTextsBox {
    var texts = HeaderTexts()
}

extension Inspector {
    /// Header texts that are spare, or new ones.
    func takeHeaderTexts() -> HeaderTextsBox { spareHeaderTexts.popLast() ?? HeaderTextsBox() }

    /// Gives header texts back.
    func giveBack(_ box: HeaderTextsBox) {
        if spareHeaderTexts.count < 16 { spareHeaderTexts.append(box) }
    }
}
