import Interception
import Testing

@Suite struct InterceptTests {
    private typealias Plan = FirewallPlan

    @Test("the provider side alone needs no user") func provider() throws {
        let plan = try Plan(provider: .init(ports: PortSet([50051, 20880])), consumer: nil, user: nil)
        #expect(
            Interceptor.text(plan, separateTables: false) == """
                add table inet weir
                delete table inet weir
                table inet weir {
                    set provider_ports {
                        type inet_service; flags interval;
                        elements = { 20880, 50051 }
                    }
                    chain plan {
                        return comment "1;provider=20880,50051>16006;own=16006,16080"
                    }
                    chain prerouting {
                        type nat hook prerouting priority -100; policy accept;
                        \(syn) tcp dport @provider_ports counter redirect to :16006 comment "provider"
                    }
                    chain invalid_in {
                        type filter hook prerouting priority -150; policy accept;
                        ct state != invalid return comment "valid"
                        iif != lo tcp dport @provider_ports tcp flags & (fin|syn|rst) == 0x0 counter drop comment "stray-segment"
                        tcp dport { 16006 } \(reset) counter drop comment "stray-reset-weir"
                        tcp sport @provider_ports \(reset) counter drop comment "stray-reset-provider"
                    }
                    chain invalid_out {
                        type filter hook output priority -150; policy accept;
                        ct state != invalid return comment "valid"
                        tcp dport { 16006 } \(reset) counter drop comment "stray-reset-weir"
                        tcp sport @provider_ports \(reset) counter drop comment "stray-reset-provider"
                    }
                }

                """
        )
    }

    private let syn = "tcp flags & (fin|syn|rst|ack) == syn"
    private let reset = "tcp flags & (fin|syn|rst|ack) == rst"

    /// The lines of one chain without its frame and without comments.
    private func chain(_ name: String, of plan: Plan, separate: Bool = false, table: Int = 0) throws -> [String] {
        let text = Interceptor.text(plan, separateTables: separate)
        let tables = text.split(separator: "\ntable ").dropFirst()
        let body = try #require(tables.dropFirst(table).first?.split(separator: "chain \(name) {\n").dropFirst().first)
        let lines = body.split(separator: "    }\n")[0].split(separator: "\n").dropFirst()
        return lines.map { line in String(line.split(separator: " comment ")[0].drop { $0 == " " }) }
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
        #expect(try chain("prerouting", of: plan) == ["\(syn) tcp dport @provider_ports counter redirect to :26006"])
        #expect(
            try chain("output", of: plan) == [
                "meta skuid 1337 return",
                "fib daddr type local \(syn) tcp dport @provider_ports counter redirect to :26006",
                "ip daddr 127.0.0.0/8 return", "ip6 daddr ::1 return", "tcp dport @excluded_ports return",
                "\(syn) tcp dport @consumer_ports counter redirect to :26001",
            ]
        )
        #expect(
            try chain("invalid_out", of: plan) == [
                "ct state != invalid return", "tcp dport { 26001, 26006 } \(reset) counter drop",
                "tcp sport @provider_ports \(reset) counter drop", "tcp sport @excluded_ports return",
                "tcp sport @consumer_ports \(reset) counter drop",
            ]
        )
    }

    @Test("all ports but the excluded ones and Weir's own, in a table a family") func allPorts() throws {
        let plan = try Plan(
            provider: nil,
            consumer: .init(ports: nil, excluded: PortSet([22, 53]), includesLoopback: true),
            user: "root",
            ownPorts: [16080, 16081]
        )
        let text = Interceptor.text(plan, separateTables: true)
        #expect(text.hasPrefix("add table ip weir\ndelete table ip weir\nadd table ip6 weir\ndelete table ip6 weir\n"))
        for table in 0...1 {
            #expect(
                try chain("output", of: plan, separate: true, table: table) == [
                    "meta skuid 0 return", "tcp dport @excluded_ports return",
                    "\(syn) counter redirect to :16001",
                ]
            )
        }
    }

    @Test("in a table of one family only that family's loopback is named") func separateLoopback() throws {
        let plan = try Plan(provider: nil, consumer: .init(ports: PortSet([1])), user: "5")
        let four = try chain("output", of: plan, separate: true, table: 0)
        let six = try chain("output", of: plan, separate: true, table: 1)
        #expect(four.contains("ip daddr 127.0.0.0/8 return") && !four.joined().contains("ip6"))
        #expect(six.contains("ip6 daddr ::1 return") && !six.joined().contains("ip daddr"))
    }

    @Test("what changed is told a fact a line") func changes() throws {
        let old = try Plan(provider: .init(ports: PortSet([20880])), consumer: nil, user: nil)
        let new = try Plan(
            provider: .init(ports: PortSet([20880])),
            consumer: .init(ports: nil, excluded: PortSet([22])),
            user: "7"
        )
        #expect(new.changes(from: nil).allSatisfy { $0.hasPrefix("+ ") })
        #expect(
            new.changes(from: old) == [
                "  connections to ports 20880 come to port 16006",
                "+ connections of the application to every port but 22 come to port 16001",
                "+ connections of user 7 are left alone",
            ]
        )
        #expect(
            old.changes(from: new) == [
                "- connections of the application to every port but 22 come to port 16001",
                "- connections of user 7 are left alone", "  connections to ports 20880 come to port 16006",
            ]
        )
        #expect(old.changes(from: old).allSatisfy { $0.hasPrefix("  ") })
    }

    @Test("what cannot work is refused") func refused() {
        func problem(_ make: () throws(InterceptProblem) -> FirewallPlan) -> InterceptProblem? {
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
            (.ownPort(16080), nil, .init(ports: PortSet([16080])), "0"),
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
            user: "1"
        )
        let text = Interceptor.text(plan, separateTables: true)
        #expect(text.utf8.count > 32 << 10)
        #expect(text.utf8.count < 48 << 10)
    }
}
