internal import Calls
internal import Dubbo
internal import Hessian
internal import Policy
internal import Telemetry
internal import Wire

/// Requests, and the calls they are.
extension DubboSession {
    /// A request was read by a body reader.
    func finishRequest(
        _ frame: borrowing ObservedFrame,
        state: inout DubboDirection,
        box: BodyReaderBox,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int
    ) {
        let (inspector, texts) = (context.inspector, frame.texts)
        let attachments = CallAttachments(box.reader.request.attachments, in: texts)
        let operation = Self.operation(of: box.reader.request, attachments, in: texts, names: context.operations)
        if let observer = inspector.messageObserver, let connection = context.session.seenConnection {
            observer.request(frame, box.reader.request, on: connection)
        }
        var request = DubboRequest(
            frame.header,
            start: frame.start,
            operation: operation,
            attachments: attachments,
            in: texts
        )
        request.timeoutMilliseconds = box.reader.timeoutMilliseconds
        if inspector.isSelecting { select(box.reader.request.attachments, in: texts, context) }
        if context.tracker.isTraced { trace(box.reader.request, request: request, going: direction, in: context) }
        if context.pipeline.drains.isActive { noteVersion(box.reader.request, texts) }
        let entry = entry(request, going: direction, in: context)
        let fields = RequestFields(context.pool.fields, caller: attachments.caller, in: texts)
        var permit = state.permit
        state.permit = .none
        switch state.holdState {
        case .none, .admitted: context.pipeline.learnCaller(fields, on: context.session)
        // Counted when it was decided.
        case .refused: return context.pipeline.limits.release(permit)
        case .held:
            let endsInMap = frame.isWhole && box.reader.endsInMap
            let taken = decide(
                request,
                entry: entry,
                endsInMap: endsInMap,
                fields: fields,
                in: context,
                turn: &turn,
                end: end
            )
            guard let taken else { return }
            permit = taken
        }
        beginCall(request, entry: entry, permit: permit, in: context)
    }

    /// A request was understood by the fast path.
    @inline(__always)
    func beginCall(
        _ fast: RequestFastPath,
        header: FrameHeader,
        body: RawSpan,
        going direction: Direction,
        in context: ConnectionContext,
        turn: inout DubboTurn,
        end: Int
    ) {
        let request = DubboRequest(
            header,
            start: context.now,
            operation: Self.operation(of: fast, body, context.operations),
            attachments: fast.attachments,
            in: body
        )
        if context.inspector.isSelecting { select(fast, in: body, context) }
        if context.tracker.isTraced { trace(fast, request: request, going: direction, in: context) }
        let entry = entry(request, going: direction, in: context)
        guard context.isGoverned else { return beginCall(request, entry: entry, permit: .none, in: context) }
        let fields = RequestFields(context.pool.fields, caller: fast.attachments.caller, in: body)
        guard isJudged(direction) else {
            context.pipeline.learnCaller(fields, on: context.session)
            return beginCall(request, entry: entry, permit: .none, in: context)
        }
        guard
            let permit = decide(
                request,
                entry: entry,
                endsInMap: fast.endsInMap,
                fields: fields,
                in: context,
                turn: &turn,
                end: end
            )
        else {
            return
        }
        beginCall(request, entry: entry, permit: permit, in: context)
    }

    @inline(__always)
    private func entry(
        _ request: borrowing DubboRequest,
        going direction: Direction,
        in context: ConnectionContext
    ) -> CallTable.Entry {
        let timeout = request.timeoutNanoseconds ?? context.tracker.timeoutNanoseconds
        var entry = CallTable.Entry(
            kind: .call,
            session: context.session.number,
            direction: direction,
            id: request.header.requestID,
            side: context.session.side(of: direction),
            operation: request.operation,
            start: request.start,
            deadline: request.start &+ timeout,
            requestBytes: request.header.frameBytes
        )
        if context.tracker.callers.isWanted {
            entry.caller = context.tracker.callers.number(of: request.caller, on: context.session)
        }
        return entry
    }

    @inline(__always)
    private func beginCall(
        _ request: borrowing DubboRequest,
        entry: CallTable.Entry,
        permit: LimitToken,
        in context: ConnectionContext
    ) {
        if request.header.isTwoWay {
            let index = context.tracker.begin(entry, on: context.session, permit: permit, now: context.now) {
                Self.texts(request.caller, fields: context.pool.fields, in: request.texts)
            }
            context.tracker.requestEnded(index, on: context.session, now: context.now)
        } else {
            context.pipeline.limits.release(permit)
            context.tracker.count(entry, as: .oneway, on: context.session, now: context.now) {
                Self.texts(request.caller, fields: context.pool.fields, in: request.texts)
            }
        }
    }

    /// The texts of a request for an observer of calls.
    static func texts(_ caller: RawSpan, fields: FieldValues, in texts: RawSpan) -> CallTexts {
        let caller = HessianText.string(caller, maxBytes: OperationCache.maxNameBytes)
        return CallTexts(caller: caller, trace: fields.firstContext(in: texts))
    }

    // MARK: Operations

    @inline(__always)
    private static func operation(of fast: RequestFastPath, _ body: RawSpan, _ names: OperationNames) -> OperationID {
        let group = body.slice(fast.attachments.group)
        let named = body.slice(fast.attachments.interface)
        let isPathElse = !named.isEmpty && !named.elementsEqual(body.slice(fast.interface))
        guard !isPathElse, !fast.names.isEmpty else {
            // The names do not stand together in the body.
            return names.cache.operation(
                .dubbo,
                interface: isPathElse ? named : body.slice(fast.interface),
                version: body.slice(fast.version),
                method: body.slice(fast.method),
                group: group
            )
        }
        return names.cache.known(.dubbo, key: body.slice(fast.names), group: group)
            ?? learn(fast, body: body, group: group, names: names)
    }

