import Calls
import Glibc
import Policy
import Synchronization
import TestSupport

/// A clock that stands still until it is told.
final class ManualClock: Sendable {
    private let time: Atomic<UInt64>

    init(_ start: UInt64 = 0) { time = Atomic(start) }

    var now: UInt64 {
        get { time.load(ordering: .relaxed) }
        set { time.store(newValue, ordering: .relaxed) }
    }

    var read: LimitClock { { [self] in now } }
}

/// The machine's monotonic clock in nanoseconds.
@Sendable func monotonic() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

extension LimitSet {
    /// Limits that have to be right.
    static func of(
        _ definitions: [LimitDefinition],
        clock: ManualClock,
        budgetBytes: Int = LimitBounds.defaultBudgetBytes
    ) throws -> LimitSet {
        try LimitSet(definitions: definitions, budgetBytes: budgetBytes, clock: clock.read)
    }
}

/// A gate with what it needs, and a few operations to ask it about.
final class Bench {
    let clock: ManualClock
    let operations = OperationRegistry(capacity: 1000)
    let registry: LimitRegistry
    let gate: LimitGate

    init(_ definitions: [LimitDefinition], start: UInt64 = 0, budgetBytes: Int = 1 << 30) throws {
        clock = ManualClock(start)
        registry = LimitRegistry(try .of(definitions, clock: clock, budgetBytes: budgetBytes))
        gate = LimitGate(registry: registry, operations: operations)
    }

    func operation(
        _ interface: String = "com.acme.OrderService",
        _ method: String = "placeOrder",
        _ callProtocol: CallProtocol = .dubbo,
        version: String = "",
        group: String = ""
    ) -> OperationID {
        operations.intern(
            Operation(callProtocol: callProtocol, interface: interface, version: version, group: group, method: method)
        )
    }

    /// Asks about a call and says whether it passes; what it holds is let go of only with the gate.
    func passes(
        _ operation: OperationID? = nil,
        side: Side = .provider,
        caller: String? = nil,
        peer: String? = nil,
        attachments: [(String, String)] = [],
        calls: Int = 1,
        isOneway: Bool = false
    ) -> Bool {
        let decision = decide(
            operation,
            side: side,
            caller: caller,
            peer: peer,
            attachments: attachments,
            calls: calls,
            isOneway: isOneway
        )
        if case .admitted = decision { return true }
        return false
    }

    func decide(
        _ operation: OperationID? = nil,
        side: Side = .provider,
        caller: String? = nil,
        peer: String? = nil,
        attachments: [(String, String)] = [],
        calls: Int = 1,
        isOneway: Bool = false
    ) -> LimitDecision {
        gate.begin(operation ?? self.operation(), side: side)
        if let caller {
            let bytes = Array(caller.utf8)
            gate.note(caller: bytes.span.bytes)
        }
        if let peer {
            let bytes = Array(peer.utf8)
            gate.note(peer: bytes.span.bytes)
        }
        for (name, value) in attachments {
            let (name, value) = (Array(name.utf8), Array(value.utf8))
            gate.note(attachment: name.span.bytes, value: value.span.bytes)
        }
        return gate.decide(calls: calls, isOneway: isOneway)
    }

    /// The name of the limit that refused, and after how long a call may pass.
    func refusal(_ decision: LimitDecision) -> (name: String, retryAfter: UInt64?)? {
        guard case .refused(let refusal) = decision else { return nil }
        return (gate.limits.limits[refusal.limit].definition.name, refusal.retryAfter)
    }
}

extension LimitDefinition {
    static func sliding(_ name: String = "sliding", _ limit: Int, _ window: Duration = .seconds(1)) -> Self {
        LimitDefinition(name: name, algorithm: .slidingWindow(limit: limit, window: window))
    }

    static func fixed(_ name: String = "fixed", _ limit: Int, _ window: Duration = .seconds(1)) -> Self {
        LimitDefinition(name: name, algorithm: .fixedWindow(limit: limit, window: window))
    }

    static func bucket(_ name: String = "bucket", rate: Int, burst: Int, per period: Duration = .seconds(1)) -> Self {
        LimitDefinition(name: name, algorithm: .tokenBucket(rate: rate, period: period, burst: burst))
    }

    static func concurrency(_ name: String = "concurrency", _ limit: Int) -> Self {
        LimitDefinition(name: name, algorithm: .concurrency(limit: limit))
    }

    func with(_ change: (inout LimitDefinition) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }
}

/// How many times fewer rounds a debug build makes.
#if DEBUG
    let scale = 100
#else
    let scale = 1
#endif

let millisecond: UInt64 = 1_000_000
let second: UInt64 = 1_000_000_000
