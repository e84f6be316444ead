internal import Settings

/// The firewall that holds the rules.
public enum InterceptBackend: String, CaseIterable, Sendable {
    /// The one that already has rules of Weir's, or else the first of the others that works.
    case auto
    /// nftables: a table for both families, or, if the kernel has no NAT there, one for each.
    case nftables
    /// iptables and ip6tables.
    case iptables
}

/// An installer, remover and reader of the rules that redirect connections to Weir.
public struct Interceptor: Sendable {
    /// The change that an installation made.
    public struct Change: Sendable {
        /// The place of the rules.
        public let place: String
        /// The rules installed before; `nil` for none.
        public let previous: InstalledRules?
    }

    /// The stores for new rules, in order of preference.
    private let stores: [any RuleStore]
    /// The stores that may already have rules.
    private let known: [any RuleStore]

    /// Chooses where rules are kept.
    ///
    /// - Parameters:
    ///   - backend: The firewall.
    ///   - separateTables: True if nftables always gets a table for each family.
    public init(backend: InterceptBackend = .auto, separateTables: Bool = false) {
        let layouts: [NftStore.Layout] = separateTables ? [.separate] : [.inet, .separate]
        let nftables: [any RuleStore] = layouts.map { NftStore(layout: $0) }
        known = [NftStore(layout: .inet), IptablesStore()]
        switch backend {
        case .auto: stores = nftables + [IptablesStore()]
        case .nftables: stores = nftables
        case .iptables: stores = [IptablesStore()]
        }
    }

    /// The rules as a backend would be given them.
    ///
    /// - Parameters:
    ///   - plan: The plan.
    ///   - separateTables: True if each family has a table of its own.
    ///   - backend: The backend.
    /// - Returns: Text for `nft -f -`, or for `iptables-restore --noflush` and after an empty line for
    ///   `ip6tables-restore --noflush`.
    public static func text(
        _ plan: FirewallPlan,
        separateTables: Bool = false,
        backend: InterceptBackend = .auto
    ) -> String {
        if backend == .iptables {
            return [false, true].map { IptablesTable(isIPv6: $0, plan: plan, isInert: false).text(jumps: []) }
                .joined(separator: "\n")
        }
        let families = (separateTables ? NftStore.Layout.separate : .inet).families
        let tables = families.map { NftTable(family: $0, plan: plan, isInert: false).text }
        return NftStore.removal(families) + tables.joined()
    }

    /// Puts a plan in force in place of any earlier one, atomically.
    ///
    /// - Parameter plan: The plan.
    /// - Returns: The earlier rules, and the place of the new ones.
    /// - Throws: ``InterceptFailure`` with what each backend that was tried said.
    public func install(_ plan: FirewallPlan) throws(InterceptFailure) -> Change {
        let present = (try? present()) ?? []
        let current = present.first
        var candidates = stores
        // Where there are rules already, even if others would do: what is redirected lives by them.
        if let name = current?.store.name {
            candidates = stores.filter { $0.name == name } + stores.filter { $0.name != name }
        }
        var failures: [InterceptFailure] = []
        for store in candidates {
            do throws(InterceptFailure) {
                let place = try store.install(plan)
                for other in present where other.store.name != store.name && !other.rules.isInert {
                    try other.store.makeInert()
                }
                return Change(place: place, previous: current?.rules)
            } catch {
                if error.kind == .denied { throw error }
                failures.append(error)
            }
        }
        throw Self.joined(failures)
    }

    /// One failure of several, each reason once.
    private static func joined(_ failures: [InterceptFailure]) -> InterceptFailure {
        let reasons = failures.map(\.description)
        let distinct = reasons.indices.filter { !reasons[..<$0].contains(reasons[$0]) }.map { reasons[$0] }
        return InterceptFailure(
            kind: failures.allSatisfy { $0.kind == .missing } ? .missing : .failed,
            description: distinct.joined(separator: "; ")
        )
    }

    /// The installed rules: those in force before inert ones; empty for none.
    ///
    /// - Returns: The rules of each backend that has any.
    /// - Throws: ``InterceptFailure`` when no backend can be read.
    public func read() throws(InterceptFailure) -> [InstalledRules] { try present().map(\.rules) }

    /// Redirects nothing any more, but leaves what keeps redirected connections alive.
    ///
    /// - Throws: ``InterceptFailure``.
    public func remove() throws(InterceptFailure) { for (store, _) in try present() { try store.makeInert() } }

    /// Removes everything; redirected connections end with it if nothing else uses NAT.
    ///
    /// - Throws: ``InterceptFailure``.
    public func purge() throws(InterceptFailure) { for (store, _) in try present() { try store.purge() } }

    /// The chains that may translate connections where Weir's rules do, in the kernel's order.
    ///
    /// - Returns: Weir's own and others, of both hooks.
    /// - Throws: ``InterceptFailure`` when it may not be read.
    public func order() throws(InterceptFailure) -> [NatChain] {
        var chains: [NatChain] = []
        do throws(InterceptFailure) {
            chains = NatChain.read(try Tool("nft").demand(["list", "chains"]))
        } catch {
            // Without nftables there are no chains in it.
            if error.kind == .denied { throw error }
        }
        return NatChain.ordered(chains + IptablesStore.olderNat)
    }

    /// The stores that have rules, those in force first.
    private func present() throws(InterceptFailure) -> [(store: any RuleStore, rules: InstalledRules)] {
        var found: [(store: any RuleStore, rules: InstalledRules)] = []
        var failures: [InterceptFailure] = []
        for store in known {
            do throws(InterceptFailure) {
                if let rules = try store.read() { found.append((store, rules)) }
            } catch {
                if error.kind == .denied { throw error }
                failures.append(error)
            }
        }
        guard failures.count < known.count else { throw Self.joined(failures) }
        return found.filter { !$0.rules.isInert } + found.filter(\.rules.isInert)
    }
}
