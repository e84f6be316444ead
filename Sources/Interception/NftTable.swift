/// The chains and rules of Weir's own nftables tables.
///
/// A table is in force or inert. It becomes inert by a removal: nothing is redirected any more, but NAT and connection
/// tracking stay hooked in, or every redirected connection would be reset by its next packet: the kernel removes both
/// with their last user, and packets are then no longer translated.
///
/// Connection tracking does not translate a segment outside of a connection's window. Without further rules such a
/// segment of a redirected connection would reach a port without such a connection, and the answer is a reset: the
/// chains `invalid_in` and `invalid_out` drop the segment, or the reset. They drop neither a FIN nor a peer's own reset
/// (which has ACK; the kernel's answer to a segment has none): connections whose beginning tracking has not seen are
/// invalid as well, and connections from before the rules must be able to end. The setting nf_conntrack_tcp_be_liberal
/// would make the chains unnecessary, but holds for everything on the machine and cannot be changed from within a
/// container.
struct NftTable {
    /// One rule; its role is kept as the rule's comment, by which it is recognised.
    struct Rule: Equatable {
        let role: String
        let text: String
    }

    /// One chain; `hook` is `nil` for one that no packet reaches.
    struct Chain: Equatable {
        let name: String
        let hook: String?
        let rules: [Rule]
    }

    /// The address family of the table: `inet`, `ip` or `ip6`.
    let family: String
    /// The plan that is installed, or was; `nil` if not known.
    let plan: FirewallPlan?
    /// True if nothing is redirected.
    let isInert: Bool

    private static let syn = "tcp flags & (fin|syn|rst|ack) == syn"
    private static let bareReset = "tcp flags & (fin|syn|rst|ack) == rst"
    /// Comments of nftables have at most 128 bytes.
    private static let planPieceBytes = 100

    /// The table as text for `nft -f -`, without what was there before.
    var text: String {
        "table \(family) weir {\n" + sets.map(Self.text).joined() + chains.map(Self.text).joined() + "}\n"
    }

    /// The ports that rules name, which are kept once: several rules name the same.
    var sets: [(name: String, ports: PortSet)] {
        guard let plan else { return [] }
        var sets: [(name: String, ports: PortSet)] = []
        if let provider = plan.provider { sets.append(("provider_ports", provider.ports)) }
        if let ports = plan.consumer?.ports { sets.append(("consumer_ports", ports)) }
        if !plan.portsLeftAlone.isEmpty { sets.append(("excluded_ports", plan.portsLeftAlone)) }
        return sets
    }

    /// The chains, in order.
    var chains: [Chain] {
        var chains: [Chain] = []
        if let plan { chains.append(Chain(name: "plan", hook: nil, rules: pieces(of: plan))) }
        if isInert {
            // A SYN that is a reset as well is invalid to connection tracking and never comes to a NAT chain.
            let never = "tcp flags & (syn|rst) == (syn|rst) redirect to :9"
            chains.append(nat("prerouting", [Rule(role: "inert", text: never)]))
        } else if let plan {
            if let provider = plan.provider {
                let text = "\(Self.syn) tcp dport @provider_ports counter redirect to :\(provider.listenPort)"
                chains.append(nat("prerouting", [Rule(role: "provider", text: text)]))
            }
            if plan.consumer != nil || plan.provider?.includesLocal == true {
                chains.append(nat("output", outputRules(plan)))
            }
        }
        let valid = Rule(role: "valid", text: "ct state != invalid return")
        let stray = isInert ? [] : straySegments
        chains.append(filter("invalid_in", hook: "prerouting", rules: [valid] + stray + strayResets))
        chains.append(filter("invalid_out", hook: "output", rules: [valid] + strayResets))
        return chains
    }

    private static func text(_ set: (name: String, ports: PortSet)) -> String {
        "    set \(set.name) {\n        type inet_service; flags interval;\n"
            + "        elements = { \(set.ports) }\n    }\n"
    }

