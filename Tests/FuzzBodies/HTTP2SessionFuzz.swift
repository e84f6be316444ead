internal import Calls
internal import HTTP2
internal import Inspection
internal import PlanModel
internal import Policy
internal import Telemetry
internal import Wire

/// Runs a conversation over HTTP/2 through sessions, in pieces and whole, observed and decided about.
///
/// The first byte seeds the chunking, the second says who watches and how the connection begins. Then come steps: a byte
/// with the direction in its highest bit and a length below it, and so many bytes; or, without a length, a tick. Facts
/// must not depend on the pieces. Where requests are refused, what reaches either peer is whole frames with blocks that
/// can be decoded, whatever comes; ticks start and undo drains there, if the seed is even, and release what waits.
///
/// - Parameter bytes: Any bytes.
public func fuzzHTTP2Session(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 2 else { return }
    let flags = bytes[1]
    let script = HTTP2Script(bytes[2...], isGreeted: flags & 2 == 0)
    let whole = HTTP2Run(script, isWatched: flags & 1 != 0, seed: nil)
    let split = HTTP2Run(script, isWatched: flags & 1 != 0, seed: UInt64(bytes[0]))
    precondition(split.facts == whole.facts, "facts depend on the pieces")
    let other = HTTP2Run(script, isWatched: flags & 1 == 0, seed: nil)
    // Values that nobody wants stay undecoded, and so does what is wrong with them.
    if other.facts.numbers.errors == whole.facts.numbers.errors {
        precondition(other.facts.numbers == whole.facts.numbers, "numbers depend on who watches")
    }
    _ = GovernedHTTP2Run(script, seed: UInt64(bytes[0]))
}

/// What happens on a connection.
private struct HTTP2Script {
    /// Bytes of a direction; none are a tick.
    var steps: [(direction: Direction, bytes: [UInt8])] = []

