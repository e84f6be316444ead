import Calls
import Glibc
import Policy
import TestSupport
import Testing
import Wire

@Suite struct PatternTests {
    private func globMatches(_ pattern: String, _ text: some Sequence<UInt8>) -> Bool {
        let bytes = Array(text)
        return PathPatterns([pattern]).matches(bytes.byteSpan)
    }

    @Test("globs agree with the C library's, character by character")
    func agreesWithFnmatch() throws {
        // Sets and escapes are fnmatch's own. It also takes a character for its bytes where that makes a text fit (glibc
        // 2.36: `??` matches one `é`), so that it is shown a text in which each character is one byte.
        let letters: [(text: String, byte: String)] = [
            ("a", "a"), ("b", "b"), (".", "."), ("/", "/"), ("\\", "\\"), ("]", "]"), ("é", "e"), ("€", "E"),
            ("𝄞", "g"),
        ]
        var random = SeededRandom(seed: 11)
        var matched = 0
        for _ in 0..<20_000 {
            func word(_ letters: [(text: String, byte: String)]) -> (text: String, bytes: String) {
                let word = (0..<Int.random(in: 0...7, using: &random)).compactMap { _ in
                    letters.randomElement(using: &random)
                }
                return (word.map(\.text).joined(), word.map(\.byte).joined())
            }
            let few = Array(letters.shuffled(using: &random).prefix(2))
            let (pattern, name) = (word(few + [("*", "*"), ("?", "?")]), word(few))
            let expected = fnmatch(pattern.bytes, name.bytes, FNM_NOESCAPE) == 0
            #expect(globMatches(pattern.text, name.text.utf8) == expected, "\(pattern.text) \(name.text)")
            matched += expected ? 1 : 0
        }
        #expect(matched > 1000)
    }

    @Test("a byte that belongs to no character counts as one")
    func invalidText() {
        let broken: [[UInt8]] = [
            [0xff], [0x80], [0xc3], [0xe2, 0x82], [0xc3, 0xa9, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc0, 0x80],
            [0xe2, 0x61],
        ]
        let counts = [1, 1, 1, 2, 2, 4, 2, 2]
        for (bytes, count) in zip(broken, counts) {
            for length in 0...5 {
                let pattern = String(repeating: "?", count: length)
                #expect(globMatches(pattern, bytes) == (length == count), "\(bytes) \(length)")
            }
            #expect(globMatches("*", bytes))
        }
    }

    /// A pattern in short, a text, and whether it fits.
    static let patterns: [(pattern: String, text: String, fits: Bool)] = [
        ("", "", true), ("", "a", false), ("a", "a", true), ("a", "A", false), ("a", "ab", false), ("*", "", true),
        ("a*", "abc", true), ("*a", "ab", false), ("a*a", "a", false), ("a*b*c", "abbc", true), ("a*b*c", "acb", false),
        ("com.x.*", "com.x.Svc", true), ("com.x.*", "com.xSvc", false), ("a?", "ab", true), ("a?", "a", false),
        ("a?", "a数", true), ("a??", "a数", false), ("?数*", "x数据", true), ("*据", "数据", true),
        ("/^pl/", "place", true), ("/^pl/", "replace", false), ("/lac/", "place", true), ("/^.$/", "数", true),
        ("/", "/", true), ("//", "anything", true), ("/a", "/a", true), ("/(?i)A/", "a", true),
    ]

    @Test("limits and filters of calls take the same patterns, and mean the same by them", arguments: patterns)
    func sameEverywhere(_ row: (pattern: String, text: String, fits: Bool)) throws {
        let pattern = TextPattern(shorthand: row.pattern)
        let byMethod = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.method = pattern }])
        let operation = byMethod.operation("I", row.text)
        _ = byMethod.passes(operation)
        #expect(byMethod.gate.limits.limits[0].counts.allowed == (row.fits ? 1 : 0))
        let byCaller = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.caller = pattern }])
        _ = byCaller.passes(caller: row.text)
        #expect(byCaller.gate.limits.limits[0].counts.allowed == (row.fits ? 1 : 0))
        func admits(_ parameter: String) throws -> Bool {
            let filter = try CallFilter(parameters: [(name: parameter, value: row.pattern)])
            return CallMatcher(filter, registry: byMethod.operations).admits(call(operation), caller: row.text)
        }
        #expect(try admits("method") == row.fits)
        #expect(try admits("caller") == row.fits)
        if case .glob = pattern {
            #expect(globMatches(row.pattern, row.text.utf8) == row.fits)
        }
    }

    private func call(_ operation: OperationID) -> FinishedCall {
        FinishedCall(
            operation: operation,
            side: .provider,
            outcome: .ok,
            code: 20,
            startNanoseconds: 0,
            durationNanoseconds: 0,
            requestBytes: 0,
            responseBytes: 0
        )
    }

    @Test("limits and filters know a registered protocol by its label")
    func registeredProtocol() throws {
        #expect(throws: CallFilterProblems.self) {
            try CallFilter(parameters: [(name: "protocol", value: "toys")])
        }
        let callProtocol = try #require(ToyProtocol.callProtocol)
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.callProtocol = callProtocol }])
        let (toy, dubbo) = (bench.operation("I", "m", callProtocol), bench.operation("I", "m"))
        let filter = try CallFilter(parameters: [(name: "protocol", value: "toy")])
        let sieve = CallMatcher(filter, registry: bench.operations)
        #expect(sieve.admits(call(toy), caller: "") && !sieve.admits(call(dubbo), caller: ""))
        for _ in 0..<3 {
            _ = bench.passes(toy)
            #expect(bench.passes(dubbo))
        }
        let counts = bench.gate.limits.limits[0].counts
        #expect(counts.allowed == 1 && counts.rejected == 2)
    }

    @Test("a filter shows a call whose pattern it had to give up, and no other")
    func givenUp() throws {
        let operations = OperationRegistry(capacity: 10)
        let names = Calls.Operation(callProtocol: .dubbo, interface: "I", version: "", group: "", method: "m")
        let matcher = CallMatcher(
            try CallFilter(parameters: [(name: "caller", value: "/(a+)+$/")]),
            registry: operations
        )
        let id = operations.intern(names)
        #expect(matcher.admits(call(id), caller: String(repeating: "a", count: 1000) + "!"))
        #expect(!matcher.admits(call(id), caller: "b"))
    }
}