    /// The operation of a request whose names, spelled so, were not met before.
    private static func learn(
        _ fast: RequestFastPath,
        body: RawSpan,
        group: RawSpan,
        names: OperationNames
    ) -> OperationID {
        names.cache.learn(
            .dubbo,
            key: body.slice(fast.names),
            group: group,
            interface: body.slice(fast.interface),
            version: body.slice(fast.version),
            method: body.slice(fast.method)
        )
    }

    /// The operation that a request names: by its attachment `interface` where it has one, as Dubbo takes it since
    /// 2.7.8, since older consumers write the path before the attachments.
    ///
    /// - Parameters:
    ///   - request: What was read of it.
    ///   - attachments: Its attachments; none yet of one that is decided about by its front.
    ///   - texts: The bytes that the ranges point into.
    ///   - names: The names known.
    /// - Returns: The operation; the unknown one without interface or method.
    static func operation(
        of request: borrowing RequestMetadata,
        _ attachments: CallAttachments,
        in texts: RawSpan,
        names: OperationNames
    ) -> OperationID {
        let interface = attachments.interface.isEmpty ? request.interface : attachments.interface
        let hasInterface = !attachments.interface.isEmpty || request.known.contains(.interface)
        guard hasInterface, request.known.contains(.method) else { return names.unknown }
        let method = request.known.contains(.genericMethod) ? request.genericMethod : request.method
        return names.cache.operation(
            .dubbo,
            interface: texts.slice(interface),
            version: texts.slice(request.version),
            method: texts.slice(method),
            group: texts.slice(attachments.group)
        )
    }

    // MARK: Fields and spans

    /// Keeps the wanted attachments of a request that was understood by the fast path.
    private func select(_ fast: RequestFastPath, in body: RawSpan, _ context: ConnectionContext) {
        let fields = context.pool.fields
        fields.begin(context.inspector.selector)
        var cursor = AttachmentCursor(fast, in: body)
        while let attachment = cursor.next() { fields.take(body.slice(attachment.key), attachment.value) }
    }

    /// Keeps the wanted ones of a request's attachments.
    private func select(_ attachments: [Attachment], in texts: RawSpan, _ context: ConnectionContext) {
        let fields = context.pool.fields
        fields.begin(context.inspector.selector)
        for attachment in attachments { fields.take(texts.slice(attachment.key), attachment.value) }
    }

    private func trace(
        _ fast: RequestFastPath,
        request: borrowing DubboRequest,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        var marks: SpanFacts.Marks = fast.names.isEmpty ? .isGeneric : []
        if request.texts.slice(fast.version).equals(Operation.zeroVersion) { marks.insert(.hasZeroVersion) }
        prepareSpan(request, marks: marks, going: direction, in: context)
    }

    private func trace(
        _ metadata: borrowing RequestMetadata,
        request: borrowing DubboRequest,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        var marks: SpanFacts.Marks = metadata.known.contains(.genericMethod) ? .isGeneric : []
        if request.texts.slice(metadata.version).equals(Operation.zeroVersion) { marks.insert(.hasZeroVersion) }
        prepareSpan(request, marks: marks, going: direction, in: context)
    }

    private func prepareSpan(
        _ request: borrowing DubboRequest,
        marks: SpanFacts.Marks,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        guard let tracer = context.tracker.tracer else { return }
        let side = context.session.side(of: direction)
        tracer.prepare(
            request.operation,
            fields: context.pool.fields,
            caller: request.attachments.caller,
            in: request.texts,
            callProtocol: .dubbo,
            side: side,
            now: context.now
        )
        tracer.note(serialization: request.header.serialization, marks)
        tracer.noteListed(context.pool.fields, in: request.texts)
    }
}

/// A Dubbo request that has been read.
struct DubboRequest: ~Escapable, BitwiseCopyable {
    /// A deadline of the caller's own above this is not one: a day.
    private static let maxTimeoutMilliseconds: Int64 = 86_400_000

    let header: FrameHeader
    /// When its first byte was seen, in nanoseconds.
    let start: UInt64
    let operation: OperationID
    let attachments: CallAttachments
    /// The bytes that the ranges point into.
    let texts: RawSpan
    /// The attachment `timeout` where it is a number.
    var timeoutMilliseconds: Int32?

    @inline(__always)
    @_lifetime(copy texts)
    init(
        _ header: FrameHeader,
        start: UInt64,
        operation: OperationID,
        attachments: CallAttachments,
        in texts: RawSpan
    ) {
        self.header = header
        self.start = start
        self.operation = operation
        self.attachments = attachments
        self.texts = texts
    }

    /// The calling application's name; empty if the request does not say.
    var caller: RawSpan {
        @inline(__always)
        @_lifetime(copy self)
        get { texts.slice(attachments.caller) }
    }

    /// How long the caller waits, in nanoseconds; `nil` if it does not say.
    var timeoutNanoseconds: UInt64? {
        @inline(__always)
        get { Self.timeout(timeoutMilliseconds, attachments: attachments, in: texts) }
    }

    private static func timeout(_ number: Int32?, attachments: CallAttachments, in texts: RawSpan) -> UInt64? {
        var milliseconds = Self.maxTimeoutMilliseconds
        if let number, number > 0 { milliseconds = min(milliseconds, Int64(number)) }
        if !attachments.timeout.isEmpty, let own = texts.slice(attachments.timeout).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        if !attachments.budget.isEmpty, let own = texts.slice(attachments.budget).decimal, own > 0 {
            milliseconds = min(milliseconds, own)
        }
        guard milliseconds < Self.maxTimeoutMilliseconds else { return nil }
        return UInt64(milliseconds) &* 1_000_000
    }
}
