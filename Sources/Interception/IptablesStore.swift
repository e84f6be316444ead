internal import Glibc
internal import Settings

/// Rules in iptables and ip6tables, for kernels without NAT in nftables.
///
/// A table of a family changes atomically; the four of them change one after another.
struct IptablesStore: RuleStore {
    /// The programs of one family.
    struct Family: Sendable {
        let isIPv6: Bool
        let save: Tool
        let restore: Tool

        init(isIPv6: Bool) {
            self.isIPv6 = isIPv6
            save = Tool(isIPv6 ? "ip6tables-save" : "iptables-save")
            restore = Tool(isIPv6 ? "ip6tables-restore" : "iptables-restore")
        }
    }

    var name: String { "iptables" }

    /// IPv4, and IPv6 where the kernel has it.
    private var families: [Family] {
        let hasIPv6 = unsafe access("/proc/net/if_inet6", F_OK) == 0
        return [Family(isIPv6: false)] + (hasIPv6 ? [Family(isIPv6: true)] : [])
    }

    private var place: String { families.map { $0.isIPv6 ? "ip6tables" : "iptables" }.joined(separator: " and ") }

    func read() throws(InterceptFailure) -> InstalledRules? {
        var listings: [(family: Family, listing: IptablesListing)] = []
        for family in families { listings.append((family, try listing(of: family))) }
        guard let first = listings.first(where: { !$0.listing.isEmpty }) else { return nil }
        let plan = first.listing.plan
        let isInert = first.listing.isInert
        var counters: [(role: String, packets: UInt64)] = []
        var differences: [String] = []
        for (family, listing) in listings {
            for rule in listing.rules where rule.packets != nil && IptablesListing.counts(rule.comment) {
                if let index = counters.firstIndex(where: { $0.role == rule.comment }) {
                    counters[index].packets += rule.packets ?? 0
                } else {
                    counters.append((rule.comment, rule.packets ?? 0))
                }
            }
            let table = IptablesTable(isIPv6: family.isIPv6, plan: plan, isInert: isInert)
            let name = family.isIPv6 ? "ip6tables" : "iptables"
            differences += listing.differences(from: table).map { "\(name): \($0)" }
        }
        return InstalledRules(
            place: place,
            plan: plan,
            isInert: isInert,
            differences: plan == nil && !isInert ? ["these are rules of another version"] : differences,
            counters: counters
        )
    }

    func install(_ plan: FirewallPlan) throws(InterceptFailure) -> String {
        try write { IptablesTable(isIPv6: $0, plan: plan, isInert: false).text(jumps: $1.jumps) }
        return place
    }

    func makeInert() throws(InterceptFailure) {
        try write { isIPv6, listing in
            guard !listing.isEmpty else { return "" }
            return IptablesTable(isIPv6: isIPv6, plan: listing.plan, isInert: true).text(jumps: listing.jumps)
        }
    }

    func purge() throws(InterceptFailure) {
        try write { _, listing in listing.isEmpty ? "" : IptablesTable.removal(jumps: listing.jumps) }
    }

    /// NAT tables of the older iptables, which nft does not list.
    ///
    /// Their rules are not read: reading them hooks NAT in.
    static var olderNat: [NatChain] {
        [false, true].flatMap { isIPv6 in
            guard hasOlderNat(isIPv6: isIPv6) else { return [NatChain]() }
            let name = "\(isIPv6 ? "ip6tables" : "iptables") (legacy), table nat"
            return ["prerouting", "output"].map { NatChain(hook: $0, priority: -100, name: name, isWeirs: false) }
        }
    }

