import Calls
import Policy
import Testing

@Suite struct ReloadTests {
    @Test("a limit that stays the same goes on counting, one that changes starts anew")
    func windows() throws {
        let kept = LimitDefinition.sliding("kept", 2).with { $0.match.method = .exact("k") }
        let changed = LimitDefinition.sliding("changed", 2).with { $0.match.method = .exact("c") }
        let bench = try Bench([kept, changed])
        let (k, c) = (bench.operation("I", "k"), bench.operation("I", "c"))
        for id in [k, c] { #expect(bench.passes(id) && bench.passes(id) && !bench.passes(id)) }
        let version = bench.registry.version
        // In another order, with another answer and another mode: the windows stay.
        let text = kept.with { $0.localReply.text = "no" }
        try bench.registry.replace(definitions: [
            changed.with { $0.algorithm = .slidingWindow(limit: 3, window: .seconds(1)) }, text,
        ])
        #expect(bench.registry.version == version + 1)
        #expect(!bench.passes(k) && bench.gate.limits["kept"]?.localReplyText == "no")
        #expect(bench.passes(c) && bench.passes(c) && bench.passes(c) && !bench.passes(c))
        #expect(bench.gate.limits["changed"]?.counts.allowed == 5)
        #expect(bench.gate.limits["changed"]?.counts.rejected == 2)
        try bench.registry.replace(definitions: [kept.with { $0.mode = .observe }])
        #expect(bench.passes(k) && bench.gate.limits["kept"]?.counts.wouldReject == 1)
        #expect(bench.passes(c) && bench.gate.limits["changed"] == nil)
        // One that comes back counts on and starts with a new window.
        try bench.registry.replace(definitions: [changed])
        #expect(bench.passes(c) && bench.gate.limits["changed"]?.counts.allowed == 6)
    }

    @Test("name, matcher, keys and algorithm decide whether a limit is the same")
    func sameness() throws {
        let base = LimitDefinition.sliding("a", 5).with {
            $0.keys = [.caller]; $0.maxKeys = 7
        }
        #expect(
            base.continues(
                base.with {
                    $0.mode = .observe; $0.localReply.retry = .never
                }
            )
        )
        for change: (inout LimitDefinition) -> Void in [
            { $0.name = "b" }, { $0.match.method = .exact("m") }, { $0.keys = [] }, { $0.maxKeys = 8 },
            { $0.algorithm = .slidingWindow(limit: 6, window: .seconds(1)) },
            { $0.algorithm = .slidingWindow(limit: 5, window: .seconds(2)) },
            { $0.algorithm = .fixedWindow(limit: 5, window: .seconds(1)) },
        ] {
            #expect(!base.continues(base.with(change)))
        }
    }

    @Test("what was taken under old limits goes back where it came from")
    func tokens() throws {
        let bench = try Bench([.concurrency("a", 1), .concurrency("b", 2)])
        guard case .admitted(let old) = bench.decide() else {
            Issue.record("refused")
            return
        }
        // a changes, b stays: b has one place left.
        try bench.registry.replace(definitions: [.concurrency("b", 2), .concurrency("a", 3)])
        guard case .admitted(let new) = bench.decide() else {
            Issue.record("refused")
            return
        }
        #expect(bench.refusal(bench.decide())?.name == "b")
        bench.gate.release(old)
        #expect(bench.passes() && bench.refusal(bench.decide())?.name == "b")
        bench.gate.release(new)
        bench.gate.release(old)
        #expect(bench.passes())
        // Three of a are taken now? No: two, for the first belonged to the old a.
        #expect(bench.gate.heldTokens == 4)
    }

    @Test("limits that are wrong leave the old ones in force")
    func refused() throws {
        let bench = try Bench([.sliding("a", 1)])
        let version = bench.registry.version
        #expect(throws: LimitSetError.duplicateName("b")) {
            try bench.registry.replace(definitions: [.sliding("b", 1), .sliding("b", 2)])
        }
        #expect(bench.registry.version == version && bench.passes() && !bench.passes())
    }

    @Test("what is wrong with limits is said")
    func errors() throws {
        func error(_ definitions: [LimitDefinition], budget: Int = 1 << 24) -> LimitSetError? {
            do throws(LimitSetError) {
                _ = try LimitSet(definitions: definitions, budgetBytes: budget, clock: { 0 })
                return nil
            } catch {
                return error
            }
        }
        let a = LimitDefinition.sliding("a", 1)
        let problem = PatternProblem(offset: 1, reason: "missing closing parenthesis")
        #expect(error([a.with { $0.match.group = .regex("(") }]) == .pattern(limit: "a", problem))
        #expect(error([a.with { $0.name = "a b" }]) != nil)
        #expect(error([.sliding("a", 0)]) == .invalid(limit: "a", reason: "limit is not in 1...1000000000"))
        #expect(error([.sliding("a", -5)]) != nil && error([.sliding("a", 1, .microseconds(999))]) != nil)
        #expect(error([.bucket("a", rate: 1, burst: 1_000_000_000, per: .seconds(3600))]) != nil)
        #expect(error([.bucket("a", rate: 1, burst: 1_000_000_000)]) == nil)
        #expect(error([.concurrency("a", 1_000_001)]) != nil)
        #expect(error([a.with { $0.localReply.text = "x Client Connection is CLOSING x" }]) != nil)
        #expect(error([a.with { $0.localReply.codes[.dubbo] = 80 }]) != nil)
        #expect(error((0..<257).map { .sliding("l\($0)", 1) }) == .tooManyLimits(257))
        let large = LimitDefinition.sliding("a", 1000).with { $0.keys = [.caller] }
        #expect(error([large]) == .overBudget(needBytes: large.worstCaseBytes, budgetBytes: 1 << 24))
        #expect(error([large], budget: large.worstCaseBytes) == nil)
        #expect(error([large], budget: large.worstCaseBytes - 1) != nil)
        for one in [error([large]), error([a, a]), error([.sliding("a", 0)])] {
            #expect(one?.description.isEmpty == false)
        }
    }

    @Test("limits replaced at random decide as lists that are kept or dropped do", arguments: [1, 2, 3] as [UInt64])
    func differential(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let variants = (0..<3).map { variant in
            (0..<3).map { LimitDefinition.sliding("l\($0)", 3 + variant * $0, .milliseconds(2)) }
        }
        var reference: [String: ReferenceLimit] = [:]
        let bench = try Bench([])
        var definitions: [LimitDefinition] = []
        for round in 0..<2000 {
            if round % 50 == 0 {
                definitions = (0..<3).filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
                    .map { variants[Int.random(in: 0..<3, using: &random)][$0] }.shuffled(using: &random)
                try bench.registry.replace(definitions: definitions)
                var next: [String: ReferenceLimit] = [:]
                for definition in definitions {
                    let old = reference[definition.name]
                    next[definition.name] = old?.definition == definition ? old : ReferenceLimit(definition)
                }
                reference = next
            }
            bench.clock.now += UInt64.random(in: 0...millisecond, using: &random)
            let refusing = definitions.first { reference[$0.name]?.wait(at: bench.clock.now, calls: 1) != 0 }
            if refusing == nil { for name in reference.keys { reference[name]?.charge(at: bench.clock.now, calls: 1) } }
            #expect(bench.refusal(bench.decide())?.name == refusing?.name, "seed \(seed) round \(round)")
        }
    }
}
