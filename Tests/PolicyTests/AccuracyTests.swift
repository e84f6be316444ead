import Calls
import Policy
import Testing

/// What is promised of a sliding window, checked over ten million calls in a release build.
@Suite struct AccuracyTests {
    @Test("no window holds more than the limit, and none with fewer refuses", arguments: Arrivals.Kind.allCases)
    func exact(kind: Arrivals.Kind) throws {
        let shapes: [(limit: Int, window: UInt64)] = [
            (1, millisecond), (2, millisecond), (13, 3 * millisecond), (100, second), (1000, second), (65_536, second),
        ]
        let calls = 10_000_000 / scale / shapes.count / Arrivals.Kind.allCases.count
        for (number, shape) in shapes.enumerated() {
            let definition = LimitDefinition.sliding("a", shape.limit, .nanoseconds(Int64(shape.window)))
            try drive(definition, shape, kind, calls: calls, seed: UInt64(number * 10 + 1))
        }
    }

    private func drive(
        _ definition: LimitDefinition,
        _ shape: (limit: Int, window: UInt64),
        _ kind: Arrivals.Kind,
        calls: Int,
        seed: UInt64
    ) throws {
        var arrivals = Arrivals(kind, window: shape.window, limit: shape.limit, seed: seed)
        let bench = try Bench([definition])
        let operation = bench.operation()
        var admitted: [UInt64] = []
        var wrong = 0
        var refused = 0
        for _ in 0..<calls {
            let now = arrivals.next()
            bench.clock.now = now
            let decision = bench.gate.decide(operation, side: .provider)
            // The N-th last admission says all: young, and there are N; old, and there are fewer.
            let oldest = admitted.count >= shape.limit ? admitted[admitted.count - shape.limit] : nil
            let isFull = oldest.map { now - $0 < shape.window } ?? false
            switch decision {
            case .admitted:
                if isFull { wrong += 1 }
                admitted.append(now)
            case .refused(let refusal):
                refused += 1
                if !isFull || refusal.retryAfter != oldest.map({ $0 + shape.window - now }) { wrong += 1 }
            }
        }
        #expect(wrong == 0, "\(definition.algorithm), \(kind), seed \(seed)")
        #expect(admitted.count + refused == calls)
    }

    @Test("a large window never holds more than the limit, and refuses at most a 1,024th too long")
    func parts() throws {
        let limit = 65_537
        let window = 50 * millisecond
        let bench = try Bench([.sliding("a", limit, .milliseconds(50))])
        let operation = bench.operation()
        var random = SeededGenerator(9)
        var admitted: [UInt64] = []
        var wrong = 0
        for _ in 0..<1_000_000 / min(scale, 5) {
            bench.clock.now += UInt64.random(in: 0...1300, using: &random)
            let now = bench.clock.now
            let oldest = admitted.count >= limit ? admitted[admitted.count - limit] : nil
            let age = oldest.map { now - $0 } ?? .max
            if case .admitted = bench.gate.decide(operation, side: .provider) {
                if age < window { wrong += 1 }
                admitted.append(now)
            } else if age >= window + window / 1024 + 1 {
                wrong += 1
            }
        }
        #expect(wrong == 0)
    }
}