    init(_ bytes: Slice<UnsafeRawBufferPointer>, isGreeted: Bool) {
        if isGreeted {
            append(.toUpstream, Array(HTTP2Preface.text.description.utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0])
            append(.toDownstream, [0, 0, 0, 4, 0, 0, 0, 0, 0])
        }
        var rest = bytes
        while let head = rest.popFirst() {
            let count = Int(head & 0x7f)
            let direction: Direction = head & 0x80 == 0 ? .toUpstream : .toDownstream
            if count == 0 { steps.append((direction, [])) }
            append(direction, Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
    }

    /// Bytes in a row are one step, so that "whole" means as whole as can be.
    private mutating func append(_ direction: Direction, _ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        if let last = steps.last, last.direction == direction, !last.bytes.isEmpty {
            steps[steps.count - 1].bytes += bytes
        } else {
            steps.append((direction, bytes))
        }
    }

    /// Takes the steps' bytes in pieces of 1 to 32 bytes, or whole without a seed.
    func run(seed: UInt64?, _ give: (Direction, [UInt8]) -> Void) {
        var random = seed
        for step in steps {
            guard !step.bytes.isEmpty else {
                give(step.direction, [])
                continue
            }
            var rest = step.bytes[...]
            while !rest.isEmpty {
                var count = rest.count
                if let state = random {
                    let next = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    random = next
                    count = min(count, Int(next >> 59) + 1)
                }
                give(step.direction, Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
        }
    }
}

/// What a script came to.
private struct HTTP2Facts: Equatable {
    struct Numbers: Equatable {
        var calls: [String] = []
        var uninspected: [UInt64] = []
        var errors: [String] = []
        var inFlight = 0
        var spoken = ""
        var spans: [String] = []
    }

    var numbers = Numbers()
    var finished: [String] = []
    var lines: [UInt8] = []

    init() {}
}

/// An inspector and what it needs, for one connection.
private final class HTTP2Stand: CallObserver {
    static let limits = Inspector.Limits(callTimeoutNanoseconds: 1 << 30, maxCalls: 8, maxTombstones: 3)
    let registry = OperationRegistry(capacity: 6)
    let labels = SeriesLabels()
    let recorder: Recorder
    let inspector: Inspector
    let session: Session
    let tracing: FuzzTracing
    let lines = MessageLines(redacted: Redaction()) { _ in }
    var finishedCalls: [String] = []
    var plan = Plan()
    var now: UInt64 = 1 << 30

    init(isWatched: Bool, isInjecting: Bool = false) {
        recorder = Recorder(labels: labels)
        inspector = Inspector(registry: registry, recorder: recorder, limits: Self.limits)
        tracing = FuzzTracing(inspector, registry, isInjecting: isInjecting)
        let ends = ObservedConnection(client: Endpoint(ipv4: 1, port: 1), server: Endpoint(ipv4: 2, port: 2))
        session = inspector.open(side: .provider, connection: ends)
        guard isWatched else { return }
        inspector.callObserver = self
        inspector.messageObserver = lines
    }

    func finished(_ call: ObservedCall) {
        finishedCalls.append("\(call.id) \(call.call.outcome) \(call.call.code) \(call.caller) \(call.exception)")
    }

    func tick() {
        now += 1 << 29
        inspector.tick(now: now)
    }

    /// What has waited long enough is decided about; whether the bound of held bytes was kept.
    func release(_ up: inout PlanModel, _ down: inout PlanModel) -> Bool {
        plan.removeAll()
        guard inspector.isReleaseDue(now: now) else { return true }
        inspector.beginReleases()
        guard inspector.isReleaseDue(session, now: now),
            inspector.release(session, .toUpstream, now: now, plan: &plan)
        else { return true }
        precondition(!inspector.isReleaseDue(now: now), "what was released waits on")
        down.addReplies(plan.reply)
        return up.take([], plan)
    }

    func receive(_ bytes: [UInt8], _ direction: Direction) {
        inspector.receive(session, bytes: bytes.span.bytes, going: direction, now: now, plan: &plan)
        precondition(inspector.callsInFlight <= Self.limits.maxCalls, "more calls than the bound")
    }

    /// Ends the connection and says what it came to.
    func close() -> HTTP2Facts {
        var facts = HTTP2Facts()
        facts.numbers.inFlight = inspector.callsInFlight
        facts.numbers.spoken = "\(session.connectionProtocol)"
        inspector.close(session, now: now)
        precondition(inspector.callsInFlight == 0, "calls outlive their connection")
        facts.numbers.spans = tracing.facts(inspector)
        // The inspector holds its observers.
        inspector.callObserver = nil
        inspector.messageObserver = nil
        let snapshot = snapshot
        for report in snapshot.operations {
            precondition(report.inFlight == 0, "a call that ended is in flight")
            for result in report.results {
                facts.numbers.calls.append(
                    "\(report.operation) \(result.outcome) \(result.code) \(result.count) \(report.requestBytes)"
                        + " \(report.responseBytes) \(report.lateReplies) \(report.streamedRequests)"
                )
            }
        }
        facts.numbers.uninspected = snapshot.uninspectedBytes.map(\.count)
        facts.numbers.errors = snapshot.decodeErrors.map { "\($0.reason) \($0.count)" }
        facts.finished = finishedCalls
        facts.lines = lines.json.bytes
        return facts
    }

    var snapshot: MetricsSnapshot {
        MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
    }
}

/// A conversation that is only observed.
private struct HTTP2Run {
    let facts: HTTP2Facts

    init(_ script: HTTP2Script, isWatched: Bool, seed: UInt64?) {
        let stand = HTTP2Stand(isWatched: isWatched)
        script.run(seed: seed) { direction, bytes in
            guard !bytes.isEmpty else { return stand.tick() }
            stand.plan.removeAll()
            stand.receive(bytes, direction)
            precondition(stand.plan.reply.isEmpty && stand.plan.forwardsAll, "an observer holds or speaks")
        }
        facts = stand.close()
    }
}

/// Refuses and changes requests by the length of their names.
private final class NameGovernor: RequestStage {
    private let registry: OperationRegistry
    var hasRefused = false

    init(_ registry: OperationRegistry) { self.registry = registry }

    func decide(on request: CallRequest) -> Decision {
        switch registry[request.operation].method.utf8.count % 3 {
        case 0:
            hasRefused = true
            return .reply(LocalReply(text: "no"))
        case 1: return .insert(key: "mark", value: "m")
        default: return .forward
        }
    }
}

/// Drains that come and go.
private struct HTTP2Drains {
    private static let targets = [DrainTarget(interface: "com.x.Shop"), .service, DrainTarget(interface: "a")]
    private let registry = DrainRegistry()
    private var changes = 0

    init(_ stand: HTTP2Stand) {
        stand.inspector.drainGate = DrainGate(registry: registry, operations: stand.registry)
    }

    /// Starts or undoes one, and tells the connection.
    mutating func change(_ stand: HTTP2Stand) {
        let target = Self.targets[changes % 3]
        if changes % 2 == 0 {
            registry.begin(DrainOrder(target: target, now: stand.now, grace: 1 << 29, deadline: 1 << 32))
        } else {
            registry.end(target)
        }
        changes += 1
        stand.inspector.drainsChanged()
        stand.plan.removeAll()
        stand.inspector.signalDrains(stand.session, now: stand.now, plan: &stand.plan)
        precondition(stand.plan.edits.isEmpty && !stand.plan.forwardsAll, "a signal decides about bytes")
    }
}

/// A conversation that is decided about.
private struct GovernedHTTP2Run {
    init(_ script: HTTP2Script, seed: UInt64) {
        let stand = HTTP2Stand(isWatched: false, isInjecting: seed % 3 == 0)
        let governor = NameGovernor(stand.registry)
        stand.inspector.rules = governor
        var (up, down) = (PlanModel(), PlanModel())
        var isOver = false
        var drains = seed % 2 == 0 ? HTTP2Drains(stand) : nil
        script.run(seed: seed) { direction, bytes in
            guard !isOver else { return }
            guard !bytes.isEmpty else {
                stand.tick()
                precondition(stand.release(&up, &down), "too much is held")
                isOver = stand.plan.closes
                guard drains != nil else { return }
                drains?.change(stand)
                down.addReplies(stand.plan.reply)
                return
            }
            stand.plan.removeAll()
            stand.plan.isBoundaryWanted = bytes.count & 1 == 0
            stand.receive(bytes, direction)
            // The model takes a step a byte, and a frame may announce 16 MiB; nothing comes behind that here.
            isOver = Self.reach(stand.plan) > 1 << 16
            guard !isOver else { return }
            if direction == .toUpstream {
                precondition(up.take(bytes, stand.plan), "too much is held")
                down.addReplies(stand.plan.reply)
            } else {
                precondition(down.take(bytes, stand.plan), "too much is held")
                up.addReplies(stand.plan.reply)
            }
            isOver = stand.plan.closes
        }
        let hasErrors = !stand.snapshot.decodeErrors.isEmpty
        stand.inspector.rules = nil
        _ = stand.close()
        let spoken = stand.session.connectionProtocol
        guard governor.hasRefused || stand.tracing.hasInjected || (!hasErrors && (spoken == .triple || spoken == .http))
        else { return }
        // What Weir has written anew is sound to its end; the replies are what the server said.
        guard Self.isSound(up.output, prefaceBytes: HTTP2Preface.byteCount) else {
            preconditionFailure("upstream gets frames that mean nothing")
        }
        precondition(
            hasErrors || Self.isSound(down.output, prefaceBytes: 0),
            "the client gets frames that mean nothing"
        )
    }

    /// How many bytes a plan decides about.
    private static func reach(_ plan: Plan) -> Int {
        plan.edits.reduce(0) { count, edit in
            switch edit {
            case .forward(let bytes), .drop(let bytes), .replace(let bytes, with: _): count + bytes
            case .boundary: count
            }
        }
    }

    /// Whether bytes are frames, the last one perhaps not whole, whose blocks can be decoded.
    private static func isSound(_ bytes: [UInt8], prefaceBytes: Int) -> Bool {
        var decoder = HPACKDecoder(names: HPACKNames(NameTable([(":path", 1)])))
        decoder.setLimit(HPACKLimits.maxTableBytes)
        var scratch = HPACKScratch()
        var (at, blockStream) = (prefaceBytes, UInt32(0))
        var block: [UInt8] = []
        while at + HTTP2FrameHeader.byteCount <= bytes.count {
            let frame = HTTP2FrameHeader(bytes.span.bytes, at: at)
            let isContinuation = frame.type == HTTP2FrameType.continuation
            guard isContinuation == (blockStream != 0), !isContinuation || frame.streamID == blockStream else {
                return false
            }
            guard at + frame.frameBytes <= bytes.count else { return true }
            let payload = bytes[(at + HTTP2FrameHeader.byteCount)..<(at + frame.frameBytes)]
            at += frame.frameBytes
            switch frame.type {
            case HTTP2FrameType.headers, HTTP2FrameType.pushPromise, HTTP2FrameType.continuation:
                guard let range = try? frame.content(firstByte: payload.first ?? 0) else { return false }
                block += payload.dropFirst(Int(range.offset)).prefix(Int(range.count))
                blockStream = frame.has(HTTP2Flag.endHeaders) ? 0 : frame.streamID
                guard blockStream == 0, frame.has(HTTP2Flag.endHeaders) else { continue }
                var sink = NoFields()
                do throws(HPACKError) {
                    try decoder.decode(block.span.bytes, scratch: &scratch, into: &sink)
                } catch { return false }
                block = []
            default: break
            }
        }
        return true
    }
}

/// Wants no field: what a client says wrongly in a value that Weir does not look at passes as it is.
private struct NoFields: HeaderSink {
    func wants(nameID: UInt8) -> Bool { false }

    mutating func field(_ field: borrowing HeaderField) {}
}
