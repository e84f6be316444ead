import Calls
import Policy
import TestSupport
import Testing

@Suite struct AlgorithmTests {
    @Test("a call exactly one window after the N-th last passes, one nanosecond earlier it does not")
    func slidingBorder() throws {
        let bench = try Bench([.sliding("a", 3, .milliseconds(1))], start: 5)
        for time: UInt64 in [5, 100, 200] {
            bench.clock.now = time
            #expect(bench.passes())
        }
        bench.clock.now = 5 + millisecond - 1
        let refused = try #require(bench.refusal(bench.decide()))
        #expect(refused.name == "a" && refused.retryAfter == 1)
        bench.clock.now = 5 + millisecond
        #expect(bench.passes())
        #expect(!bench.passes())
        bench.clock.now = 100 + millisecond
        #expect(bench.passes())
    }

    @Test("a batch passes as a whole or not at all, and one larger than the limit never")
    func batches() throws {
        for definition in [
            LimitDefinition.sliding("a", 10), .sliding("a", 70_000), .fixed("a", 10), .bucket("a", rate: 1, burst: 10),
            .concurrency("a", 10),
        ] {
            let capacity = if case .slidingWindow(70_000, _) = definition.algorithm { 70_000 } else { 10 }
            let bench = try Bench([definition])
            let never = try #require(bench.refusal(bench.decide(calls: capacity + 1)))
            #expect(never.retryAfter == nil)
            #expect(bench.passes(calls: capacity - 3))
            #expect(!bench.passes(calls: 4))
            #expect(bench.passes(calls: 3))
            #expect(!bench.passes(calls: 1))
            let counts = bench.gate.limits.limits[0].counts
            #expect(counts.allowed == UInt64(capacity) && counts.rejected == UInt64(capacity + 1 + 4 + 1))
        }
    }

    @Test("a fixed window begins with the first call after the one before")
    func fixedWindow() throws {
        let bench = try Bench([.fixed("a", 2, .milliseconds(1))], start: 300)
        #expect(bench.passes() && bench.passes())
        bench.clock.now = 300 + millisecond - 1
        #expect(bench.refusal(bench.decide())?.retryAfter == 1)
        bench.clock.now = 300 + 5 * millisecond / 2
        #expect(bench.passes() && bench.passes() && !bench.passes())
        #expect(bench.refusal(bench.decide())?.retryAfter == millisecond)
    }

    @Test("a bucket is full at first, and tokens run in evenly without loss")
    func tokenBucket() throws {
        // Three tokens in every second: none comes in a whole number of nanoseconds.
        let bench = try Bench([.bucket("a", rate: 3, burst: 2)], start: second)
        #expect(bench.passes() && bench.passes() && !bench.passes())
        #expect(bench.refusal(bench.decide())?.retryAfter == 333_333_334)
        bench.clock.now = second + 333_333_333
        #expect(!bench.passes())
        bench.clock.now += 1
        #expect(bench.passes() && !bench.passes())
        var passed = 0
        for step in 0...30_000 {
            bench.clock.now = second + 333_333_334 + UInt64(step) * 100_000
            passed += bench.passes() ? 1 : 0
        }
        #expect(passed == 9)
    }

    @Test("calls in flight are given back once, by whatever ends the call")
    func concurrency() throws {
        let bench = try Bench([.concurrency("a", 2)])
        guard case .admitted(let first) = bench.decide(), case .admitted(let second) = bench.decide() else {
            Issue.record("two calls within the limit were refused")
            return
        }
        #expect(first != second && !first.isNone && bench.gate.heldTokens == 2)
        let refused = try #require(bench.refusal(bench.decide()))
        #expect(refused.retryAfter == nil)
        bench.gate.release(first)
        bench.gate.release(first)
        #expect(bench.passes() && !bench.passes())
        bench.gate.release(second)
        bench.gate.release(.none)
        bench.gate.release(LimitToken(rawValue: 12_345))
        #expect(bench.passes() && !bench.passes())
    }

