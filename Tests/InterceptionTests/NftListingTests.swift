import Testing

@testable import Interception

@Suite struct NftListingTests {
    private func plan() throws -> FirewallPlan {
        try FirewallPlan(
            provider: .init(ports: PortSet(parsing: "20880,30000-30100"), includesLocal: true),
            consumer: .init(ports: nil, excluded: PortSet([22]), includesLoopback: true),
            user: "1337",
            ownPorts: [16001, 16006, 16080, 16081]
        )
    }

    @Test("a plan is read back from its text, in every form") func planText() throws {
        let ports = try PortSet(parsing: "1-5,7")
        let plans = [
            try plan(), try FirewallPlan(provider: .init(ports: ports, listenPort: 9), consumer: nil, user: nil),
            try FirewallPlan(provider: nil, consumer: .init(ports: ports, excluded: ports), user: "0"),
            try FirewallPlan(provider: .init(ports: ports), consumer: .init(ports: nil), user: "5", ownPorts: []),
        ]
        for plan in plans {
            #expect(FirewallPlan(text: plan.text) == plan, "\(plan.text)")
            for end in plan.text.indices.dropFirst() {
                // A text that was cut off is another plan at most, never a crash.
                _ = FirewallPlan(text: String(plan.text[..<end]))
            }
        }
        for text in ["", "2;provider=1>2;own=2", "1", "1;own=1", "1;provider=1>2;own=2;x", "1;provider=1;own=2"] {
            #expect(FirewallPlan(text: text) == nil, "\(text)")
        }
        #expect(FirewallPlan(text: "1;provider=1>2;provider=1>2;own=2") == nil)
    }

    /// The table as nft 1.0.6 prints it.
    private func listing(_ table: NftTable) -> String {
        var text = "table \(table.family) weir {\n"
        for set in table.sets {
            let elements = set.ports.description.replacing(", ", with: ",\n\t\t\t     ")
            text +=
                "\tset \(set.name) {\n\t\ttype inet_service\n\t\tflags interval\n\t\telements = { \(elements) }\n\t}\n\n"
        }
        for chain in table.chains {
            text += "\tchain \(chain.name) {\n" + (chain.hook.map { "\t\t\($0)\n" } ?? "")
            for rule in chain.rules {
                let match = rule.text.replacing("counter", with: "counter packets 3 bytes 180")
                text += "\t\t\(match) comment \"\(rule.role)\"\n"
            }
            text += "\t}\n\n"
        }
        return text + "}\n"
    }

    @Test("a listing gives the plan, the state and the counters; nothing is missing in it") func listing() throws {
        for isInert in [false, true] {
            let table = NftTable(family: "inet", plan: try plan(), isInert: isInert)
            let listing = NftListing(family: "inet", text: listing(table))
            #expect(listing.plan == table.plan)
            #expect(listing.isInert == isInert)
            #expect(listing.differences(from: table) == [])
            let counting = listing.chains.flatMap(\.rules).filter { $0.packets == 3 }.map(\.comment)
            #expect(counting.contains("provider") == !isInert)
            #expect(counting.contains("stray-reset-weir"))
            #expect(counting.contains("stray-segment") == !isInert)
        }
    }

    @Test("what someone else changed is named") func differences() throws {
        let table = NftTable(family: "inet", plan: try plan(), isInert: false)
        let whole = listing(table)
        func found(_ text: String) -> [String] { NftListing(family: "inet", text: text).differences(from: table) }
        let lines = whole.split(separator: "\n", omittingEmptySubsequences: false)
        let without = lines.filter { !$0.contains("\"own-user\"") }.joined(separator: "\n")
        #expect(found(without) == ["chain output: no rule \"own-user\""])
        let foreign = whole.replacing("comment \"provider\"\n", with: "comment \"provider\"\n\t\ttcp dport 7 accept\n")
        #expect(found(foreign) == ["chain prerouting: a rule that is not Weir's: tcp dport 7 accept"])
        let ports = lines.map { $0.contains("comment") ? String($0) : String($0.replacing("30100", with: "30101")) }
        #expect(found(ports.joined(separator: "\n")) == ["set provider_ports: not 20880, 30000-30100"])
        let chain = whole.replacing("\tchain output {", with: "\tchain else {")
        #expect(found(chain) == ["chain output is missing", "a chain that is not Weir's: else"])
        #expect(found("").count == table.chains.count + table.sets.count)
    }

    @Test("chains that translate at the same hooks are listed in the kernel's order") func order() {
        let text = """
            table ip nat {
            \tchain PREROUTING {
            \t\ttype nat hook prerouting priority dstnat; policy accept;
            \t}
            \tchain POSTROUTING {
            \t\ttype nat hook postrouting priority srcnat; policy accept;
            \t}
            }
            table inet mesh {
            \tchain out {
            \t\ttype nat hook output priority dstnat + 10; policy accept;
            \t}
            \tchain filter {
            \t\ttype filter hook output priority filter; policy accept;
            \t}
            }
            table inet weir {
            \tchain output {
            \t\ttype nat hook output priority -100; policy accept;
            \t}
            \tchain prerouting {
            \t\ttype nat hook prerouting priority dstnat - 1; policy accept;
            \t}
            }
            """
        let chains = NatChain.read(text)
        #expect(chains.map(\.hook) == ["prerouting", "prerouting", "output", "output"])
        #expect(chains.map(\.priority) == [-101, -100, -100, -90])
        #expect(chains.map(\.isWeirs) == [true, false, true, false])
        #expect(chains[1].name == "table ip nat, chain PREROUTING")
        let equal = NatChain.read(text.replacing("dstnat - 1", with: "dstnat")).filter { $0.hook == "prerouting" }
        #expect(equal.map(\.isWeirs) == [true, false])
        #expect(NatChain.read("table x\nchain\ntype nat hook output priority\n}{").isEmpty)
    }
}
