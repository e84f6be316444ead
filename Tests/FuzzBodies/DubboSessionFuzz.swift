internal import Calls
internal import Dubbo
internal import Inspection
internal import PlanModel
internal import Telemetry
internal import Wire

/// Runs a script of two directions through a session, in pieces and whole, and checks what must hold.
///
/// The first byte seeds the chunking, the second says who watches. Then come the script's steps: a byte with the
/// direction in its highest bit and a length below it (so many bytes follow), or, with no length, a hole, a tick, an
/// end, something about drains, or a whole frame of any size (``MadeFrames``) whose verdict its method says. Facts must
/// not depend on the pieces, every byte is in a frame or counted, and the table stays bounded. With drains and verdicts
/// what the peers get of each other does not depend on the pieces, either, and each request of a row of frames leaves
/// once or is answered once (``DubboExchange``).
///
/// - Parameter bytes: Any bytes.
public func fuzzDubboSession(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return }
    let script = SessionScript(bytes[2...])
    let isWatched = bytes[1] & 1 != 0
    let isMidstream = bytes[1] & 2 != 0
    let whole = SessionRun(isWatched: isWatched, isMidstream: isMidstream)
    whole.run(script, seed: nil)
    let split = SessionRun(isWatched: isWatched, isMidstream: isMidstream)
    split.run(script, seed: UInt64(bytes[0]))
    // Where the beginning was not seen, HTTP/2 and JSON are told by how a segment begins; they have their own fuzzers.
    if whole.speaksAnother || split.speaksAnother { return }
    precondition(split.facts == whole.facts, "facts depend on the pieces")
    // Who watches does not change the numbers; but more is read of replies then, so more errors are met.
    let other = SessionRun(isWatched: !isWatched, isMidstream: isMidstream)
    other.run(script, seed: nil)
    var (one, two) = (other.facts.numbers, whole.facts.numbers)
    one.decodeErrors = []
    two.decodeErrors = []
    precondition(one == two, "numbers depend on who watches")
}

/// What happens on a connection.
private struct SessionScript {
    enum Step {
        case bytes(Direction, [UInt8])
        case hole(Direction, UInt64)
        case tick
        case end(Direction)
        case drain(UInt8)
    }

    var steps: [Step] = []
    /// Whether anything is decided about frames.
    var isGoverned = false
    /// Whether a frame among them is too large to be held back: what is known of it depends on the pieces then.
    var isOversized: Bool { made.isOversized }
    private var made = MadeFrames()

    init(_ bytes: Slice<UnsafeRawBufferPointer>) {
        var rest = bytes
        while let head = rest.popFirst() {
            let direction: Direction = head & 0x80 == 0 ? .toUpstream : .toDownstream
            let count = Int(head & 0x7f)
            if count > 0 {
                append(direction, Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            } else {
                guard let kind = rest.popFirst() else { return }
                switch kind & 3 {
                case 0: steps.append(.hole(direction, UInt64(kind >> 2) + 1))
                case 1: steps.append(.tick)
                case 2: steps.append(.end(direction))
                case _ where kind & 0x80 != 0:
                    let isBetween = DubboExchange.split(row(direction))?.rest.isEmpty == true
                    append(direction, made.next(rest.popFirst() ?? 0, direction, isBetween: isBetween))
                    isGoverned = true
                default:
                    steps.append(.drain(kind >> 2))
                    isGoverned = true
                }
            }
        }
    }

    /// All bytes of a direction so far.
    private func row(_ direction: Direction) -> [UInt8] {
        steps.flatMap { step in if case .bytes(direction, let bytes) = step { bytes } else { [UInt8]() } }
    }

    /// Bytes in a row are one step, so that "whole" means as whole as can be.
    private mutating func append(_ direction: Direction, _ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if case .bytes(direction, let before)? = steps.last {
            steps[steps.count - 1] = .bytes(direction, before + bytes)
        } else {
            steps.append(.bytes(direction, bytes))
        }
    }
}

/// What a script came to.
private struct SessionFacts: Equatable {
    struct Numbers: Equatable {
        var calls: [String] = []
        var events: [UInt64] = []
        var uninspected: [UInt64] = []
        var decodeErrors: [String] = []
        var inFlight = 0
        var isDubbo = false
        var drains: [String] = []
    }

