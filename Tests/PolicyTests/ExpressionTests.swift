import Calls
import Policy
import Testing

@Suite struct ExpressionTests {
    @Test(
        "an expression that cannot be compiled is refused with PCRE2's words and the offset",
        arguments: [
            ("(", 1, "missing closing parenthesis"), ("a{2,1}", 5, "numbers out of order in {} quantifier"),
            ("[a", 2, "missing terminating ] for character class"),
            ("\\C", 2, "using \\C is disabled by the application"),
            ("(?<n>a)(?<n>b)", 12, "two named subpatterns have the same name (PCRE2_DUPNAMES not set)"),
            (String(repeating: "(", count: 60), 51, "parentheses are too deeply nested"),
        ]
    )
    func problems(text: String, offset: Int, reason: String) {
        #expect(TextPattern.regex(text).problem() == PatternProblem(offset: offset, reason: reason))
    }

    @Test("a pattern of any kind has at most 1,024 bytes")
    func longPattern() {
        for kind in [TextPattern.exact, TextPattern.glob, TextPattern.regex] {
            #expect(kind(String(repeating: "a", count: 1024)).problem() == nil)
            #expect(kind(String(repeating: "a", count: 1025)).problem() != nil)
        }
    }

    @Test(
        "an expression that would take for ever is given up, counted, and no match",
        arguments: ["(a+)+$", "^(a|a)*$", "(?:a?){40}a{40}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]
    )
    func catastrophic(text: String) throws {
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.caller = .regex(text) }])
        let start = monotonic()
        for _ in 0..<10 { #expect(bench.passes(caller: String(repeating: "a", count: 1000) + "!")) }
        // A guard: one that tries every way would never end.
        #expect(monotonic() - start < 60 * second)
        let counts = bench.gate.limits.limits[0].counts
        #expect(counts.allowed == 0)
        #expect(counts.givenUp == 10)
    }

    @Test("an expression on the operation that is given up is remembered")
    func operation() throws {
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.method = .regex("(a+)+$") }])
        let id = bench.operation("I", String(repeating: "a", count: 200) + "!")
        for _ in 0..<10 { #expect(bench.passes(id)) }
        #expect(bench.gate.limits.limits[0].counts.givenUp == 1)
    }

    @Test("bytes that are no text match nothing that needs text, and do no harm")
    func invalidText() throws {
        let bench = try Bench([LimitDefinition.sliding("a", 100).with { $0.match.caller = .regex("^.+x$") }])
        for bytes in [[0xff, 0x78], [0xc3], [0x61, 0x80, 0x78], [0xed, 0xa0, 0x80, 0x78], []] as [[UInt8]] {
            bench.gate.begin(bench.operation(), side: .provider)
            bench.gate.note(caller: bytes.span.bytes)
            #expect(bench.gate.decide() == .admitted(.none))
        }
        #expect(bench.gate.limits.limits[0].counts == LimitCounts())
        #expect(bench.passes(caller: "äx"))
        #expect(bench.gate.limits.limits[0].counts.allowed == 1)
    }

    @Test("a dollar is the very end, not a place before a line feed")
    func dollar() throws {
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.caller = .regex("^x$") }])
        #expect(bench.passes(caller: "x\n") && bench.passes(caller: "x"))
        #expect(bench.gate.limits.limits[0].counts.allowed == 1)
    }

    @Test("several workers use one expression at a time")
    func threads() throws {
        let definition = LimitDefinition.sliding("a", 1_000_000).with {
            $0.match.caller = .regex("^(guest|member)-\\d+$")
        }
        let set = try LimitSet(definitions: [definition], clock: { 0 })
        let registry = LimitRegistry(set)
        onThreads(4) { index in
            let operations = OperationRegistry(capacity: 10)
            let id = operations.intern(
                Operation(callProtocol: .dubbo, interface: "I", version: "", group: "", method: "m")
            )
            let gate = LimitGate(registry: registry, operations: operations)
            let caller = Array((index % 2 == 0 ? "guest-\(index)" : "other-\(index)").utf8)
            for _ in 0..<1000 {
                gate.begin(id, side: .provider)
                gate.note(caller: caller.span.bytes)
                _ = gate.decide()
            }
        }
        #expect(set.limits[0].counts.allowed == 2000)
    }
}
