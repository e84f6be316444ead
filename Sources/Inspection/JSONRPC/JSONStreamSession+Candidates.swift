internal import Calls
internal import JSONRPC
internal import Wire

/// Requests that do not say that they are JSON-RPC, and whose replies do.
///
/// Some peers leave `jsonrpc` out of what they send and give named `params`, which is no shape of version 1.0 either
/// (the Stratum dialect of Monero's miners does); a log line or an event may look the same. Whether a value was a call
/// is told by its reply: one that says that it is JSON-RPC and has the value's id. The value is counted then, and from
/// then on whatever that peer sends with a method is a call. Nothing is decided about values before that.
extension JSONStreamSession {
    /// The most values kept that wait for such a reply; the oldest is forgotten first.
    static let maxCandidates = 8

    /// A value with a method, an id and parameters that may have been a call.
    struct Candidate {
        var direction: Direction
        var key: UInt64
        var method: [UInt8]
        var id: [UInt8]
        /// When its first byte was seen.
        var start: UInt64
        var byteCount: UInt64
        /// The same for an observer of messages, if there is one.
        var observed: ObservedRPC?
    }

    /// Keeps a value that is no message by what it says itself, if a reply may show that it was one.
    func noteCandidate(
        _ reader: RPCReader,
        state: DirectionState,
        going direction: Direction,
        in context: ConnectionContext
    ) {
        let facts = reader.scanner.facts
        guard !reader.scanner.isBatch, facts.method == .text, facts.id != .absent, facts.id != .null,
            facts.params != .absent, let key = JSONRPCID.key(of: reader.scanner)
        else { return }
        if candidates.count == Self.maxCandidates { candidates.removeFirst() }
        let isObserved = context.inspector.messageObserver != nil
        let texts = reader.scanner.withTexts { method, id in (method.array, id.array) }
        candidates.append(
            Candidate(
                direction: direction,
                key: key,
                method: texts.0,
                id: texts.1,
                start: state.start,
                byteCount: facts.endOffset - facts.startOffset,
                observed: isObserved ? reader.observed(context.session.seen(direction), start: state.start) : nil
            )
        )
    }

    /// A reply has come: opens the calls that it shows to have been some.
    ///
    /// - Parameters:
    ///   - reader: After the reply.
    ///   - direction: Its direction.
    ///   - context: The bytes it came with.
    func takeCandidates(answeredBy reader: RPCReader, _ direction: Direction, _ context: ConnectionContext) {
        guard !reader.scanner.isBatch, reader.scanner.facts.version != .absent,
            let key = JSONRPCID.key(of: reader.scanner),
            let index = candidates.firstIndex(where: { $0.direction == direction.opposite && $0.key == key })
        else { return }
        let candidate = candidates[index]
        candidates.removeAll { $0.direction == candidate.direction }
        let asking = state(candidate.direction)
        asking.place = .messages
        asking.reader?.scanner.place = .messages
        open(candidate, context)
    }

    private func open(_ candidate: Candidate, _ context: ConnectionContext) {
        let (inspector, session) = (context.inspector, context.session)
        let (method, id) = (candidate.method.byteSpan, candidate.id.byteSpan)
        let entry = CallTable.Entry(
            kind: .call,
            session: session.number,
            direction: candidate.direction,
            id: candidate.key,
            side: session.side(of: candidate.direction),
            operation: inspector.operations.operation(ofMethod: method, interface: method.extracting(0..<0)),
            start: candidate.start,
            deadline: inspector.tracker.defaultDeadline(candidate.start),
            requestBytes: candidate.byteCount
        )
        if let observed = candidate.observed, let connection = session.seenConnection {
            inspector.messageObserver?.rpc(observed, on: connection)
        }
        if inspector.tracker.isTraced {
            inspector.tracker.prepareSpan(entry.operation, nil, id: id, side: entry.side, now: candidate.start)
        }
        let index = inspector.tracker.begin(entry, on: session, now: context.now) { CallTexts(id: id.text) }
        inspector.tracker.requestEnded(index, on: session, now: candidate.start)
    }
}
