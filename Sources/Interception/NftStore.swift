/// Rules in nftables, in a table `weir`.
struct NftStore: RuleStore {
    /// The tables that hold the rules.
    enum Layout: Sendable {
        /// One table for both families; NAT in it needs Linux 5.2.
        case inet
        /// A table for each family, for older kernels.
        case separate

        var families: [String] { self == .inet ? ["inet"] : ["ip", "ip6"] }
        var place: String { families.map { "table \($0) weir" }.joined(separator: " and ") }
    }

    private static let families = ["inet", "ip", "ip6"]

    let layout: Layout
    let tool: Tool

    init(layout: Layout, tool: Tool = Tool("nft")) {
        self.layout = layout
        self.tool = tool
    }

    var name: String { "nftables" }

    func read() throws(InterceptFailure) -> InstalledRules? {
        let listings = try listings()
        guard let first = listings.first else { return nil }
        let plan = first.plan
        let isInert = listings.allSatisfy(\.isInert)
        var counters: [(role: String, packets: UInt64)] = []
        var differences: [String] = []
        for listing in listings {
            for rule in listing.chains.flatMap(\.rules) {
                guard let packets = rule.packets else { continue }
                if let index = counters.firstIndex(where: { $0.role == rule.comment }) {
                    counters[index].packets += packets
                } else {
                    counters.append((rule.comment, packets))
                }
            }
            let table = NftTable(family: listing.family, plan: plan, isInert: isInert)
            differences += listing.differences(from: table).map { listings.count > 1 ? "\(listing.family): \($0)" : $0 }
        }
        if plan == nil, !isInert { differences = ["these are rules of another version"] }
        let tables = listings.map { "table \($0.family) weir" }.joined(separator: " and ")
        return InstalledRules(
            place: "nftables, \(tables)",
            plan: plan,
            isInert: isInert,
            differences: differences,
            counters: counters
        )
    }

    func install(_ plan: FirewallPlan) throws(InterceptFailure) -> String {
        let present = try presentFamilies()
        let tables = layout.families.map { NftTable(family: $0, plan: plan, isInert: false).text }
        _ = try tool.demand(["-f", "-"], input: Self.removal(present + layout.families) + tables.joined())
        return "nftables, \(layout.place)"
    }

    func makeInert() throws(InterceptFailure) {
        let listings = try listings()
        guard !listings.isEmpty else { return }
        let tables = listings.map { NftTable(family: $0.family, plan: $0.plan, isInert: true).text }
        _ = try tool.demand(["-f", "-"], input: Self.removal(listings.map(\.family)) + tables.joined())
    }

    func purge() throws(InterceptFailure) {
        let present = try presentFamilies()
        guard !present.isEmpty else { return }
        _ = try tool.demand(["-f", "-"], input: Self.removal(present))
    }

    /// The text that removes tables, existing or not.
    static func removal(_ families: [String]) -> String {
        // `delete` fails without a table and `add` does not fail with one: together they always succeed.
        Self.families.filter { families.contains($0) }
            .map { "add table \($0) weir\ndelete table \($0) weir\n" }.joined()
    }

    private func presentFamilies() throws(InterceptFailure) -> [String] {
        let tables = try tool.demand(["list", "tables"]).split(separator: "\n").map { $0.trimmingBlanks }
        return Self.families.filter { tables.contains("table \($0) weir") }
    }

    private func listings() throws(InterceptFailure) -> [NftListing] {
        var listings: [NftListing] = []
        for family in try presentFamilies() {
            // Numbers for names: port 22 is not `ssh`.
            let text = try tool.demand(["-nnn", "list", "table", family, "weir"])
            listings.append(NftListing(family: family, text: text))
        }
        return listings
    }
}
