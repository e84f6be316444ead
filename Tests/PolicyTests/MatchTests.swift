import Calls
import Policy
import Testing

@Suite struct MatchTests {
    /// Whether a limit with that matcher applies to a call.
    private func applies(
        _ change: (inout RequestMatcher) -> Void,
        _ interface: String = "com.acme.OrderService",
        _ method: String = "placeOrder",
        _ callProtocol: CallProtocol = .dubbo,
        version: String = "",
        group: String = "",
        side: Side = .provider,
        caller: String? = nil,
        peer: String? = nil,
        attachments: [(String, String)] = []
    ) throws -> Bool {
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { change(&$0.match) }])
        let id = bench.operation(interface, method, callProtocol, version: version, group: group)
        _ = bench.passes(id, side: side, caller: caller, peer: peer, attachments: attachments)
        return bench.gate.limits.limits[0].counts.allowed == 1
    }

    @Test("every part has to fit")
    func parts() throws {
        #expect(try applies { _ in })
        #expect(try applies { $0.interface = .exact("com.acme.OrderService") })
        #expect(try !applies { $0.interface = .exact("com.acme.OrderServic") })
        #expect(try applies { $0.method = .glob("place*") })
        #expect(try !applies({ $0.method = .glob("place*") }, "com.acme.OrderService", "replace"))
        #expect(try applies { $0.version = .exact("") })
        #expect(try !applies({ $0.version = .exact("") }, version: "1"))
        #expect(try applies({ $0.group = .regex("^g[12]$") }, group: "g2"))
        #expect(try !applies({ $0.callProtocol = .triple }))
        #expect(try applies({ $0.side = .consumer }, side: .consumer))
        #expect(try !applies({ $0.side = .consumer }))
        #expect(
            try !applies({
                $0.side = .provider; $0.method = .exact("x")
            })
        )
    }

    @Test("callers and attachments decide call by call, and what is not known is the empty text")
    func facts() throws {
        #expect(try applies({ $0.caller = .regex("^guest-") }, caller: "guest-web"))
        #expect(try !applies({ $0.caller = .regex("^guest-") }, caller: "web"))
        #expect(try !applies({ $0.caller = .regex("^guest-") }))
        #expect(try applies { $0.caller = .exact("") })
        #expect(try applies { $0.caller = .glob("*") })
        #expect(try applies({ $0.peer = .glob("192.0.2.*") }, peer: "192.0.2.7"))
        #expect(try !applies({ $0.peer = .glob("192.0.2.*") }, peer: "198.51.100.7"))
        #expect(try !applies({ $0.peer = .glob("192.0.2.*") }, caller: "192.0.2.7"))
        let guests = { (match: inout RequestMatcher) in
            match.attachments = [.init(name: "User_Level", value: .exact("guest"))]
        }
        #expect(try applies(guests, attachments: [("other", "x"), ("USER_level", "guest")]))
        #expect(try !applies(guests, attachments: [("user_level", "member")]))
        #expect(try !applies(guests))
        let others = { (match: inout RequestMatcher) in
            match.attachments = [.init(name: "user_level", value: .regex("^(?!member)"))]
        }
        #expect(try applies(others))
        #expect(try applies(others, attachments: [("user_level", "guest")]))
        #expect(try !applies(others, attachments: [("user_level", "member")]))
    }

    @Test("facts of one call are gone with the next")
    func factsAreForgotten() throws {
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.caller = .exact("x") }])
        #expect(bench.passes(caller: "x") && !bench.passes(caller: "x"))
        #expect(bench.passes() && bench.passes(caller: "y"))
    }

    @Test("a gate says what it has to know of a call")
    func needs() throws {
        let bench = try Bench([
            LimitDefinition.sliding("a", 1).with {
                $0.match.method = .exact("m")
                $0.match.attachments = [.init(name: "level", value: .exact("x"))]
            },
            LimitDefinition.sliding("b", 1).with {
                $0.match.interface = .exact("J")
                $0.keys = [.caller, .attachment("tenant")]
            },
        ])
        #expect(bench.gate.limits.attachmentNames == ["level", "tenant"])
        let none = bench.gate.needs(of: bench.operation("I", "n"), side: .provider)
        #expect(!none.isLimited && !none.caller && !none.peer && none.attachments == 0)
        let one = bench.gate.needs(of: bench.operation("I", "m"), side: .provider)
        #expect(one.isLimited && !one.caller && one.attachments == 1)
        let both = bench.gate.needs(of: bench.operation("J", "m"), side: .consumer)
        #expect(both.isLimited && both.caller && !both.peer && both.attachments == 3)
        for change in [{ $0.keys = [.peer] }, { $0.match.peer = .exact("x") }] as [(inout LimitDefinition) -> Void] {
            let peers = try Bench([LimitDefinition.sliding("a", 1).with(change)])
            let needs = peers.gate.needs(of: peers.operation(), side: .provider)
            #expect(needs.peer && !needs.caller)
        }
    }

    @Test(
        "a star stands for any bytes, a question mark for one character",
        arguments: [
            ("*", "", true), ("*", "abc", true), ("a*c", "abbc", true), ("a*c", "ab", false), ("*b*", "abc", true),
            ("a?c", "abc", true), ("a?c", "ac", false), ("a?c", "a€c", true), ("a??c", "a€c", false),
            ("*??", "€", false),
            ("*ab*ab", "abab", true), ("*ab*ab", "ab", false), ("?", "", false), ("**", "x", true),
            ("a*b*c", "abbcbc", true),
            ("com.*.Order*", "com.acme.OrderService", true), ("com.*.Order*", "comXacme.OrderService", false),
        ]
    )
    func glob(pattern: String, text: String, expected: Bool) throws {
        #expect(try applies({ $0.method = .glob(pattern) }, "I", text) == expected)
    }

    @Test("a glob of many stars takes no more than the product of both lengths")
    func globCost() throws {
        let stars = String(repeating: "*a", count: 500) + "b"
        let start = monotonic()
        #expect(try !applies({ $0.caller = .glob(stars) }, caller: String(repeating: "a", count: 1024)))
        // A guard: one that tries every way would never end.
        #expect(monotonic() - start < 60 * second)
    }
}
