internal import Calls
internal import HTTP1
internal import HTTP2
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// Takes what is read of requests.
struct RequestSink: HTTP1Sink, ~Copyable {
    let session: HTTP1Session
    let context: ConnectionContext
    private var lineStart = 0

    init(session: HTTP1Session, context: ConnectionContext) {
        self.session = session
        self.context = context
    }

    static func number(ofHeader name: RawSpan) -> UInt8 { TripleHeaderName.table.id(ignoringCaseOf: name) }

    var wantsAllHeaders: Bool {
        let inspector = context.inspector
        return inspector.messageObserver != nil || inspector.isSelecting
    }

    mutating func requestLine(method: RawSpan, target: RawSpan, version: HTTP1Version) {
        session.requestLine(HTTP1Method(method), target: target, in: context)
    }

    mutating func headerLine(end: Int) {
        lineStart = session.headEdit.lineEnd
        session.headEdit.lineEnd = end
    }

    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {
        session.requestHeader(id, name: name, value: value)
        guard let format = TraceFormat(header: id) else { return }
        session.headEdit.traceLines.append((format, lineStart..<session.headEdit.lineEnd))
    }

    mutating func headEnded(_ head: HTTP1Head) { session.requestHead(head, context) }

    mutating func body(_ piece: RawSpan) {
        if session.current.kind != .triple { session.requestBody(piece, context) }
    }

    mutating func messageEnded() {}
}

extension HTTP1Session {
    func requestLine(_ method: HTTP1Method, target: RawSpan, in context: ConnectionContext) {
        let inspector = context.inspector
        current = Exchange(number: queue.nextNumber, method: method)
        headEdit.lineEnd = 0
        asked.wantsEvents = false
        if !headEdit.traceLines.isEmpty { headEdit.traceLines.removeAll(keepingCapacity: true) }
        queue.nextNumber += 1
        giveBack(&requests, inspector)
        let box = inspector.pool.takeHeaderTexts()
        box.texts.begin(
            isRequest: true,
            isReply: false,
            wantsFields: inspector.messageObserver != nil,
            selector: inspector.selector
        )
        if HTTP1Target.mayDiffer(target) {
            let plain = HTTP1Target.plain(target)
            box.texts.take(TripleHeaderName.path.rawValue, plain.byteSpan)
        } else {
            box.texts.take(TripleHeaderName.path.rawValue, target)
        }
        requests.headers = box
        requests.coding = .identity
        requests.isUnreadable = false
        requests.bodyStart = BodyStart()
        requests.isJSON = false
        asked.passed = nil
        asked.isPathConfigured = false
    }

    func requestHeader(_ id: UInt8, name: RawSpan, value: RawSpan) {
        guard let box = requests.headers else { return }
        let field = HeaderField(nameID: id, name: name, value: value)
        box.texts.field(field)
        switch id {
        case TripleHeaderName.http2Settings.rawValue: takeSettings(value)
        case TripleHeaderName.mcpSession.rawValue: takeMCPSession(value)
        case TripleHeaderName.accept.rawValue:
            if EventStreamReader.isAccepted(value) { asked.wantsEvents = true }
        case TripleHeaderName.contentEncoding.rawValue:
            requests.coding = requests.coding.followed(by: ContentCoding(value))
        case TripleHeaderName.contentType.rawValue: requests.isJSON = value.namesJSON
        default: break
        }
    }

    func requestHead(_ head: HTTP1Head, _ context: ConnectionContext) {
        requests.head = head
        guard let box = requests.headers else { return }
        guard waiting < Self.maxExchanges else { return failRequests(.tooManyRequests, context) }
        current.asksForUpgrade = head.asksForOtherProtocol
        if box.texts.request.form == .http {
            openTriple(box.texts, head: head, in: context)
        } else if asked.wantsEvents, current.method == .get {
            noteEventsWanted(box.texts)
        } else if head.body != .none {
            openBody(box.texts, head: head, in: context)
        }
        enqueue()
    }

