/// The rules that are installed in one of the kernel's firewalls.
public struct InstalledRules: Sendable {
    /// The place: `nftables, table inet weir`.
    public let place: String
    /// The plan that was installed; `nil` if the rules do not tell, as those of another version.
    public let plan: FirewallPlan?
    /// True if nothing is redirected any more: the rest that ``RuleStore/makeInert()`` leaves.
    public let isInert: Bool
    /// The differences from the rules that Weir writes, a line each.
    public let differences: [String]
    /// The number of packets that each counting rule has met, by the rule's role.
    public let counters: [(role: String, packets: UInt64)]
}

/// A way to keep rules in the kernel.
protocol RuleStore: Sendable {
    /// Its name, as in `--backend`.
    var name: String { get }

    /// The installed rules; `nil` for none.
    func read() throws(InterceptFailure) -> InstalledRules?

    /// Puts a plan in force in place of any earlier one, atomically.
    ///
    /// - Returns: The place of the rules.
    func install(_ plan: FirewallPlan) throws(InterceptFailure) -> String

    /// Redirects nothing any more, but goes on translating what is redirected already.
    func makeInert() throws(InterceptFailure)

    /// Removes everything.
    func purge() throws(InterceptFailure)
}
