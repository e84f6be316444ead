internal import Settings

/// A chain of the kernel's that may translate connections, at the hooks of Weir's rules.
public struct NatChain: Equatable, Sendable {
    /// `prerouting` or `output`.
    public let hook: String
    /// Its priority at the hook: lower comes first.
    public let priority: Int
    /// `table ip nat, chain PREROUTING`.
    public let name: String
    /// True if it is Weir's own.
    public let isWeirs: Bool
}

extension NatChain {
    /// Reads what `nft list chains` prints.
    ///
    /// - Parameter text: The listing; what is no NAT chain at one of the two hooks is left out.
    /// - Returns: The chains in the kernel's order: of two with the same priority the younger one first (tried with
    ///   Linux 6.18), which is the later one in the listing.
    static func read(_ text: String) -> [NatChain] {
        var chains: [NatChain] = []
        var table = ""
        var chain = ""
        for line in text.split(separator: "\n") {
            let words = line.split { " \t{;".contains($0) }.map(String.init)
            guard let first = words.first, words.count > 1 else { continue }
            switch first {
            case "table": table = words.dropFirst().joined(separator: " ")
            case "chain": chain = words[1]
            case "type" where words[1] == "nat":
                guard let hook = words.value(after: "hook"), hook == "prerouting" || hook == "output",
                    let priority = Self.priority(words)
                else { continue }
                let isWeirs = table.split(separator: " ").last == "weir"
                let name = "table \(table), chain \(chain)"
                chains.append(NatChain(hook: hook, priority: priority, name: name.printable, isWeirs: isWeirs))
            default: continue
            }
        }
        return ordered(chains.reversed())
    }

    /// The chains hook by hook, by priority; what has the same one stays as it is.
    static func ordered(_ chains: [NatChain]) -> [NatChain] {
        chains.enumerated().sorted {
            ($1.element.hook, $0.element.priority, $0.offset) < ($0.element.hook, $1.element.priority, $1.offset)
        }.map(\.element)
    }

    /// A number, or `dstnat`, or `dstnat - 10`.
    private static func priority(_ words: [String]) -> Int? {
        guard let place = words.firstIndex(of: "priority"), place + 1 < words.count else { return nil }
        if let number = Int(words[place + 1]) { return number }
        let names = ["raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100]
        guard let base = names[words[place + 1]] else { return nil }
        guard place + 3 < words.count, let offset = Int(words[place + 3]) else { return base }
        return words[place + 2] == "-" ? base - offset : base + offset
    }
}

extension [String] {
    fileprivate func value(after word: String) -> String? {
        firstIndex(of: word).flatMap { $0 + 1 < count ? self[$0 + 1] : nil }
    }
}