    /// A body begins that may be JSON-RPC.
    private func openBody(_ headers: borrowing HeaderTexts, head: HTTP1Head, in context: ConnectionContext) {
        let inspector = context.inspector
        let target = headers.texts.bytes.slice(headers.request.path)
        current.pathKey = RPCPaths.key(RPCExchange.interface(target), context.session.connection?.serverEnd)
        if !inspector.limits.jsonrpcPaths.isEmpty {
            let path = target.extracting(first: target.firstIndex(of: 0x3f) ?? target.byteCount)
            asked.isPathConfigured = inspector.limits.jsonrpcPaths.matches(path)
        }
        let rpc = inspector.pool.takeRPCReader()
        rpc.beginBody(at: asked.isPathConfigured ? .messages : .anywhere)
        requests.rpc = rpc
        if head.flags.contains(.isTransferCoded) { requests.coding = .other }
        guard requests.coding != .identity else { return }
        guard requests.coding.isReadable else {
            requests.isUnreadable = true
            return
        }
        let inflater = inspector.pool.takeInflater()
        requests.inflater = inflater
        if (try? inflater.begin(requests.coding, limitBytes: Self.maxInflatedBytes)) == nil {
            becomeUnreadable(context)
        }
    }

    func requestBody(_ piece: RawSpan, _ context: ConnectionContext) {
        guard let rpc = requests.rpc else { return }
        if !requests.bodyStart.isKnown { lookAtStart(piece, context) }
        guard !requests.isUnreadable else { return }
        if let inflater = requests.inflater {
            do throws(InflateError) {
                try inflater.read(piece) { rpc.readBody($0) }
            } catch {
                becomeUnreadable(context)
            }
        } else {
            rpc.readBody(piece)
        }
        // Once nothing decides about it any more, what is not remembered is counted as it comes.
        if asked.holdState != .held, asked.early == nil, rpc.surplus > rpc.countedSurplus { countSurplus(rpc, context) }
    }

    /// Nothing further is read of the body.
    func becomeUnreadable(_ context: ConnectionContext) {
        requests.isUnreadable = true
        if let inflater = requests.inflater { context.pool.giveBack(inflater) }
        requests.inflater = nil
    }

    /// A request is complete.
    func finishRequest(_ context: ConnectionContext) {
        let inspector = context.inspector
        current.isComplete = true
        current.isReplyDue = current.isRefused
        if let rpc = requests.rpc, current.kind == .other {
            var role = rpc.finishBody()
            // What was read of a body whose rest cannot be is all there is.
            if role == .neither, requests.isUnreadable, rpc.isCallSoFar { role = .request }
            if role == .neither, isBodyUnreadable { requests.isUnreadable = true }
            switch role {
            case .request, .notification: takeCalls(rpc, context)
            case .response:
                takeReplies(rpc, context)
                countRefused(context)
            case .neither: takeOther(context)
            }
        }
        if let observed = current.details?.observed, let connection = context.session.seenConnection {
            inspector.messageObserver?.streamRequest(observed, on: connection)
        }
        if current.kind == .other, context.session.connectionProtocol == .silent {
            inspector.identify(context.session, .http)
        }
        if current.kind == .triple, current.hasCall { addRequestBytes(context) }
        if inspector.tracker.isTraced, current.hasCall {
            let keys = current.details?.keys ?? []
            if keys.isEmpty { traceRequest(current.number, context) }
            for key in keys { traceRequest(key, context) }
        }
        updateQueue()
        giveBack(&requests, inspector)
    }

    /// Adds what has come of a Triple request to its call.
    func addRequestBytes(_ context: ConnectionContext) {
        let calls = context.tracker.table
        let index = calls.find(
            session: context.session.number,
            direction: requestDirection,
            id: current.number
        )
        if index >= 0, calls.kind(index) == .call { calls.addRequestBytes(index, requests.bytes) }
    }

    // MARK: JSON-RPC

