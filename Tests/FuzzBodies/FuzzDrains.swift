internal import Calls
internal import Dubbo
internal import Inspection
internal import PlanModel
internal import Policy
internal import Wire

/// Drains of a fuzzed session: they come and go as a byte says, plans are carried out, and events of Weir's own are
/// answered. Beside them a governor decides by the method.
final class FuzzDrains {
    /// Refuses `no` and gives `more` an attachment.
    private final class Governor: RequestStage {
        private let registry: OperationRegistry

        init(_ registry: OperationRegistry) { self.registry = registry }

        func decide(on request: CallRequest) -> Decision {
            switch (request.side, registry[request.operation].method) {
            case (.provider, "no"): .reply(LocalReply(text: "no"))
            case (.provider, "more"): .insert(key: "mark", value: "1")
            default: .forward
            }
        }
    }

    /// What is drained, by the lowest bits of a step.
    private static let targets = [
        DrainTarget.service, DrainTarget(interface: "com.x.Svc"), DrainTarget(interface: "com.x.Svc", method: "hello"),
    ]

    private let registry = DrainRegistry()
    private let inspector: Inspector
    private let session: Session
    private var orders: [DrainOrder] = []
    private var up = PlanModel()
    /// What downstream gets, Weir's own words among it, and what it gets of upstream's.
    private var down = PlanModel()
    private var downAlone = PlanModel()
    /// Events of Weir's own that nobody has answered.
    private var events: [UInt64] = []
    private var said: [UInt8] = []
    /// What the peers have sent.
    private var sentUp: [UInt8] = []
    private var sentDown: [UInt8] = []
    private(set) var hasAnswered = false

    init(_ inspector: Inspector, _ session: Session, _ operations: OperationRegistry) {
        self.inspector = inspector
        self.session = session
        inspector.drainGate = DrainGate(registry: registry, operations: operations)
        inspector.rules = Governor(operations)
    }

    /// Whether replies wait for the end of a message downstream.
    func isBoundaryWanted(_ direction: Direction) -> Bool { direction == .toDownstream && down.hasWaitingReplies }

    /// Does what a step says.
    ///
    /// - Parameters:
    ///   - step: What: 0 to 2 begin a drain, 3 to 5 undo it, 6 and 7 answer an event; above, how long the grace is, and
    ///     what is told.
    ///   - now: The time.
    ///   - plan: Any plan.
    /// - Returns: The answer, which is to be given to the session in the direction of upstream.
    func take(_ step: UInt8, now: UInt64, _ plan: inout Plan) -> [UInt8] {
        // What comes together with the end of a half-told beginning that was passed on is not decided about.
        guard session.connectionProtocol != .silent || session.isIdle else { return [] }
        switch step & 7 {
        case 0...2:
            let grace = UInt64(step >> 3 & 3) << 29
            let target = Self.targets[Int(step & 7)]
            let order = DrainOrder(
                target: target,
                now: now,
                grace: grace,
                deadline: grace + 1 << 29,
                signalling: step >> 5 == 7 ? .none : .auto,
                givesClosing: step >> 5 & 1 == 0
            )
            orders.append(order)
            registry.begin(order)
        case 3...5: registry.end(Self.targets[Int(step & 7) - 3])
        default:
            // Its id is another one in every run: what is half read must not depend on it.
            guard session.isIdle, !events.isEmpty else { return [] }
            hasAnswered = true
            let id = step & 1 == 0 ? events.removeFirst() : events.removeLast()
            return [0xda, 0xbb, 0x22, 20] + (0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * $0)) } + [
                0, 0, 0, 1, 0x4e,
            ]
        }
        inspector.drainsChanged()
        plan.removeAll()
        inspector.signalDrains(session, now: now, plan: &plan)
        precondition(plan.edits.isEmpty && !plan.forwardsAll && !plan.closes, "a signal is no plan for bytes")
        carryOut([], plan, .toUpstream)
        return []
    }

    /// Carries out a plan.
    func carryOut(_ bytes: [UInt8], _ plan: Plan, _ direction: Direction) {
        precondition(!plan.closes, "a Dubbo connection is closed")
        if direction == .toUpstream {
            sentUp += bytes
            precondition(up.take(bytes, plan), "more is held than may be")
            precondition(up.aheadBytes == 0, "bytes are passed on before they are read")
            down.addReplies(plan.reply)
            note(plan.reply)
        } else {
            sentDown += bytes
            precondition(plan.reply.isEmpty, "upstream is told something")
            precondition(down.take(bytes, plan) && downAlone.take(bytes, plan), "more is held than may be")
            precondition(down.aheadBytes == 0, "bytes are passed on before they are read")
        }
    }

    /// Compares what came with what left.
    func check() {
        let up = DubboExchange.fault(sent: sentUp, passed: self.up.output, said: said)
        precondition(up == nil, up ?? "")
        let down = DubboExchange.fault(sent: sentDown, passed: downAlone.output, said: [])
        precondition(down == nil, down ?? "")
        guard DubboExchange.split(sentDown) != nil else { return }
        precondition(DubboExchange.split(self.down.output) != nil, "Weir speaks in the middle of a frame")
    }

    /// The direction has ended: nothing of it is left.
    func ended(_ direction: Direction) {
        precondition((direction == .toUpstream ? up : down).heldBytes == 0, "bytes stay held behind the end")
    }

    /// Takes note of what Weir says: whole frames, each an event or a refusal.
    private func note(_ reply: [UInt8]) {
        said += reply
        var at = 0
        while at < reply.count {
            guard reply.count >= at + 16, let header = try? FrameHeader(reply.span.bytes, at: at) else {
                preconditionFailure("Weir says what is no frame")
            }
            at += Int(header.frameBytes)
            precondition(at <= reply.count, "Weir says half a frame")
            guard header.isEvent else {
                precondition(header.status == 100, "a refusal has another status")
                continue
            }
            precondition(
                header.requestID & 1 == 1 && !events.contains(header.requestID),
                "an event's id is not its own"
            )
            events.append(header.requestID)
        }
    }

    /// What came of the drains.
    var facts: [String] {
        precondition(events.count <= said.count / 18, "more events than words")
        return orders.map { "\($0.target) \($0.passedCalls) \($0.rejectedCalls)" }
            + ["\(session.lateCalls) \(session.drainSignals.rawValue) \(said.count)"]
    }

    /// What the peers got of each other.
    var passed: [[UInt8]] { [up.output, downAlone.output] }
}
