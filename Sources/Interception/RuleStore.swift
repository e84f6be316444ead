/// What is installed in one of the kernel's firewalls.
public struct InstalledRules: Sendable {
    /// Where: `nftables, table inet weir`.
    public let place: String
    /// What was installed; `nil` when the rules do not tell, as those of another version.
    public let plan: FirewallPlan?
    /// Whether nothing is redirected any more: what ``RuleStore/makeInert()`` left behind.
    public let isInert: Bool
    /// In what the rules are not as Weir writes them, a line each.
    public let differences: [String]
    /// How many packets each rule that counts has met, by the rule's role.
    public let counters: [(role: String, packets: UInt64)]
}

/// One way to keep rules in the kernel.
protocol RuleStore: Sendable {
    /// Its name, as in `--backend`.
    var name: String { get }

    /// What is installed; `nil` for nothing.
    func read() throws(InterceptFailure) -> InstalledRules?

    /// Puts a plan in force in place of anything that was there, at once or not at all.
    ///
    /// - Returns: Where it is now.
    func install(_ plan: FirewallPlan) throws(InterceptFailure) -> String

    /// Redirects nothing any more, but goes on translating what is redirected already.
    func makeInert() throws(InterceptFailure)

    /// Takes everything away.
    func purge() throws(InterceptFailure)
}
