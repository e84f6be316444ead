internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// Requests that are decided about before their end, because they are too large to hold or cannot be read.
///
/// Only what is known to be JSON-RPC is: what was read of it says so, its path is configured, or its path has answered
/// JSON-RPC before. Everything else passes.
extension HTTP1Session {
    /// True if nothing but JSON-RPC is to be expected on the path of the request being read.
    func expectsRPC(_ context: ConnectionContext) -> Bool {
        asked.isPathConfigured || (current.pathKey != 0 && context.inspector.rpcPaths.hasAnswered(current.pathKey))
    }

    /// True if anything may refuse requests that upstream is sent.
    func mayRefuse(_ context: ConnectionContext) -> Bool { context.isGoverned && context.pipeline.mayRefuse }

    /// Decides about the request being read by what is known of it.
    ///
    /// - Parameters:
    ///   - reason: Why its end is not waited for; counted if it turns out that something should have been asked. A
    ///     client that waits to be told to go on is refused with an error's status, so that it sends no body.
    ///   - context: The bytes being read.
    func judgeEarly(_ reason: PartialVerdictReason, _ context: ConnectionContext) {
        asked.holdState = .admitted
        asked.passed = reason
        let reading = requests.rpc?.knowsMethods == true
        guard mayRefuse(context), reading || expectsRPC(context), let box = requests.headers else { return }
        var headers = HeaderTexts()
        swap(&headers, &box.texts)
        defer { swap(&headers, &box.texts) }
        let interface = RPCExchange.interface(headers.texts.bytes.slice(headers.request.path))
        let groups = context.operations.groupsSoFar(of: reading ? requests.rpc : nil, interface: interface)
        var early = EarlyDecision(asked: groups, knowsMethods: reading)
        early.decided = decide(early.asked, takesContext: false, headers: headers, in: context)
        asked.early = early
        if reading { asked.passed = nil }
        guard let reply = early.reply else { return }
        asked.passed = nil
        // What is known at its end makes another of it.
        let body = RPCExchange.body(of: reply, to: nil)
        var head = head(of: reply, body)
        if reason == .expect, head.status < 400 { head.status = 429 }
        refuseCurrent(head, body)
        updateQueue()
    }

    /// A request that was decided about has ended as JSON-RPC: what came behind is charged.
    func chargeRest(
        _ early: EarlyDecision,
        rpc: RPCReader,
        interface: RawSpan,
        headers: borrowing HeaderTexts,
        in context: ConnectionContext
    ) {
        guard early.knowsMethods || rpc.scanner.isBatch else { return }
        let inspector = context.inspector
        let groups = inspector.operations.groups(of: rpc, interface: interface)
        let side = context.session.side(of: requestDirection)
        inspector.pipeline.chargeRest(
            early,
            groups: groups,
            side: side,
            fields: headers.requestFields,
            on: context.session
        )
    }

    /// A request that was decided about is no JSON-RPC, or will not end.
    func dropEarly(_ context: ConnectionContext) {
        guard let early = asked.early else { return }
        asked.early = nil
        context.pipeline.end(early.decided.permits)
    }

    /// Nothing further will be known of a request that was decided about: if it was refused, it is a call of an unknown
    /// method.
    func countRefused(_ context: ConnectionContext) {
        let reply = asked.early?.reply
        dropEarly(context)
        guard let reply, let box = requests.headers else { return }
        let inspector = context.inspector
        if let rpc = requests.rpc { inspector.pool.giveBack(rpc) }
        requests.rpc = nil
        current.kind = .rpc
        let operation = unknownMethod(box, context)
        let entry = rpcEntry(operation, id: current.number, bytes: requests.bytes, context)
        inspector.tracker.count(
            entry,
            as: reply.outcome,
            code: reply.code(in: .jsonrpc),
            on: context.session,
            now: context.now
        ) {
            box.texts.callTexts
        }
    }

    /// A call of an unknown method of what the path names.
    private func unknownMethod(_ box: HeaderTextsBox, _ context: ConnectionContext) -> OperationID {
        box.texts.withPath { path in
            let interface = RPCExchange.interface(path)
            return context.operations.operation(ofMethod: interface.extracting(0..<0), interface: interface)
        }
    }

    // MARK: Expect

    /// Decides about a request's head whose client waits to be told to go on.
    enum Expectation {
        /// It is passed on; upstream will say what it wants.
        case pass
        /// Weir says so, and holds what comes.
        case hold
        /// It is refused at once.
        case refuse
    }

    /// Decides about the head of the request being read, which expects 100-continue.
    ///
    /// Held is what may be a JSON-RPC call that something could refuse, if it can be held until its end. Where nothing
    /// but JSON-RPC was ever seen, what is refused whatever the method is told so before it sends its body.
    func expectation(_ context: ConnectionContext) -> Expectation {
        let head = requests.head
        guard mayRefuse(context), requests.rpc != nil, !requests.isUnreadable, head.method == .post,
            head.version == .oneOne, let box = requests.headers
        else { return .pass }
        let isExpected = expectsRPC(context)
        guard isExpected || requests.isJSON else { return .pass }
        let operation = unknownMethod(box, context)
        guard context.pipeline.mayRefuse(operation, side: context.session.side(of: requestDirection)) else {
            return .pass
        }
        let isPure = asked.isPathConfigured || context.inspector.rpcPaths.isPure(current.pathKey)
        if isPure, isRefusedAnyway(operation, context) { return .refuse }
        let room = HoldLimits.requestBytes - Int(head.headBytes)
        guard head.body == .chunked || head.contentLength <= UInt64(max(room, 0)) else {
            // Too large to hold: where it is known to be JSON-RPC, what looks at no method decides.
            return isExpected ? .refuse : .pass
        }
        return .hold
    }

    /// True if a call of whatever method would be refused now; nothing is charged.
    private func isRefusedAnyway(_ operation: OperationID, _ context: ConnectionContext) -> Bool {
        guard let box = requests.headers else { return false }
        let request = CallRequest(operation: operation, side: context.session.side(of: requestDirection))
        let (pipeline, session) = (context.pipeline, context.session)
        return pipeline.wouldRefuse(request, fields: box.texts.requestFields, on: session, now: context.now)
    }
}
