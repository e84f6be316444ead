import Calls
import Inspection
import PlanModel
import Policy
import Synchronization
import Testing

/// A clock for limits that stands still until it is told.
final class LimitTime: Sendable {
    private let time = Atomic<UInt64>(0)

    var now: UInt64 {
        get { time.load(ordering: .relaxed) }
        set { time.store(newValue, ordering: .relaxed) }
    }

    var read: LimitClock { { [self] in now } }
}

/// A governed session that nothing but limits govern.
final class LimitedBench {
    let governed: GovernedBench
    let time = LimitTime()
    let registry: LimitRegistry
    let gate: LimitGate

    var bench: Bench { governed.bench }
    var session: Session { governed.session }
    var up: [UInt8] { governed.up.output }
    var down: [UInt8] { governed.down.output }

    init(_ definitions: [LimitDefinition], _ watching: Watching = .nothing, on governed: GovernedBench? = nil) throws {
        self.governed = governed ?? GovernedBench(watching)
        registry = LimitRegistry(try LimitSet(definitions: definitions, clock: time.read))
        gate = LimitGate(registry: registry, operations: self.governed.bench.registry)
        self.governed.bench.inspector.rules = nil
        self.governed.bench.inspector.gate = gate
    }

    func give(_ bytes: [UInt8], _ direction: Direction = .toUpstream, now: UInt64 = 1000) {
        governed.give(bytes[...], direction, now: now)
    }

    func counts(_ name: String = "l") -> LimitCounts { registry.current[name]?.counts ?? LimitCounts() }

    func replace(_ definitions: [LimitDefinition]) throws {
        try registry.replace(definitions: definitions)
        bench.inspector.limitsChanged()
    }
}

extension LimitDefinition {
    /// At most so many calls a second.
    static func window(
        _ limit: Int,
        _ name: String = "l",
        method: String? = nil,
        _ change: (inout LimitDefinition) -> Void = { _ in }
    ) -> LimitDefinition {
        var definition = LimitDefinition(name: name, algorithm: .slidingWindow(limit: limit, window: .seconds(1)))
        definition.match.method = method.map { .exact($0) }
        change(&definition)
        return definition
    }

    /// At most so many calls in flight.
    static func inFlight(_ limit: Int, method: String? = nil) -> LimitDefinition {
        var definition = LimitDefinition(name: "l", algorithm: .concurrency(limit: limit))
        definition.match.method = method.map { .exact($0) }
        return definition
    }
}