    private func takeCalls(_ rpc: RPCReader, _ context: ConnectionContext) {
        let inspector = context.inspector
        current.kind = .rpc
        current.acceptsEvents = asked.wantsEvents
        if context.session.connectionProtocol != .jsonrpc { inspector.identify(context.session, .jsonrpc) }
        if let observer = inspector.messageObserver, let connection = context.session.seenConnection {
            observer.rpc(rpc.observed(context.session.seen(requestDirection), start: requests.start), on: connection)
        }
        guard let box = requests.headers else { return }
        if inspector.tracker.wantsTraces { box.texts.takeTrace(of: rpc) }
        takeCalls(rpc, headers: box.texts, in: context)
    }

    private func takeCalls(_ rpc: RPCReader, headers: borrowing HeaderTexts, in context: ConnectionContext) {
        let inspector = context.inspector
        let path = headers.texts.bytes.slice(headers.request.path)
        let interface = RPCExchange.interface(path)
        let early = asked.early
        asked.early = nil
        if let reason = asked.passed { inspector.recorder.verdictPartial(reason) }
        if let early { chargeRest(early, rpc: rpc, interface: interface, headers: headers, in: context) }
        let isDecided = early == nil && asked.holdState == .held && context.isGoverned
        // The span of a single call is there before it is decided about: the request is given its context.
        let isPrepared = isDecided && inspector.tracker.isTraced && !rpc.scanner.isBatch
        if isPrepared {
            rpc.eachCall {
                trace(
                    inspector.operations.operation(of: $0, interface: interface),
                    headers: headers,
                    id: $0.id,
                    in: context
                )
            }
        }
        var decided = early?.decided ?? DecidedBatch()
        if isDecided {
            let groups = inspector.operations.groups(of: rpc, interface: interface)
            decided = decide(groups, takesContext: !rpc.scanner.isBatch, headers: headers, in: context)
            headEdit.insertion = decided.inserted
        }
        let deadline = headers.request.timeoutNanoseconds
        open(
            rpc,
            interface: interface,
            deadline: deadline > 0 ? requests.start &+ deadline : inspector.tracker.defaultDeadline(requests.start),
            decided: decided,
            in: context,
            prepareSpan: { operation, id in if !isPrepared { trace(operation, headers: headers, id: id, in: context) }
            },
            texts: { id in texts(headers, id: id) }
        )
        if let reply = decided.reply { answerRPC(rpc, reply) }
        if decided.reply == nil, !current.isAnswered { awaitElsewhere(rpc, path: path, in: context) }
        if current.isAnswered, current.hasCall { answerEarly(context) }
    }

    /// Opens the calls of the request being read, or counts those that nobody waits for.
    private func open(
        _ rpc: RPCReader,
        interface: RawSpan,
        deadline: UInt64,
        decided: DecidedBatch,
        in context: ConnectionContext,
        prepareSpan: (_ operation: OperationID, _ id: RawSpan) -> Void,
        texts: (_ id: RawSpan) -> CallTexts
    ) {
        var exchange = rpcExchange
        exchange.open(
            rpc,
            interface: interface,
            deadline: deadline,
            decided: decided,
            context: context,
            prepareSpan: prepareSpan,
            texts: texts
        )
        if exchange.hasCall { current.hasCall = true }
        current.idKey = exchange.idKey
        if !exchange.keys.isEmpty { currentDetails.keys = exchange.keys }
    }

    /// The calls of the request being read, which are to be known.
    private var rpcExchange: RPCExchange {
        RPCExchange(
            direction: requestDirection,
            number: current.number,
            start: requests.start,
            bytes: requests.bytes
        )
    }

    /// A call that the request being read makes.
    func rpcEntry(_ operation: OperationID, id: UInt64, bytes: UInt64, _ context: ConnectionContext) -> CallTable.Entry
    {
        rpcExchange.entry(operation, id: id, bytes: bytes, context)
    }