    var numbers = Numbers()
    var lines: [UInt8] = []
    var finished: [String] = []
    var spans: [String] = []
    var frameBytes: UInt64 = 0
    var passed: [[UInt8]] = []
}

/// One pass over a script.
private final class SessionRun: CallObserver, MessageObserver {
    private static let limits = Inspector.Limits(callTimeoutNanoseconds: 1 << 30, maxCalls: 12, maxTombstones: 3)

    private let registry = OperationRegistry(capacity: 6)
    private let labels = SeriesLabels()
    private let recorder: Recorder
    private let inspector: Inspector
    private let session: Session
    private let tracing: FuzzTracing
    /// Whether the bytes were taken for another protocol that Weir knows, for however long.
    private(set) var speaksAnother = false
    private let lines = MessageLines(redacted: Redaction()) { _ in }
    private var plan = Plan()
    private var now: UInt64 = 1 << 30
    private var fed: UInt64 = 0
    private var ended: Set<Direction> = []
    private var drains: FuzzDrains?
    private let isMidstream: Bool
    private(set) var facts = SessionFacts()

    init(isWatched: Bool, isMidstream: Bool) {
        self.isMidstream = isMidstream
        recorder = Recorder(labels: labels)
        inspector = Inspector(registry: registry, recorder: recorder, limits: Self.limits)
        tracing = FuzzTracing(inspector, registry, isInjecting: false)
        session = inspector.open(
            side: .provider,
            connection: ObservedConnection(client: Endpoint(ipv4: 1, port: 1), server: Endpoint(ipv4: 2, port: 2)),
            isMidstream: isMidstream,
            isClientUnknown: isMidstream
        )
        guard isWatched else { return }
        inspector.callObserver = self
        inspector.messageObserver = self
    }

    func run(_ script: SessionScript, seed: UInt64?) {
        var random = seed
        // Only a relay, which has seen all of a connection, can hold anything back.
        if script.isGoverned, !isMidstream { drains = FuzzDrains(inspector, session, registry) }
        for step in script.steps {
            switch step {
            case .bytes(let direction, let bytes):
                guard !ended.contains(direction) else { continue }
                give(bytes, direction, &random)
            case .hole(let direction, let count):
                guard !ended.contains(direction), drains == nil else { continue }
                inspector.missed(session, count: count, going: direction, now: now)
                fed += count
            case .tick:
                now += 1 << 29
                inspector.tick(now: now)
                release()
            case .end(let direction):
                guard ended.insert(direction).inserted else { continue }
                plan.removeAll()
                inspector.ended(session, direction, now: now, plan: &plan)
                drains?.carryOut([], plan, direction)
                drains?.ended(direction)
                drains?.check()
            case .drain(let step):
                let answer = drains?.take(step, now: now, &plan) ?? []
                if !ended.contains(.toUpstream) { give(answer, .toUpstream, &random) }
            }
            precondition(inspector.callsInFlight <= Self.limits.maxCalls, "more calls than the bound")
        }
        facts.numbers.inFlight = inspector.callsInFlight
        facts.numbers.isDubbo = session.connectionProtocol == .dubbo
        facts.numbers.drains = drains?.facts ?? []
        facts.passed = drains?.passed ?? []
        inspector.close(session, now: now)
        precondition(inspector.callsInFlight == 0, "calls outlive their connection")
        let spans = tracing.facts(inspector)
        // What is refused by its names alone has no span.
        facts.spans = script.isOversized ? [] : spans
        drains?.check()
        // The inspector holds its observers.
        inspector.callObserver = nil
        inspector.messageObserver = nil
        collect()
    }

    /// What has waited long enough goes on.
    private func release() {
        guard let drains, inspector.isReleaseDue(now: now) else { return }
        inspector.beginReleases()
        guard inspector.isReleaseDue(session, now: now) else { return }
        for direction in [Direction.toUpstream, .toDownstream] where !ended.contains(direction) {
            plan.removeAll()
            guard inspector.release(session, direction, now: now, plan: &plan) else { continue }
            drains.carryOut([], plan, direction)
        }
        precondition(!inspector.holdsRequests, "what was released waits on")
    }

