/// Weir's own chains in iptables: the rules of ``NftTable`` in another language.
///
/// The redirects are in `nat`, the rules that drop stray segments in `mangle`, at the places among the hooks that
/// ``NftTable`` uses for the two. A rule is recognised by its comment.
struct IptablesTable {
    /// A chain of Weir's own.
    struct Chain: Equatable {
        let table: String
        let name: String
        /// The chain that leads to it; `nil` for one that no packet comes to.
        let parent: String?
        let rules: [NftTable.Rule]
    }

    let isIPv6: Bool
    /// The plan that is installed, or was; `nil` if not known.
    let plan: FirewallPlan?
    /// True if nothing is redirected.
    let isInert: Bool

    private static let syn = "--tcp-flags FIN,SYN,RST,ACK SYN"
    private static let bareReset = "--tcp-flags FIN,SYN,RST,ACK RST"
    /// The most ports in one rule; a range counts as two.
    private static let maxPorts = 15

    /// Every chain, with or without rules.
    var chains: [Chain] {
        var rules = redirects
        rules["WEIR_PLAN"] = plan.map { NftTable(family: "", plan: $0, isInert: false).pieces(of: $0) }
            .map { pieces in pieces.map { NftTable.Rule(role: $0.role, text: "-j RETURN") } }
        let valid = NftTable.Rule(role: "valid", text: "-m conntrack ! --ctstate INVALID -j RETURN")
        rules["WEIR_INVALID_IN"] = [valid] + (isInert ? [] : straySegments) + strayResets
        rules["WEIR_INVALID_OUT"] = [valid] + strayResets
        return Self.places.map { table, name, parent in
            Chain(table: table, name: name, parent: parent, rules: rules[name] ?? [])
        }
    }

    /// The places of the chains, those that keep connections alive first.
    static let places: [(table: String, name: String, parent: String?)] = [
        ("mangle", "WEIR_INVALID_IN", "PREROUTING"), ("mangle", "WEIR_INVALID_OUT", "OUTPUT"),
        ("nat", "WEIR_PLAN", nil), ("nat", "WEIR_PREROUTING", "PREROUTING"), ("nat", "WEIR_OUTPUT", "OUTPUT"),
    ]

    /// The chains as text for `iptables-restore --noflush`, which changes one table at a time.
    ///
    /// - Parameter jumps: The chains that are led to already.
    /// - Returns: Lines for one family.
    func text(jumps: Set<String>) -> String {
        ["mangle", "nat"].map { table in
            let own = chains.filter { $0.table == table }
            // Naming a chain makes it, or empties it.
            var lines = ["*\(table)"] + own.map { ":\($0.name) - [0:0]" }
            for chain in own {
                lines += chain.rules.map { "-A \(chain.name) \(Self.line($0))" }
            }
            for chain in own {
                guard let parent = chain.parent, !jumps.contains(chain.name) else { continue }
                lines.append("-I \(parent) -m comment --comment weir -j \(chain.name)")
            }
            return (lines + ["COMMIT", ""]).joined(separator: "\n")
        }.joined()
    }

    /// Text that takes the chains away.
    static func removal(jumps: Set<String>) -> String {
        ["nat", "mangle"].map { table in
            let own = places.filter { $0.table == table }
            var lines = ["*\(table)"] + own.map { ":\($0.name) - [0:0]" }
            lines += own.filter { jumps.contains($0.name) }.compactMap { place in
                place.parent.map { "-D \($0) -m comment --comment weir -j \(place.name)" }
            }
            return (lines + own.map { "-X \($0.name)" } + ["COMMIT", ""]).joined(separator: "\n")
        }.joined()
    }

    /// The comment comes before the target, as `iptables-save` prints it.
    private static func line(_ rule: NftTable.Rule) -> String {
        guard let target = rule.text.ranges(of: "-j ").last else { return rule.text }
        let comment = "-m comment --comment \"\(rule.role)\" "
        return rule.text[..<target.lowerBound] + comment + rule.text[target.lowerBound...]
    }