    private static func text(_ chain: Chain) -> String {
        let rules = chain.rules.map { "\($0.text) comment \"\($0.role)\"" }
        let lines = (chain.hook.map { [$0] } ?? []) + rules
        return "    chain \(chain.name) {\n" + lines.map { "        \($0)\n" }.joined() + "    }\n"
    }

    private func nat(_ hook: String, _ rules: [Rule]) -> Chain {
        // -100 is the priority `dstnat`, a name that nft knows for `output` only since 1.0.8.
        Chain(name: hook, hook: "type nat hook \(hook) priority -100; policy accept;", rules: rules)
    }

    private func filter(_ name: String, hook: String, rules: [Rule]) -> Chain {
        // Behind connection tracking (-200) and before NAT.
        Chain(name: name, hook: "type filter hook \(hook) priority -150; policy accept;", rules: rules)
    }

    func pieces(of plan: FirewallPlan) -> [Rule] {
        var rules: [Rule] = []
        var rest = Substring(plan.text)
        while !rest.isEmpty {
            rules.append(Rule(role: String(rest.prefix(Self.planPieceBytes)), text: "return"))
            rest = rest.dropFirst(Self.planPieceBytes)
        }
        return rules
    }

    private func outputRules(_ plan: FirewallPlan) -> [Rule] {
        var rules: [Rule] = []
        // First of all, or Weir's own connection to the application would come back to Weir.
        if let user = plan.user { rules.append(Rule(role: "own-user", text: "meta skuid \(user) return")) }
        if let provider = plan.provider, provider.includesLocal {
            let match = "fib daddr type local \(Self.syn) tcp dport @provider_ports"
            rules.append(Rule(role: "provider-local", text: "\(match) counter redirect to :\(provider.listenPort)"))
        }
        guard let consumer = plan.consumer else { return rules }
        if !consumer.includesLoopback {
            if family != "ip6" { rules.append(Rule(role: "loopback-4", text: "ip daddr 127.0.0.0/8 return")) }
            if family != "ip" { rules.append(Rule(role: "loopback-6", text: "ip6 daddr ::1 return")) }
        }
        let left = plan.portsLeftAlone
        if !left.isEmpty { rules.append(Rule(role: "excluded", text: "tcp dport @excluded_ports return")) }
        let match = consumer.ports == nil ? Self.syn : "\(Self.syn) tcp dport @consumer_ports"
        rules.append(Rule(role: "consumer", text: "\(match) counter redirect to :\(consumer.listenPort)"))
        return rules
    }

    /// Data of a redirected connection that is not translated does not come to the application's port.
    ///
    /// Packets over loopback have passed `output`, and Weir's own connections to the application are among them.
    private var straySegments: [Rule] {
        guard plan?.provider != nil else { return [] }
        let match = "iif != lo tcp dport @provider_ports tcp flags & (fin|syn|rst) == 0x0"
        return [Rule(role: "stray-segment", text: "\(match) counter drop")]
    }

    /// The answers to segments that were not translated, in either direction.
    private var strayResets: [Rule] {
        guard let plan else { return [] }
        var rules = [
            Rule(role: "stray-reset-weir", text: "tcp dport { \(plan.listenPorts) } \(Self.bareReset) counter drop")
        ]
        if plan.provider != nil {
            let text = "tcp sport @provider_ports \(Self.bareReset) counter drop"
            rules.append(Rule(role: "stray-reset-provider", text: text))
        }
        guard let consumer = plan.consumer else { return rules }
        let left = plan.portsLeftAlone
        if !left.isEmpty { rules.append(Rule(role: "stray-reset-excluded", text: "tcp sport @excluded_ports return")) }
        let match = consumer.ports == nil ? Self.bareReset : "tcp sport @consumer_ports \(Self.bareReset)"
        rules.append(Rule(role: "stray-reset-consumer", text: "\(match) counter drop"))
        return rules
    }
}

extension FirewallPlan {
    /// The ports that the consumer side leaves alone; Weir's own only where every port is taken.
    public var portsLeftAlone: PortSet {
        guard let consumer else { return PortSet([]) }
        return consumer.ports == nil ? consumer.excluded.union(ownPorts) : consumer.excluded
    }
}
