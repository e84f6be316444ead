import Settings
import Testing

@Suite struct InterceptTests {
    private typealias Plan = InterceptPlan

    @Test("the provider side alone needs one rule and no user") func provider() throws {
        let plan = try Plan(provider: .init(ports: PortSet([50051, 20880])), consumer: nil, user: nil)
        #expect(
            plan.rules == """
                add table inet weir
                delete table inet weir
                table inet weir {
                    chain prerouting {
                        type nat hook prerouting priority -100; policy accept;
                        tcp dport { 20880, 50051 } redirect to :16006
                    }
                }

                """
        )
    }

    @Test("both sides, local connections too, with Weir's own user left alone first") func both() throws {
        let plan = try Plan(
            provider: .init(ports: PortSet([20880]), listenPort: 26006, includesLocal: true),
            consumer: .init(
                ports: PortSet(parsing: "20880-20890, 50051"),
                excluded: PortSet([20885]),
                listenPort: 26001
            ),
            user: "1337"
        )
        #expect(
            plan.rules == """
                add table inet weir
                delete table inet weir
                table inet weir {
                    chain prerouting {
                        type nat hook prerouting priority -100; policy accept;
                        tcp dport { 20880 } redirect to :26006
                    }
                    chain output {
                        type nat hook output priority -100; policy accept;
                        meta skuid 1337 return
                        fib daddr type local tcp dport { 20880 } redirect to :26006
                        ip daddr 127.0.0.0/8 return
                        ip6 daddr ::1 return
                        tcp dport { 20885 } return
                        tcp dport { 20880-20890, 50051 } redirect to :26001
                    }
                }

                """
        )
    }

    @Test("all ports but the excluded ones and Weir's own, in a table a family") func allPorts() throws {
        let plan = try Plan(
            provider: nil,
            consumer: .init(ports: nil, excluded: PortSet([22, 53]), includesLoopback: true),
            user: "root",
            ownPorts: [16080, 16081],
            layout: .separate
        )
        let chain = """
                chain output {
                    type nat hook output priority -100; policy accept;
                    meta skuid 0 return
                    tcp dport { 22, 53, 16001, 16080-16081 } return
                    meta l4proto tcp redirect to :16001
                }
            }

            """
        #expect(
            plan.rules == "add table ip weir\ndelete table ip weir\nadd table ip6 weir\ndelete table ip6 weir\n"
                + "table ip weir {\n\(chain)table ip6 weir {\n\(chain)"
        )
    }

    @Test("in a table of one family only that family's loopback is named") func separateLoopback() throws {
        let plan = try Plan(provider: nil, consumer: .init(ports: PortSet([1])), user: "5", layout: .separate)
        let tables = plan.rules.split(separator: "table ip6 weir {\n")
        #expect(tables.count == 2)
        #expect(tables.first?.contains("ip daddr 127.0.0.0/8 return") == true)
        #expect(tables.first?.contains("ip6 daddr") == false)
        #expect(tables.last?.contains("ip6 daddr ::1 return") == true)
        #expect(tables.last?.contains("ip daddr") == false)
    }

    @Test("removal succeeds without a table because it adds one first") func removal() {
        #expect(Plan.removal() == "add table inet weir\ndelete table inet weir\n")
        #expect(
            Plan.removal(layout: .separate)
                == "add table ip weir\ndelete table ip weir\nadd table ip6 weir\ndelete table ip6 weir\n"
        )
    }

    @Test("what cannot work is refused") func refused() {
        func problem(_ make: () throws(InterceptProblem) -> InterceptPlan) -> InterceptProblem? {
            do throws(InterceptProblem) {
                _ = try make()
                return nil
            } catch { return error }
        }
        let ports = PortSet([20880])
        let cases: [(InterceptProblem, Plan.Provider?, Plan.Consumer?, String?)] = [
            (.nothing, nil, nil, "0"),
            (.nothing, .init(ports: PortSet([])), nil, nil),
            (.nothing, nil, .init(ports: PortSet([])), "0"),
            (.needsUser, nil, .init(ports: ports), nil),
            (.needsUser, .init(ports: ports, includesLocal: true), nil, nil),
            (.unknownUser("no-such-user"), nil, .init(ports: ports), "no-such-user"),
            (.unknownUser(""), nil, .init(ports: ports), ""),
            (.unknownUser("-1"), nil, .init(ports: ports), "-1"),
            (.unknownUser("4294967295"), nil, .init(ports: ports), "4294967295"),
            (.unknownUser("0; flush ruleset"), nil, .init(ports: ports), "0; flush ruleset"),
            (.ownPort(16006), .init(ports: PortSet([16006])), nil, nil),
            (.ownPort(16080), .init(ports: PortSet([16079, 16080])), nil, nil),
            (.ownPort(16006), .init(ports: ports), .init(ports: PortSet([16006])), "0"),
            (.noListenPort, .init(ports: ports, listenPort: 0), nil, nil),
        ]
        for (expected, provider, consumer, user) in cases {
            let found = problem { () throws(InterceptProblem) in
                try Plan(provider: provider, consumer: consumer, user: user)
            }
            #expect(found == expected)
            #expect(found?.description.isEmpty == false)
        }
    }

    @Test(
        "lists of ports are sorted and merged",
        arguments: [
            ("80", "80"), ("2,1", "1-2"), ("5-9,1,7-12,20", "1, 5-12, 20"), ("65535,65534,1", "1, 65534-65535"),
            ("1-65535,7", "1-65535"), (" 8 , 8 ", "8"),
        ]
    )
    func ports(text: String, expected: String) throws {
        let set = try PortSet(parsing: text)
        #expect(set.description == expected)
        #expect(try PortSet(parsing: expected) == set)
    }

    @Test(
        "other lists of ports are refused",
        arguments: [
            "", ",", "0", "65536", "1-", "-1", "2-1", "0-5", "1-2-3", "a", "1;2", "01", "1,,2",
            Array(repeating: "1", count: PortSet.maxItems + 1).joined(separator: ","),
        ]
    )
    func badPorts(text: String) {
        #expect(throws: InterceptProblem.self) { try PortSet(parsing: text) }
    }

    @Test("the longest lists still make rules that the runner takes") func longest() throws {
        let many = (0..<PortSet.maxItems).map { "\(20000 + 3 * $0)-\(20001 + 3 * $0)" }.joined(separator: ",")
        let ports = try PortSet(parsing: many)
        let plan = try Plan(
            provider: .init(ports: ports, includesLocal: true),
            consumer: .init(ports: ports, excluded: ports),
            user: "1",
            layout: .separate
        )
        #expect(plan.rules.utf8.count > 16 << 10)
        #expect(plan.rules.utf8.count < 48 << 10)
    }
}