    /// Bytes of one direction: all at once, or in pieces of 1 to 32 bytes drawn from the seed.
    private func give(_ bytes: [UInt8], _ direction: Direction, _ random: inout UInt64?) {
        fed += UInt64(bytes.count)
        var start = 0
        while start < bytes.count {
            var count = bytes.count - start
            if let state = random {
                let next = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                random = next
                // Of what is large the pieces are, too; some reach over the end of all that may be held.
                let unit = bytes.count <= 8192 ? 1 : 1 << Int(next >> 40 & 15)
                count = min(count, (Int(next >> 59) + 1) * unit)
            }
            let piece = Array(bytes[start..<start + count])
            start += count
            plan.removeAll()
            plan.isBoundaryWanted = random.map { $0 >> 40 & 1 == 0 } ?? false
            if let drains { plan.isBoundaryWanted = drains.isBoundaryWanted(direction) }
            inspector.receive(session, bytes: piece.span.bytes, going: direction, now: now, plan: &plan)
            speaksAnother = speaksAnother || session.isDecodedAsAnother
            if let drains {
                drains.carryOut(piece, plan, direction)
            } else {
                checkPlan(count)
            }
        }
    }

    private func checkPlan(_ count: Int) {
        var covered = 0
        for edit in plan.edits {
            switch edit {
            case .forward(let bytes): covered += bytes
            case .boundary: break
            case .drop, .replace: preconditionFailure("an observer changes bytes")
            }
        }
        precondition(plan.forwardsAll ? plan.edits.isEmpty : covered == count, "not exactly the piece is passed on")
        precondition(plan.reply.isEmpty, "an observer speaks")
    }

    private func collect() {
        let snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
        for report in snapshot.operations {
            precondition(report.inFlight == 0, "a call that ended is in flight")
            let exceptions = report.exceptions.map { "\($0.className)=\($0.count)" }
            for result in report.results {
                facts.numbers.calls.append(
                    "\(report.operation) \(report.side) \(result.outcome) \(result.code) \(result.count)"
                        + " \(report.requestBytes) \(report.responseBytes) \(report.lateReplies) \(exceptions)"
                )
            }
        }
        facts.numbers.events = snapshot.events.map(\.count)
        facts.numbers.uninspected = snapshot.uninspectedBytes.map(\.count)
        facts.numbers.decodeErrors = snapshot.decodeErrors.map { "\($0.reason) \($0.count)" }
        // The ids of Weir's own events are others in every run.
        facts.lines = drains?.hasAnswered == true ? [] : lines.json.bytes
        let understood = facts.frameBytes + facts.numbers.uninspected.reduce(0, +)
        // A frame with a hole in it counts the hole twice: in its own length and as a gap.
        let gaps = snapshot.uninspectedBytes.first { $0.reason == .gap }?.count ?? 0
        precondition(understood <= fed + gaps, "more bytes are counted than came")
    }

    func finished(_ call: ObservedCall) {
        facts.finished.append("\(call.id) \(call.call.outcome) \(call.call.code) \(call.caller) \(call.exception)")
    }

    func request(
        _ frame: borrowing ObservedFrame,
        _ request: borrowing RequestMetadata,
        on connection: ObservedConnection
    ) {
        facts.frameBytes += frame.header.frameBytes
        lines.request(frame, request, on: connection)
    }

    func reply(
        _ frame: borrowing ObservedFrame,
        _ response: borrowing ResponseMetadata,
        on connection: ObservedConnection
    ) {
        facts.frameBytes += frame.header.frameBytes
        lines.reply(frame, response, on: connection)
    }

    func event(_ frame: borrowing ObservedFrame, _ event: EventPayload, on connection: ObservedConnection) {
        facts.frameBytes += frame.header.frameBytes
        lines.event(frame, event, on: connection)
    }

    func streamRequest(_ half: ObservedStreamHalf, on connection: ObservedConnection) {}

    func streamResponse(_ half: ObservedStreamHalf, on connection: ObservedConnection) {}

    func rpc(_ message: ObservedRPC, on connection: ObservedConnection) {}
}
