internal import Calls
internal import Inspection
internal import PlanModel
internal import Telemetry
internal import Wire

/// Runs a script of two directions through a session that speaks HTTP/1 or raw JSON-RPC, in pieces and whole.
///
/// The first byte seeds the chunking, the second says who watches and whether something decides about requests. Then
/// come the script's steps: a byte with the direction in its highest bit and a length below it (so many bytes follow),
/// or, with no length, a tick or an end. Facts must not depend on the pieces; an observer passes all bytes on;
/// a governor's plans keep within what may be held, and what leaves does not depend on the pieces, either.
///
/// - Parameter bytes: Any bytes.
public func fuzzHTTP1Session(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return }
    let steps = WebStep.script(bytes[2...])
    let watching = bytes[1] & 1 != 0
    let isGoverned = bytes[1] & 2 != 0
    let whole = WebRun(isWatched: watching, isGoverned: isGoverned)
    whole.run(steps, seed: nil)
    let split = WebRun(isWatched: watching, isGoverned: isGoverned)
    split.run(steps, seed: UInt64(bytes[0]))
    precondition(split.facts == whole.facts, "facts depend on the pieces")
    let other = WebRun(isWatched: !watching, isGoverned: isGoverned)
    other.run(steps, seed: nil)
    precondition(other.facts.numbers == whole.facts.numbers, "numbers depend on who watches")
}

/// What happens on a connection.
private enum WebStep {
    case bytes(Direction, [UInt8])
    case tick
    case end(Direction)

    static func script(_ bytes: Slice<UnsafeRawBufferPointer>) -> [WebStep] {
        var rest = bytes
        var steps: [WebStep] = []
        while let head = rest.popFirst() {
            let direction: Direction = head & 0x80 == 0 ? .toUpstream : .toDownstream
            let count = Int(head & 0x7f)
            if count > 0 {
                let piece = Array(rest.prefix(count))
                rest = rest.dropFirst(count)
                if case .bytes(direction, let before)? = steps.last {
                    steps[steps.count - 1] = .bytes(direction, before + piece)
                } else if !piece.isEmpty {
                    steps.append(.bytes(direction, piece))
                }
            } else {
                guard let kind = rest.popFirst() else { break }
                steps.append(kind & 1 == 1 ? .tick : .end(direction))
            }
        }
        return steps
    }
}

/// What a script came to.
private struct WebFacts: Equatable {
    var numbers: [String] = []
    var finished: [String] = []
    var lines: [UInt8] = []
    var up: [UInt8] = []
    var down: [UInt8] = []
}

/// Refuses methods that begin with `n`, and gives those a header that begin with `m`.
private final class WebGovernor: RequestStage {
    private let registry: OperationRegistry

    init(_ registry: OperationRegistry) { self.registry = registry }

    func decide(on request: CallRequest) -> Decision {
        switch registry[request.operation].method.utf8.first {
        case 0x6e: .reply(LocalReply(text: "no"))
        case 0x6d: .insert(key: "X-Mark", value: "1")
        default: .forward
        }
    }
}

/// One pass over a script.
private final class WebRun: CallObserver {
    private static let limits = Inspector.Limits(callTimeoutNanoseconds: 1 << 30, maxCalls: 12, maxTombstones: 3)

    private let registry = OperationRegistry(capacity: 200)
    private let labels = SeriesLabels()
    private let recorder: Recorder
    private let inspector: Inspector
    private let session: Session
    private let tracing: FuzzTracing
    private let lines = MessageLines(redacted: Redaction()) { _ in }
    private var plan = Plan()
    private var up = PlanModel()
    private var down = PlanModel()
    private var now: UInt64 = 1 << 30
    private var ended: Set<Direction> = []
    private var fed = 0
    /// How many bytes of Weir's own the client was sent.
    private var said = 0
    private(set) var facts = WebFacts()

    init(isWatched: Bool, isGoverned: Bool) {
        recorder = Recorder(labels: labels)
        inspector = Inspector(registry: registry, recorder: recorder, limits: Self.limits)
        if isGoverned { inspector.rules = WebGovernor(registry) }
        tracing = FuzzTracing(inspector, registry, isInjecting: isGoverned)
        let ends = ObservedConnection(client: Endpoint(ipv4: 1, port: 1), server: Endpoint(ipv4: 2, port: 2))
        session = inspector.open(side: .provider, connection: ends)
        guard isWatched else { return }
        inspector.callObserver = self
        inspector.messageObserver = lines
    }