    private static func hasOlderNat(isIPv6: Bool) -> Bool {
        let names = fileText(isIPv6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names")
        return names.split(separator: "\n").contains("nat")
    }

    /// Checks the texts of all families before any of them is written.
    private func write(_ text: (_ isIPv6: Bool, IptablesListing) -> String) throws(InterceptFailure) {
        var texts: [(tool: Tool, text: String)] = []
        for family in families {
            let text = text(family.isIPv6, try listing(of: family))
            guard !text.isEmpty else { continue }
            _ = try family.restore.demand(["--noflush", "--test"], input: text)
            texts.append((family.restore, text))
        }
        for (tool, text) in texts { _ = try tool.demand(["--noflush", "--wait", "5"], input: text) }
    }

    private func listing(of family: Family) throws(InterceptFailure) -> IptablesListing {
        // Listing a table of the older iptables makes it, and hooks NAT in.
        let version = try family.save.demand(["--version"])
        guard version.contains("nf_tables") || Self.hasOlderNat(isIPv6: family.isIPv6) else {
            return IptablesListing(text: "")
        }
        var text = ""
        for table in ["mangle", "nat"] { text += try family.save.demand(["-c", "-t", table]) }
        return IptablesListing(text: text)
    }

    private static func fileText(_ path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var chunk = [UInt8](repeating: 0, count: 4096)
        // SAFETY: the size given is the array's own.
        let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
        return String(decoding: chunk.prefix(max(0, count)), as: UTF8.self)
    }
}

/// The output of `iptables-save -c` about Weir's chains.
struct IptablesListing: Equatable {
    /// One rule of a chain of Weir's.
    struct Rule: Equatable {
        let chain: String
        let text: String
        let comment: String
        let packets: UInt64?
    }

    private(set) var rules: [Rule] = []
    /// The chains of Weir's that are led to.
    private(set) var jumps: Set<String> = []
    private var names: Set<String> = []

    init(text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if line.hasPrefix(":WEIR_"), let name = words.first { names.insert(String(name.dropFirst())) }
            guard let add = words.firstIndex(of: "-A"), add + 1 < words.count else { continue }
            let chain = words[add + 1]
            if chain.hasPrefix("WEIR_") {
                let packets = words[0].hasPrefix("[") ? UInt64(words[0].dropFirst().prefix { $0 != ":" }) : nil
                let body = words[(add + 2)...].joined(separator: " ")
                rules.append(Rule(chain: chain, text: body, comment: Self.comment(in: body), packets: packets))
            } else if let target = words.last, target.hasPrefix("WEIR_"), words.dropLast().last == "-j" {
                jumps.insert(target)
            }
        }
    }

    /// True if there is nothing of Weir's.
    var isEmpty: Bool { names.isEmpty }

    /// The plan that is kept beside the rules.
    var plan: FirewallPlan? {
        FirewallPlan(text: rules.filter { $0.chain == "WEIR_PLAN" }.map(\.comment).joined())
    }

    /// True if nothing is redirected.
    var isInert: Bool { rules.contains { $0.comment == "inert" } }

    /// True if the counter of a rule of that role is of interest to a reader.
    static func counts(_ role: String) -> Bool {
        role.hasPrefix("provider") || role == "consumer" || (role.hasPrefix("stray") && role != "stray-reset-excluded")
    }

    /// The differences from the rules that Weir writes, a line each.
    func differences(from table: IptablesTable) -> [String] {
        var found: [String] = []
        for chain in table.chains {
            guard names.contains(chain.name) else {
                found.append("chain \(chain.name) is missing")
                continue
            }
            if chain.parent != nil, !jumps.contains(chain.name) { found.append("nothing leads to chain \(chain.name)") }
            let here = rules.filter { $0.chain == chain.name }
            let roles = chain.rules.map(\.role)
            guard here.map(\.comment) != roles else { continue }
            let missing = roles.filter { role in !here.contains { $0.comment == role } }
            let foreign = here.filter { !roles.contains($0.comment) }
            found += missing.map { "chain \(chain.name): no rule \"\($0)\"" }
            found += foreign.map { "chain \(chain.name): a rule that is not Weir's: \($0.text)" }
            if missing.isEmpty, foreign.isEmpty { found.append("chain \(chain.name): rules out of order or twice") }
        }
        return found
    }

    private static func comment(in rule: String) -> String {
        guard let start = rule.firstRange(of: "--comment ") else { return "" }
        let rest = rule[start.upperBound...]
        if rest.first == "\"" { return String(rest.dropFirst().prefix { $0 != "\"" }) }
        return String(rest.prefix { $0 != " " })
    }
}