    /// Counts the calls of a batch that are too many to be remembered; see ``RPCExchange``.
    private func countSurplus(_ rpc: RPCReader, _ context: ConnectionContext) {
        requests.headers?.texts.withPath {
            rpcExchange.countSurplus(rpc, nil, interface: RPCExchange.interface($0), context: context)
        }
    }

    /// The request being read, which has a body, is no call.
    private func takeOther(_ context: ConnectionContext) {
        let inspector = context.inspector
        countRefused(context)
        let isExpected = expectsRPC(context)
        if requests.isUnreadable {
            if let reason = asked.passed, isExpected { inspector.recorder.verdictPartial(reason) }
        } else if current.pathKey != 0 {
            inspector.rpcPaths.noteOther(current.pathKey)
        }
        if current.kind == .other, isExpected || requests.isJSON { noteUnparsed(context) }
    }

    private func trace(
        _ operation: OperationID,
        headers: borrowing HeaderTexts,
        id: RawSpan,
        in context: ConnectionContext
    ) {
        let side = context.session.side(of: requestDirection)
        context.tracker.prepareSpan(operation, headers: headers, callProtocol: .jsonrpc, side: side, now: context.now)
        context.tracker.tracer?.note(.hasTextID)
        if !id.isEmpty { context.tracker.tracer?.note(.requestID, id) }
    }

    private func texts(_ headers: borrowing HeaderTexts, id: RawSpan) -> CallTexts {
        var texts = headers.callTexts
        texts.id = id.text
        return texts
    }

    // MARK: Triple

    private func openTriple(_ headers: borrowing HeaderTexts, head: HTTP1Head, in context: ConnectionContext) {
        let inspector = context.inspector
        let texts = headers.texts.bytes
        let path = texts.slice(headers.request.path)
        guard let names = TriplePath(path) else { return }
        current.kind = .triple
        if context.session.connectionProtocol != .triple { inspector.identify(context.session, .triple) }
        if inspector.messageObserver != nil {
            var observed = headers.observedRequest()
            observed.direction = context.session.seen(requestDirection)
            observed.start = requests.start
            currentDetails.observed = observed
        }
        let operation = headers.operation(names, in: inspector.operations)
        let entry = tripleEntry(operation, headers: headers, in: context)
        if inspector.tracker.isTraced {
            inspector.tracker.prepareSpan(
                operation,
                headers: headers,
                callProtocol: .triple,
                side: entry.side,
                now: context.now
            )
        }
        let decided = decideTriple(entry, headers: headers, in: context)
        if let reply = decided.decision.reply {
            return answerTriple(entry, localReply: reply, headers: headers, head: head, in: context)
        }
        headEdit.insertion = decided.decision.inserted
        let index = inspector.tracker.begin(entry, on: context.session, permit: decided.permit, now: context.now) {
            headers.callTexts
        }
        current.hasCall = index >= 0
    }

    private func tripleEntry(
        _ operation: OperationID,
        headers: borrowing HeaderTexts,
        in context: ConnectionContext
    ) -> CallTable.Entry {
        let (tracker, start, timeout) = (context.tracker, requests.start, headers.request.timeoutNanoseconds)
        var entry = CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: requestDirection,
            id: current.number,
            side: context.session.side(of: requestDirection),
            operation: operation,
            start: start,
            deadline: timeout > 0 ? start &+ timeout : tracker.defaultDeadline(start),
            requestBytes: 0
        )
        if tracker.callers.isWanted {
            let caller = headers.texts.bytes.slice(headers.request.caller)
            entry.caller = tracker.callers.number(of: caller, on: context.session)
        }
        return entry
    }

    /// Notes when the request of a call was complete.
    private func traceRequest(_ key: UInt64, _ context: ConnectionContext) {
        let (inspector, session) = (context.inspector, context.session)
        let index = inspector.tracker.table.find(session: session.number, direction: requestDirection, id: key)
        guard index >= 0, inspector.tracker.table.kind(index) == .call else { return }
        inspector.tracker.tracer?.requestEnded(index, replies: session.calls.replyBytes, now: context.now)
    }
}