    func run(_ steps: [WebStep], seed: UInt64?) {
        var random = seed
        for step in steps {
            switch step {
            case .bytes(let direction, let bytes):
                guard !ended.contains(direction) else { continue }
                give(bytes, direction, &random)
            case .tick:
                now += 1 << 29
                inspector.tick(now: now)
                release()
            case .end(let direction):
                guard ended.insert(direction).inserted else { continue }
                plan.removeAll()
                inspector.ended(session, direction, now: now, plan: &plan)
                carryOut([], direction)
            }
            precondition(inspector.callsInFlight <= Self.limits.maxCalls, "more calls than the bound")
        }
        facts.numbers.append("\(inspector.callsInFlight) \(session.connectionProtocol)")
        inspector.close(session, now: now)
        precondition(inspector.callsInFlight == 0, "calls outlive their connection")
        facts.numbers += tracing.facts(inspector)
        collect()
        inspector.callObserver = nil
        inspector.messageObserver = nil
    }

    /// Bytes of one direction: all at once, or in pieces of 1 to 32 bytes drawn from the seed.
    private func give(_ bytes: [UInt8], _ direction: Direction, _ random: inout UInt64?) {
        fed += bytes.count
        var start = 0
        while start < bytes.count {
            var count = bytes.count - start
            if let state = random {
                let next = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                random = next
                count = min(count, Int(next >> 59) + 1)
            }
            let piece = Array(bytes[start..<start + count])
            start += count
            plan.removeAll()
            plan.isBoundaryWanted = random.map { $0 >> 40 & 1 == 0 } ?? false
            inspector.receive(session, bytes: piece.span.bytes, going: direction, now: now, plan: &plan)
            carryOut(piece, direction)
        }
    }

    /// What has waited long enough goes on.
    private func release() {
        guard inspector.isReleaseDue(now: now) else { return }
        inspector.beginReleases()
        guard inspector.isReleaseDue(session, now: now) else { return }
        for direction in [Direction.toUpstream, .toDownstream] where !ended.contains(direction) {
            plan.removeAll()
            if inspector.release(session, direction, now: now, plan: &plan) { carryOut([], direction) }
        }
        precondition(!inspector.holdsRequests, "what was released waits on")
    }

    private func carryOut(_ piece: [UInt8], _ direction: Direction) {
        said += plan.reply.count
        if direction == .toDownstream { said += plan.content.count }
        if direction == .toUpstream {
            precondition(up.take(piece, plan), "more is held than may be")
            down.addReplies(plan.reply)
        } else {
            precondition(down.take(piece, plan), "more is held than may be")
            up.addReplies(plan.reply)
        }
    }

    private func collect() {
        if inspector.rules == nil {
            precondition(up.output.count + down.output.count == fed, "an observer changes bytes")
            precondition(up.replyBytes + down.replyBytes == 0, "an observer speaks")
        }
        facts.up = up.output
        // Where replies go in depends on where upstream's bytes were cut, but not how much is said.
        if inspector.rules == nil { facts.down = down.output } else { facts.numbers.append("\(said)") }
        let snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
        for report in snapshot.operations {
            precondition(report.inFlight == 0, "a call that ended is in flight")
            for result in report.results {
                facts.numbers.append(
                    "\(report.operation) \(report.side) \(result.outcome) \(result.code) \(result.count)"
                        + " \(report.requestBytes) \(report.responseBytes) \(report.lateReplies)"
                )
            }
        }
        facts.numbers += snapshot.uninspectedBytes.map { "\($0.reason) \($0.count)" }
        facts.numbers += snapshot.decodeErrors.map { "\($0.reason) \($0.count)" }
        facts.lines = lines.json.bytes
    }

    func finished(_ call: ObservedCall) {
        facts.finished.append("\(call.id) \(call.call.outcome) \(call.call.code) \(call.caller) \(call.exception)")
    }
}
