import Calls
import Policy
import Testing

@Suite struct KeyTests {
    private func keyed(_ definition: LimitDefinition, _ keys: [LimitKey], maxKeys: Int = 10_000) -> LimitDefinition {
        definition.with {
            $0.keys = keys
            $0.maxKeys = maxKeys
        }
    }

    @Test("every caller has a window of its own, and those without a name share one")
    func perCaller() throws {
        let bench = try Bench([keyed(.sliding("a", 2), [.caller])])
        for caller in ["x", "y", nil] as [String?] {
            #expect(bench.passes(caller: caller) && bench.passes(caller: caller) && !bench.passes(caller: caller))
        }
        #expect(!bench.passes(caller: ""))
        #expect(bench.gate.limits.limits[0].keysInUse == 3)
    }

    @Test("every peer has a window of its own, beside the caller's too")
    func perPeer() throws {
        let bench = try Bench([keyed(.sliding("a", 2), [.peer]), keyed(.sliding("b", 1), [.peer, .caller])])
        #expect(bench.passes(caller: "x", peer: "192.0.2.1") && bench.passes(caller: "y", peer: "192.0.2.1"))
        #expect(bench.refusal(bench.decide(caller: "z", peer: "192.0.2.1"))?.name == "a")
        #expect(bench.passes(caller: "x", peer: "192.0.2.2"))
        #expect(bench.refusal(bench.decide(caller: "x", peer: "192.0.2.2"))?.name == "b")
        // A caller that is called as a peer is no peer.
        #expect(bench.passes(caller: "192.0.2.1", peer: "x"))
        #expect(bench.gate.limits.limits.map(\.keysInUse) == [3, 4])
    }

    @Test("parts of a key do not run together")
    func parts() throws {
        let bench = try Bench([keyed(.sliding("a", 1), [.attachment("one"), .attachment("two")])])
        #expect(bench.passes(attachments: [("one", "ab"), ("two", "c")]))
        #expect(bench.passes(attachments: [("one", "a"), ("two", "bc")]))
        #expect(bench.passes(attachments: [("one", "abc")]))
        #expect(bench.passes(attachments: [("TWO", "abc")]))
        #expect(!bench.passes(attachments: [("Two", "c"), ("ONE", "ab")]))
    }

    @Test("methods and interfaces can be keys, over all versions of them")
    func operations() throws {
        let bench = try Bench([keyed(.sliding("a", 1), [.interface, .method])])
        #expect(bench.passes(bench.operation("I", "m")) && bench.passes(bench.operation("I", "n")))
        #expect(bench.passes(bench.operation("J", "m")))
        #expect(!bench.passes(bench.operation("I", "m", version: "2")))
    }

    @Test("a value too long to be kept shares the last window")
    func longValue() throws {
        let bench = try Bench([keyed(.sliding("a", 1), [.caller])])
        let long = String(repeating: "x", count: 1025)
        #expect(bench.passes(caller: long) && !bench.passes(caller: long + "y"))
        #expect(bench.passes(caller: String(long.dropLast())))
        #expect(bench.gate.limits.limits[0].keysInUse == 1)
    }

    @Test("past the bound values share one window, and only expired windows are given away")
    func sharing() throws {
        let bench = try Bench([keyed(.sliding("a", 1, .milliseconds(10)), [.caller], maxKeys: 3)])
        for index in 0..<3 {
            bench.clock.now = UInt64(index) * millisecond
            #expect(bench.passes(caller: "c\(index)"))
        }
        // No window has expired: x and y share one.
        #expect(bench.passes(caller: "x") && !bench.passes(caller: "y") && !bench.passes(caller: "c0"))
        bench.clock.now = 10 * millisecond
        // c0's has: y takes it, and c0 shares with x now.
        #expect(bench.passes(caller: "y") && !bench.passes(caller: "y"))
        #expect(!bench.passes(caller: "c0") && !bench.passes(caller: "c1"))
        #expect(bench.gate.limits.limits[0].keysInUse == 3)
    }

