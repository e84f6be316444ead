internal import Calls
internal import Dubbo
internal import JSONRPC
internal import Policy
internal import Triple
internal import Wire

/// Limits: what the gate is told of a request, and what calls hold until they end.
extension Inspector {
    /// Other limits are in force: looks whether there are any, and at which headers they look.
    public func limitsChanged() {
        isLimited = false
        limitNames = .none
        if let gate {
            // Asking about anything makes the gate take them up.
            _ = gate.needs(of: unknownOperation, side: .provider)
            isLimited = !gate.limits.limits.isEmpty
            limitNames = gate.limits.attachmentNames.isEmpty ? .none : LimitNames(gate.limits.attachmentNames)
        }
        wantsLimitedHeaders = !limitNames.isEmpty
        updateGoverned()
    }

    // MARK: Asking

    /// Begins to ask about a request, and notes from where it came.
    ///
    /// - Returns: What has to be known of it; of one that no limit is for, that it is not limited.
    func beginLimits(_ operation: OperationID, _ side: Side, _ session: Session) -> LimitNeeds {
        guard isLimited, let gate else { return LimitNeeds() }
        let needs = gate.begin(operation, side: side)
        guard needs.isLimited, !isProbe(operation) else { return LimitNeeds() }
        if needs.peer {
            let peer = session.peerAddress
            gate.note(peer: peer.byteSpan)
        }
        return needs
    }

    /// Decides about the request that was begun; what it takes waits in ``pendingToken`` for the call.
    ///
    /// - Returns: What it is answered, or `nil` when it passes.
    func decideLimits(calls: Int = 1, isOneway: Bool = false) -> Refusal? {
        guard let gate else { return nil }
        switch gate.decide(calls: calls, isOneway: isOneway) {
        case .admitted(let token):
            pendingToken = token
            return nil
        case .refused(let refusal):
            return Refusal(gate.limits.limits[refusal.limit], retryAfterNanoseconds: refusal.retryAfter)
        }
    }

    /// Asks about a request of which the headers are known.
    ///
    /// - Returns: What it is answered, or `nil` when it passes.
    func limitRefusal(
        _ operation: OperationID,
        _ side: Side,
        _ headers: borrowing HeaderTexts,
        _ session: Session,
        calls: Int = 1,
        isOneway: Bool = false
    ) -> Refusal? {
        guard noteLimited(operation, side, headers, session) else { return nil }
        return decideLimits(calls: calls, isOneway: isOneway)
    }

    /// Begins to ask about a request of which the headers are known, and notes what limits look at.
    ///
    /// - Returns: Whether any limit is for it.
    func noteLimited(
        _ operation: OperationID,
        _ side: Side,
        _ headers: borrowing HeaderTexts,
        _ session: Session
    ) -> Bool {
        let needs = beginLimits(operation, side, session)
        guard needs.isLimited else { return false }
        let texts = headers.texts.bytes
        if needs.caller { note(caller: texts.slice(headers.request.caller), session) }
        guard needs.attachments != 0, let gate else { return true }
        let names = limitNames.names
        for header in headers.limited where Int(header.name) < names.count {
            let name = names[Int(header.name)]
            gate.note(attachment: name.byteSpan, value: texts.slice(header.value))
        }
        return true
    }

    /// The calls of a JSON-RPC message, by operation, in the order of their first ones.
    func groups(_ reader: RPCReader, _ interface: RawSpan) -> [LimitedGroup] {
        var groups: [LimitedGroup] = []
        var places: [OperationID: Int] = [:]
        reader.eachCall { call in
            let operation = rpcOperation(interface: interface, call)
            let place = places[operation] ?? groups.count
            if place == groups.count {
                groups.append(LimitedGroup(operation: operation))
                places[operation] = place
            }
            groups[place].calls += 1
            if !call.isNotification { groups[place].isOneway = false }
        }
        let isBatch = reader.scanner.isBatch
        reader.eachOtherMethod { method in
            let operation = rpcOperation(interface: interface, method: method)
            let place = places[operation] ?? groups.count
            guard isBatch || place == groups.count else { return }
            if place == groups.count {
                groups.append(LimitedGroup(operation: operation))
                places[operation] = place
            }
            groups[place].calls += 1
        }
        // What is not remembered may be calls of any method that was seen.
        let surplus = reader.surplus
        for place in groups.indices where surplus > 0 { groups[place].calls += surplus }
        return groups
    }

