import Calls
import Policy

/// Decisions by limits, one worker alone; a clock that steps a microsecond at each reading.
let limits: [Workload] = [
    limit(
        "limit.sliding",
        LimitDefinition(name: "a", algorithm: .slidingWindow(limit: 1000, window: .milliseconds(1)))
    ),
    limit("limit.refused", LimitDefinition(name: "a", algorithm: .slidingWindow(limit: 1, window: .seconds(86_400)))),
    limit(
        "limit.sub-windows",
        LimitDefinition(name: "a", algorithm: .slidingWindow(limit: 70_000, window: .seconds(1)))
    ),
    limit("limit.fixed", LimitDefinition(name: "a", algorithm: .fixedWindow(limit: 1000, window: .milliseconds(1)))),
    limit(
        "limit.bucket",
        LimitDefinition(name: "a", algorithm: .tokenBucket(rate: 1_000_000, period: .milliseconds(1), burst: 100))
    ),
    limit("limit.concurrency", LimitDefinition(name: "a", algorithm: .concurrency(limit: 100))),
    limit("limit.keyed", keyed),
]

private var keyed: LimitDefinition {
    var definition = LimitDefinition(name: "a", algorithm: .slidingWindow(limit: 1000, window: .milliseconds(1)))
    definition.keys = [.caller]
    definition.maxKeys = 100
    return definition
}

/// A time that goes on by itself; for one thread.
private final class Steps: @unchecked Sendable {
    var now: UInt64 = 1_000_000_000_000
}

private func limit(_ name: String, _ definition: LimitDefinition) -> Workload {
    Workload(name) {
        let steps = Steps()
        let clock: LimitClock = {
            steps.now &+= 1000
            return steps.now
        }
        let operations = OperationRegistry(capacity: 10)
        let gate = LimitGate(
            registry: LimitRegistry(try LimitSet(definitions: [definition], clock: clock)),
            operations: operations
        )
        let operation = operations.intern(
            Operation(callProtocol: .dubbo, interface: "com.acme.Orders", version: "", group: "", method: "place")
        )
        let caller = Array("shop-web".utf8)
        return { repetitions in
            for _ in 0..<repetitions {
                gate.begin(operation, side: .provider)
                unsafe gate.note(caller: caller.span.bytes)
                let decision = gate.decide()
                keep(decision)
                if case .admitted(let token) = decision { gate.release(token) }
            }
        }
    }
}