    @Test("a refused call makes no window")
    func refusedMakesNone() throws {
        let bench = try Bench([.sliding("a", 1), keyed(.sliding("b", 5), [.caller])])
        #expect(bench.passes(caller: "first"))
        for index in 0..<100 { #expect(!bench.passes(caller: "c\(index)")) }
        #expect(bench.gate.limits["b"]?.keysInUse == 1)
    }

    @Test("memory stays within what was said at load, whatever values come")
    func boundedMemory() throws {
        let definitions = [
            keyed(.sliding("a", 20, .milliseconds(5)), [.caller]), keyed(.fixed("b", 5, .milliseconds(5)), [.caller]),
            keyed(.bucket("c", rate: 1000, burst: 5), [.caller]), keyed(.concurrency("d", 2), [.caller], maxKeys: 100),
            keyed(.sliding("e", 70_000, .milliseconds(5)), [.caller], maxKeys: 1000),
        ]
        let bench = try Bench(definitions)
        var random = SeededGenerator(3)
        for round in 0..<400_000 / scale * 4 {
            bench.clock.now += UInt64.random(in: 0...2000, using: &random)
            let caller = "caller-\(Int.random(in: 0..<20_000 / scale * 2, using: &random))-\(round % 3)"
            if case .admitted(let token) = bench.decide(caller: caller), round % 5 != 0 { bench.gate.release(token) }
        }
        for (limit, definition) in zip(bench.gate.limits.limits, definitions) {
            #expect(limit.keysInUse <= definition.maxKeys)
            #expect(limit.bytesInUse <= definition.worstCaseBytes, "\(definition.name)")
        }
        #expect(bench.gate.limits.limits[3].keysInUse == 100)
    }

    @Test("windows that expire make room for any number of values")
    func turnover() throws {
        for definition in [
            LimitDefinition.sliding("a", 1, .milliseconds(1)), .sliding("a", 65_537, .milliseconds(1)),
            .fixed("a", 1, .milliseconds(1)), .bucket("a", rate: 1, burst: 1, per: .milliseconds(1)),
        ] {
            let isLarge = definition.algorithm == .slidingWindow(limit: 65_537, window: .milliseconds(1))
            let bench = try Bench([keyed(definition, [.caller], maxKeys: 50)])
            let calls = isLarge ? 65_537 : 1
            // Fifty values in every window and a bit: each finds a window that has expired.
            for index in 0..<2000 {
                bench.clock.now += millisecond / 50 + 40
                #expect(bench.passes(caller: "c\(index)", calls: calls))
                #expect(!bench.passes(caller: "c\(index)"))
            }
            #expect(bench.gate.limits.limits[0].keysInUse <= 50)
        }
    }

    @Test("windows of calls in flight stay while calls are, and are given away after")
    func inFlight() throws {
        let bench = try Bench([keyed(.concurrency("a", 1), [.caller], maxKeys: 2)])
        guard case .admitted(let x) = bench.decide(caller: "x"), case .admitted = bench.decide(caller: "y") else {
            Issue.record("refused")
            return
        }
        #expect(bench.passes(caller: "z") && !bench.passes(caller: "w"))
        bench.gate.release(x)
        #expect(bench.passes(caller: "w") && !bench.passes(caller: "x"))
    }

    @Test("many values decide as a dictionary of lists does")
    func differential() throws {
        let bench = try Bench([keyed(.sliding("a", 3, .milliseconds(2)), [.attachment("k")], maxKeys: 40)])
        var windows: [String: ReferenceLimit] = [:]
        var random = SeededGenerator(11)
        for round in 0..<20_000 / min(scale, 4) {
            bench.clock.now += UInt64.random(in: 0...200_000, using: &random)
            // At most 39 values can be alive at a time with these steps.
            let value = "v\(round / 12 + Int.random(in: 0..<6, using: &random))"
            let model = windows[value] ?? ReferenceLimit(.sliding("a", 3, .milliseconds(2)))
            let wait = model.wait(at: bench.clock.now, calls: 1)
            let refusal = bench.refusal(bench.decide(attachments: [("k", value)]))
            #expect((refusal == nil) == (wait == 0))
            if wait == 0 {
                windows[value] = model
                windows[value]?.charge(at: bench.clock.now, calls: 1)
            }
        }
    }
}