    private var redirects: [String: [NftTable.Rule]] {
        if isInert {
            let never = "-p tcp --tcp-flags SYN,RST SYN,RST -j REDIRECT --to-ports 9"
            return ["WEIR_PREROUTING": [NftTable.Rule(role: "inert", text: never)]]
        }
        guard let plan else { return [:] }
        var rules: [String: [NftTable.Rule]] = [:]
        if let provider = plan.provider {
            rules["WEIR_PREROUTING"] = named("provider", ports: provider.ports, option: "--dports") {
                "-p tcp \($0) \(Self.syn) -j REDIRECT --to-ports \(provider.listenPort)"
            }
        }
        if plan.consumer != nil || plan.provider?.includesLocal == true { rules["WEIR_OUTPUT"] = outputRules(plan) }
        return rules
    }

    private func outputRules(_ plan: FirewallPlan) -> [NftTable.Rule] {
        var rules: [NftTable.Rule] = []
        if let user = plan.user {
            rules.append(.init(role: "own-user", text: "-m owner --uid-owner \(user) -j RETURN"))
        }
        if let provider = plan.provider, provider.includesLocal {
            rules += named("provider-local", ports: provider.ports, option: "--dports") {
                "-p tcp -m addrtype --dst-type LOCAL \($0) \(Self.syn) -j REDIRECT --to-ports \(provider.listenPort)"
            }
        }
        guard let consumer = plan.consumer else { return rules }
        if !consumer.includesLoopback {
            rules.append(.init(role: "loopback", text: "-d \(isIPv6 ? "::1/128" : "127.0.0.0/8") -j RETURN"))
        }
        rules += named("excluded", ports: plan.portsLeftAlone, option: "--dports") { "-p tcp \($0) -j RETURN" }
        let target = "-j REDIRECT --to-ports \(consumer.listenPort)"
        if let ports = consumer.ports {
            return rules + named("consumer", ports: ports, option: "--dports") { "-p tcp \($0) \(Self.syn) \(target)" }
        }
        return rules + [.init(role: "consumer", text: "-p tcp \(Self.syn) \(target)")]
    }

    private var straySegments: [NftTable.Rule] {
        guard let provider = plan?.provider else { return [] }
        return named("stray-segment", ports: provider.ports, option: "--dports") {
            "! -i lo -p tcp \($0) --tcp-flags FIN,SYN,RST NONE -j DROP"
        }
    }

    private var strayResets: [NftTable.Rule] {
        guard let plan else { return [] }
        let drop: (String) -> String = { "-p tcp \($0) \(Self.bareReset) -j DROP" }
        var rules = named("stray-reset-weir", ports: plan.listenPorts, option: "--dports", text: drop)
        if let provider = plan.provider {
            rules += named("stray-reset-provider", ports: provider.ports, option: "--sports", text: drop)
        }
        guard let consumer = plan.consumer else { return rules }
        rules += named("stray-reset-excluded", ports: plan.portsLeftAlone, option: "--sports") {
            "-p tcp \($0) -j RETURN"
        }
        if let ports = consumer.ports {
            return rules + named("stray-reset-consumer", ports: ports, option: "--sports", text: drop)
        }
        return rules + [.init(role: "stray-reset-consumer", text: "-p tcp \(Self.bareReset) -j DROP")]
    }

    /// A rule for as many ports as one may name, and so on.
    private func named(
        _ role: String,
        ports: PortSet,
        option: String,
        text: (String) -> String
    ) -> [NftTable.Rule] {
        var rules: [NftTable.Rule] = []
        var names: [String] = []
        var count = 0
        func flush() {
            guard !names.isEmpty else { return }
            let match = "-m multiport \(option) \(names.joined(separator: ","))"
            rules.append(NftTable.Rule(role: role, text: text(match)))
            (names, count) = ([], 0)
        }
        for range in ports.ranges {
            let size = range.count == 1 ? 1 : 2
            if count + size > Self.maxPorts { flush() }
            names.append(size == 1 ? "\(range.lowerBound)" : "\(range.lowerBound):\(range.upperBound)")
            count += size
        }
        flush()
        return rules
    }
}