    /// Asks about the calls of a batch, which pass or are refused together.
    ///
    /// Operations to which the same limits apply are asked about as one. What is left is asked first without being
    /// charged, so that a batch that is refused for one has used up nothing for another; only if another worker uses
    /// up in between what they need does it.
    ///
    /// - Parameters:
    ///   - groups: The operations of the batch.
    ///   - side: Where Weir stands.
    ///   - note: Begins to ask the gate about one of them and notes what it needs; whether any limit is for it.
    /// - Returns: What the batch is answered, or `nil` when it passes.
    func batchRefusal(_ groups: [LimitedGroup], _ side: Side, noting note: (LimitedGroup) -> Bool) -> Refusal? {
        guard let gate else { return nil }
        var groups = alike(groups, side)
        if groups.count > 1 {
            let refused = groups.firstIndex { note($0) && !gate.wouldAdmit(calls: $0.calls, isOneway: $0.isOneway) }
            if let refused { groups.swapAt(0, refused) }
        }
        for group in groups {
            pendingToken = .none
            guard note(group) else { continue }
            if let refusal = decideLimits(calls: group.calls, isOneway: group.isOneway) {
                endBatch()
                return refusal
            }
            guard !pendingToken.isNone else { continue }
            tokens.share(pendingToken)
            var holding = group
            holding.token = pendingToken
            batchGroups.append(holding)
        }
        pendingToken = .none
        return nil
    }

    /// The groups with those put together to which the same limits apply.
    private func alike(_ groups: [LimitedGroup], _ side: Side) -> [LimitedGroup] {
        guard groups.count > 1, let gate else { return groups }
        var result: [LimitedGroup] = []
        for group in groups {
            let place = result.firstIndex { gate.areAlike($0.operation, group.operation, side: side) }
            guard let place else {
                result.append(group)
                continue
            }
            result[place].others.append(group.operation)
            result[place].calls += group.calls
            result[place].isOneway = result[place].isOneway && group.isOneway
        }
        return result
    }

    /// The next call is one of a batch's: it holds what the batch took for its operation.
    func beginBatchCall(_ operation: OperationID) {
        guard !batchGroups.isEmpty else { return }
        let group = batchGroups.first { $0.isForAll || $0.operation == operation || $0.others.contains(operation) }
        guard let group else { return }
        tokens.share(group.token)
        pendingToken = group.token
    }

    /// All calls of a batch have begun: what none of them holds goes back.
    func endBatch() {
        guard !batchGroups.isEmpty else { return }
        for group in batchGroups { release(group.token) }
        batchGroups.removeAll(keepingCapacity: true)
    }

    // MARK: Callers

    /// Notes who calls: who the request says, or else who was last learnt to call on the connection.
    func note(caller: RawSpan, _ session: Session) {
        learn(caller: caller, session)
        noteLastCaller(session)
    }

    /// Notes who was last learnt to call on a connection.
    func noteLastCaller(_ session: Session) {
        guard let gate else { return }
        let last = session.lastCaller
        if !last.isEmpty { gate.note(caller: last.byteSpan) }
    }

    /// Keeps who calls on a connection.
    @inline(__always)
    func learn(caller: RawSpan, _ session: Session) {
        guard caller.byteCount > 0 else { return }
        let kept = caller.extracting(first: Session.maxCallerBytes)
        let last = session.lastCaller
        if !last.byteSpan.elementsEqual(kept) { session.lastCaller = kept.array }
    }

    /// Whether an operation is called to see whether the service is there; such calls are never limited.
    func isProbe(_ operation: OperationID) -> Bool {
        while probes.count <= operation.index { probes.append(Self.isUnknownProbe) }
        if probes[operation.index] == Self.isUnknownProbe {
            probes[operation.index] = registry[operation].method == "$echo" ? 1 : 0
        }
        return probes[operation.index] == 1
    }

    private static var isUnknownProbe: UInt8 { 2 }

    // MARK: Tokens

    /// The call that has begun holds what was taken for it.
    func holdToken(_ call: Int32) {
        tokens.hold(pendingToken, by: call)
        pendingToken = .none
    }

    /// The request for which something was taken is no call.
    func dropToken() {
        guard !pendingToken.isNone else { return }
        release(pendingToken)
        pendingToken = .none
    }

    /// A call has ended.
    func releaseToken(of call: Int32) {
        let token = tokens.take(from: call)
        if !token.isNone { release(token) }
    }

    /// A call has got another place in the table.
    func moveToken(_ call: Int32, to other: Int32) {
        let token = tokens.take(from: call)
        if !token.isNone { tokens.hold(token, by: other) }
    }

    /// Gives back what a call held.
    func release(_ token: LimitToken) {
        if tokens.drop(token) { gate?.release(token) }
    }
}

extension Refusal {
    /// The hint in whole seconds, rounded up, as HTTP has it.
    var retryAfterSeconds: UInt64? {
        retryAfterNanoseconds.map { $0 / 1_000_000_000 + ($0 % 1_000_000_000 == 0 ? 0 : 1) }
    }

    /// The answer that a limit gives.
    init(_ limit: Limit, retryAfterNanoseconds: UInt64?) {
        let rejection = limit.definition.rejection
        self.init(
            text: limit.rejectionText,
            dubboStatus: rejection.dubboStatus,
            jsonrpcCode: Int32(rejection.jsonrpcCode),
            httpStatus: rejection.httpStatus,
            isFinal: rejection.isDubboException,
            retryAfterNanoseconds: rejection.givesRetryAfter ? retryAfterNanoseconds : nil
        )
    }
}
