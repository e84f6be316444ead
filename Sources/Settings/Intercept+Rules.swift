extension InterceptPlan {
    /// The transaction that installs the plan: the old table goes, the new one comes, or nothing changes.
    public var rules: String {
        let tables = layout.families.map { family in
            "table \(family) weir {\n\(chains(family).joined())}\n"
        }
        return Self.removal(layout: layout) + tables.joined()
    }

    /// The transaction that removes what a plan installed; it succeeds when nothing is there.
    ///
    /// - Parameter layout: The layout of the plan.
    /// - Returns: Text for `nft -f -`.
    public static func removal(layout: Layout = .inet) -> String {
        // `delete` fails without a table and `add` does not fail with one: together they always succeed.
        layout.families.map { "add table \($0) weir\ndelete table \($0) weir\n" }.joined()
    }

    private func chains(_ family: String) -> [String] {
        var chains: [String] = []
        if let provider {
            let rule = "tcp dport { \(provider.ports) } redirect to :\(provider.listenPort)"
            chains.append(chain("prerouting", [rule]))
        }
        if consumer != nil || provider?.includesLocal == true { chains.append(chain("output", outputRules(family))) }
        return chains
    }

    private func chain(_ hook: String, _ rules: [String]) -> String {
        // -100 is the priority `dstnat`, a name that nft knows for `output` only since 1.0.8.
        let type = "type nat hook \(hook) priority -100; policy accept;"
        return "    chain \(hook) {\n" + ([type] + rules).map { "        \($0)\n" }.joined() + "    }\n"
    }

    private func outputRules(_ family: String) -> [String] {
        var rules: [String] = []
        // First of all, or Weir's own connection to the application would come back to Weir.
        if let user { rules.append("meta skuid \(user) return") }
        if let provider, provider.includesLocal {
            rules.append("fib daddr type local tcp dport { \(provider.ports) } redirect to :\(provider.listenPort)")
        }
        guard let consumer else { return rules }
        if !consumer.includesLoopback {
            if family != "ip6" { rules.append("ip daddr 127.0.0.0/8 return") }
            if family != "ip" { rules.append("ip6 daddr ::1 return") }
        }
        if let ports = consumer.ports {
            if !consumer.excluded.isEmpty { rules.append("tcp dport { \(consumer.excluded) } return") }
            rules.append("tcp dport { \(ports) } redirect to :\(consumer.listenPort)")
        } else {
            rules.append("tcp dport { \(consumer.excluded.union(ownPorts)) } return")
            rules.append("meta l4proto tcp redirect to :\(consumer.listenPort)")
        }
        return rules
    }
}
