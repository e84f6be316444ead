import Testing

@testable import Interception

@Suite struct IptablesTests {
    private func plan() throws -> FirewallPlan {
        let many = (0..<20).map { "\(20000 + 2 * $0)" }.joined(separator: ",")
        return try FirewallPlan(
            provider: .init(ports: PortSet(parsing: "\(many),30000-30100"), includesLocal: true),
            consumer: .init(ports: PortSet(parsing: "20001"), excluded: PortSet([22])),
            user: "1337",
            ownPorts: [16001, 16006, 16080, 16081]
        )
    }

    @Test("the plan's rules are those of nftables in another language") func text() throws {
        let plan = try FirewallPlan(
            provider: .init(ports: PortSet(parsing: "20880,30000-30100")),
            consumer: nil,
            user: nil
        )
        let text = IptablesTable(isIPv6: false, plan: plan, isInert: false).text(jumps: ["WEIR_OUTPUT"])
        let reset = "--tcp-flags FIN,SYN,RST,ACK RST -m comment --comment"
        #expect(
            text.split(separator: "\n") == [
                "*mangle", ":WEIR_INVALID_IN - [0:0]", ":WEIR_INVALID_OUT - [0:0]",
                "-A WEIR_INVALID_IN -m conntrack ! --ctstate INVALID -m comment --comment \"valid\" -j RETURN",
                "-A WEIR_INVALID_IN ! -i lo -p tcp -m multiport --dports 20880,30000:30100 --tcp-flags FIN,SYN,RST NONE -m comment --comment \"stray-segment\" -j DROP",
                "-A WEIR_INVALID_IN -p tcp -m multiport --dports 16006 \(reset) \"stray-reset-weir\" -j DROP",
                "-A WEIR_INVALID_IN -p tcp -m multiport --sports 20880,30000:30100 \(reset) \"stray-reset-provider\" -j DROP",
                "-A WEIR_INVALID_OUT -m conntrack ! --ctstate INVALID -m comment --comment \"valid\" -j RETURN",
                "-A WEIR_INVALID_OUT -p tcp -m multiport --dports 16006 \(reset) \"stray-reset-weir\" -j DROP",
                "-A WEIR_INVALID_OUT -p tcp -m multiport --sports 20880,30000:30100 \(reset) \"stray-reset-provider\" -j DROP",
                "-I PREROUTING -m comment --comment weir -j WEIR_INVALID_IN",
                "-I OUTPUT -m comment --comment weir -j WEIR_INVALID_OUT", "COMMIT", "*nat", ":WEIR_PLAN - [0:0]",
                ":WEIR_PREROUTING - [0:0]", ":WEIR_OUTPUT - [0:0]",
                "-A WEIR_PLAN -m comment --comment \"1;provider=20880,30000-30100>16006;own=16006,16080\" -j RETURN",
                "-A WEIR_PREROUTING -p tcp -m multiport --dports 20880,30000:30100 --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment \"provider\" -j REDIRECT --to-ports 16006",
                "-I PREROUTING -m comment --comment weir -j WEIR_PREROUTING", "COMMIT",
            ]
        )
    }

    @Test("a rule names at most fifteen ports, a range is two") func chunks() throws {
        let table = IptablesTable(isIPv6: true, plan: try plan(), isInert: false)
        let rules = table.chains.first { $0.name == "WEIR_PREROUTING" }?.rules ?? []
        #expect(rules.map(\.role) == ["provider", "provider"])
        #expect(rules[0].text.split(separator: ",").count == 15 + 3)
        #expect(rules[1].text.contains("--dports 20030,20032,20034,20036,20038,30000:30100 "))
        let output = table.chains.first { $0.name == "WEIR_OUTPUT" }?.rules ?? []
        #expect(
            output.map(\.role)
                == ["own-user", "provider-local", "provider-local", "loopback", "excluded", "consumer"]
        )
        #expect(output[3].text == "-d ::1/128 -j RETURN")
    }

    /// What `iptables-save -c` makes of a table's text.
    private func saved(_ table: IptablesTable) -> String {
        table.text(jumps: []).split(separator: "\n").map { line in
            // Quotes are printed only where they are needed.
            let plain = line.contains(";") ? String(line) : String(line).replacing("\"", with: "")
            guard plain.hasPrefix("-") else { return plain }
            return "[3:180] " + plain.replacing("-I ", with: "-A ")
        }.joined(separator: "\n")
    }

    @Test("what is saved gives the plan, the state and what is missing") func listing() throws {
        for isInert in [false, true] {
            let table = IptablesTable(isIPv6: false, plan: try plan(), isInert: isInert)
            let listing = IptablesListing(text: saved(table))
            #expect(listing.plan == table.plan && listing.isInert == isInert && !listing.isEmpty)
            #expect(listing.jumps.count == 4)
            #expect(listing.differences(from: table) == [])
            #expect(listing.rules.allSatisfy { $0.packets == 3 })
        }
        let table = IptablesTable(isIPv6: false, plan: try plan(), isInert: false)
        let lines = saved(table).split(separator: "\n")
        let without = lines.filter { !$0.contains("comment own-user") && !$0.hasSuffix("-j WEIR_OUTPUT") }
        #expect(
            IptablesListing(text: without.joined(separator: "\n")).differences(from: table)
                == ["nothing leads to chain WEIR_OUTPUT", "chain WEIR_OUTPUT: no rule \"own-user\""]
        )
        #expect(IptablesListing(text: "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j OTHER\nCOMMIT").isEmpty)
    }
}