    @Test("calls without a reply are not counted among those in flight")
    func oneway() throws {
        let bench = try Bench([.concurrency("a", 1), .sliding("b", 3)])
        for _ in 0..<3 { #expect(bench.decide(isOneway: true) == .admitted(.none)) }
        #expect(bench.refusal(bench.decide(isOneway: true))?.name == "b")
        #expect(bench.gate.limits["a"]?.counts == LimitCounts())
    }

    @Test("a gate that goes away gives back what it holds")
    func abandonedGate() throws {
        let bench = try Bench([.concurrency("a", 1)])
        do {
            let other = LimitGate(registry: bench.registry, operations: bench.operations)
            guard case .admitted = other.decide(bench.operation(), side: .provider) else {
                Issue.record("the first call was refused")
                return
            }
            #expect(!bench.passes())
        }
        #expect(bench.passes())
    }

    @Test("time that goes back is taken for time that stands still")
    func clampedTime() throws {
        for definition in [
            LimitDefinition.sliding("a", 2), .sliding("a", 70_000), .fixed("a", 2), .bucket("a", rate: 1, burst: 2),
        ] {
            let capacity = if case .slidingWindow(70_000, _) = definition.algorithm { 69_999 } else { 1 }
            let bench = try Bench([definition], start: 10 * second)
            #expect(bench.passes(calls: capacity))
            bench.clock.now = 0
            #expect(bench.passes() && !bench.passes())
            bench.clock.now = 10 * second + second - 1
            #expect(bench.passes() == (definition.name == "b"))
            bench.clock.now = 12 * second
            #expect(bench.passes())
        }
    }

    @Test("every algorithm decides as a list of all admissions does", arguments: Arrivals.Kind.allCases)
    func differential(kind: Arrivals.Kind) throws {
        let definitions: [(LimitDefinition, Int)] = [
            (.sliding("a", 1, .milliseconds(1)), 1), (.sliding("a", 7, .milliseconds(1)), 7),
            (.sliding("a", 100, .milliseconds(3)), 100), (.sliding("a", 65_537, .milliseconds(1)), 6_000),
            (.sliding("a", 100_003, .nanoseconds(1_234_567)), 9_000), (.fixed("a", 7, .milliseconds(1)), 7),
            (.bucket("a", rate: 7, burst: 5, per: .milliseconds(1)), 7),
            (.bucket("a", rate: 1_000_003, burst: 13), 1000),
        ]
        for (number, (definition, perWindow)) in definitions.enumerated() {
            let rounds = perWindow > 1000 ? 600 : 1500
            let seed = UInt64(number + 1) &* 77
            var arrivals = Arrivals(kind, window: millisecond, limit: min(perWindow, 100), seed: seed)
            let bench = try Bench([definition])
            var reference = ReferenceLimit(definition)
            for round in 0..<rounds {
                bench.clock.now = arrivals.next()
                let calls = batch(perWindow, &arrivals.random)
                let expected = reference.wait(at: bench.clock.now, calls: calls)
                if expected == 0 { reference.charge(at: bench.clock.now, calls: calls) }
                let decision = bench.decide(calls: calls)
                let refusal = bench.refusal(decision)
                guard (refusal == nil) == (expected == 0), refusal == nil || refusal?.retryAfter == expected else {
                    Issue.record(
                        "\(definition.algorithm) seed \(seed) round \(round): \(decision), not \(expected ?? .max)"
                    )
                    break
                }
            }
        }
    }

    private func batch(_ perWindow: Int, _ random: inout SeededGenerator) -> Int {
        if perWindow > 1000 { return Int.random(in: 1...perWindow, using: &random) }
        return Int.random(in: 0..<5, using: &random) == 0 ? Int.random(in: 1...perWindow + 1, using: &random) : 1
    }

    @Test("a time after which a call may come again is exact: it passes then and not before")
    func retryAfter() throws {
        for definition in [
            LimitDefinition.sliding("a", 5, .milliseconds(2)), .sliding("a", 70_000, .nanoseconds(1_000_007)),
            .fixed("a", 5, .milliseconds(2)), .bucket("a", rate: 777, burst: 5),
        ] {
            var random = SeededGenerator(5)
            let bench = try Bench([definition], start: 1_000_000_007)
            for _ in 0..<300 {
                bench.clock.now += UInt64.random(in: 0...millisecond, using: &random)
                let calls =
                    definition.algorithm == .slidingWindow(limit: 70_000, window: .nanoseconds(1_000_007))
                    ? Int.random(in: 1...40_000, using: &random) : Int.random(in: 1...5, using: &random)
                guard let wait = bench.refusal(bench.decide(calls: calls))?.retryAfter else { continue }
                bench.clock.now += wait - 1
                #expect(!bench.passes(calls: calls))
                bench.clock.now += 1
                #expect(bench.passes(calls: calls))
            }
        }
    }
}
