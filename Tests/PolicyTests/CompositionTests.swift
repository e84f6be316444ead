import Calls
import Policy
import Testing

@Suite struct CompositionTests {
    @Test("a call that one limit refuses uses up nothing at any other")
    func nothingUsedUp() throws {
        let bench = try Bench([.sliding("a", 3), .bucket("b", rate: 1, burst: 2), .fixed("c", 10)])
        #expect(bench.passes() && bench.passes())
        for _ in 0..<100 { #expect(bench.refusal(bench.decide())?.name == "b") }
        bench.clock.now = second - 1
        #expect(!bench.passes())
        bench.clock.now = second
        // Two of three are used up at a until now; the hundred refused calls are nowhere.
        #expect(bench.passes())
        let counts = bench.gate.limits.limits.map(\.counts)
        #expect(counts.map(\.allowed) == [3, 3, 3] && counts.map(\.rejected) == [0, 101, 0])
    }

    @Test("asked whether a call would pass, nothing is charged or counted; and which operations are alike")
    func trial() throws {
        let bench = try Bench([.sliding("a", 1, .seconds(1))])
        let operation = bench.operation()
        for _ in 0..<3 {
            bench.gate.begin(operation, side: .provider)
            #expect(bench.gate.wouldAdmit() && !bench.gate.wouldAdmit(calls: 2))
        }
        #expect(bench.registry.current["a"]?.counts == LimitCounts())
        #expect(bench.gate.decide(operation, side: .provider) == .admitted(.none))
        bench.gate.begin(operation, side: .provider)
        #expect(!bench.gate.wouldAdmit())
        #expect(bench.gate.areAlike(operation, operation, side: .provider))
    }

    @Test("the first limit in the order of the file is named, with a time that suits all that refuse")
    func named() throws {
        let bench = try Bench([.sliding("a", 1, .seconds(1)), .sliding("b", 1, .seconds(5)), .concurrency("c", 1)])
        #expect(bench.passes(isOneway: true))
        let refused = try #require(bench.refusal(bench.decide(isOneway: true)))
        #expect(refused.name == "a" && refused.retryAfter == 5 * second)
    }

    @Test("an observed limit lets pass, and counts as if it were enforced")
    func observed() throws {
        let observed = LimitDefinition.sliding("a", 2).with { $0.mode = .observe }
        let bench = try Bench([observed, .sliding("b", 5)])
        for _ in 0..<5 { #expect(bench.passes()) }
        #expect(bench.refusal(bench.decide())?.name == "b")
        let counts = bench.gate.limits.limits.map(\.counts)
        #expect(counts[0].allowed == 2 && counts[0].wouldReject == 3 && counts[0].rejected == 0)
        #expect(counts[1].allowed == 5 && counts[1].rejected == 1)
        // Only the two calls within it were charged.
        bench.clock.now = second
        #expect(bench.passes() && bench.passes())
        #expect(bench.gate.limits.limits[0].counts.allowed == 4)
    }

    @Test("limits together decide as lists of all admissions do", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func differential(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        for _ in 0..<8 {
            let definitions = (0..<Int.random(in: 2...6, using: &random)).map { Self.definition($0, &random) }
            let bench = try Bench(definitions)
            var reference = definitions.map(ReferenceLimit.init)
            var expectedCounts = definitions.map { _ in LimitCounts() }
            for round in 0..<400 {
                bench.clock.now += UInt64.random(in: 0...millisecond / 8, using: &random)
                let calls = Int.random(in: 0..<4, using: &random) == 0 ? Int.random(in: 1...6, using: &random) : 1
                let waits = reference.map { $0.wait(at: bench.clock.now, calls: calls) }
                let refusing = waits.indices.filter { waits[$0] != 0 && definitions[$0].mode == .enforce }
                for index in reference.indices where refusing.isEmpty {
                    if waits[index] == 0 {
                        reference[index].charge(at: bench.clock.now, calls: calls)
                        expectedCounts[index].allowed += UInt64(calls)
                    } else {
                        expectedCounts[index].wouldReject += UInt64(calls)
                    }
                }
                let decision = bench.decide(calls: calls)
                if let first = refusing.first {
                    expectedCounts[first].rejected += UInt64(calls)
                    let unknown = refusing.contains { waits[$0] == nil }
                    let wait = unknown ? nil : refusing.compactMap { waits[$0] }.max()
                    #expect(
                        decision == .refused(LimitDenied(limit: first, retryAfter: wait)),
                        "seed \(seed) round \(round)"
                    )
                } else if case .admitted(let token) = decision {
                    if Bool.random(using: &random) {
                        bench.gate.release(token)
                        for index in reference.indices where waits[index] == 0 {
                            if case .concurrency = definitions[index].algorithm {
                                reference[index].release(calls: calls)
                            }
                        }
                    }
                } else {
                    Issue.record("seed \(seed) round \(round): \(decision), not admitted")
                }
            }
            #expect(bench.gate.limits.limits.map(\.counts) == expectedCounts, "seed \(seed)")
        }
    }

    private static func definition(_ index: Int, _ random: inout SeededGenerator) -> LimitDefinition {
        let limit = Int.random(in: 2...12, using: &random)
        let window = Duration.milliseconds(Int.random(in: 1...3, using: &random))
        var definition: LimitDefinition
        switch Int.random(in: 0..<4, using: &random) {
        case 0: definition = .sliding("l\(index)", limit, window)
        case 1: definition = .fixed("l\(index)", limit, window)
        case 2: definition = .bucket("l\(index)", rate: limit, burst: limit, per: window)
        default: definition = .concurrency("l\(index)", limit * 20)
        }
        if Int.random(in: 0..<3, using: &random) == 0 { definition.mode = .observe }
        return definition
    }
}
