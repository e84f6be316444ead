/// A table as `nft list table` prints it.
///
/// Only names, comments and counters are read: the form of a match differs from version to version.
struct NftListing: Equatable {
    struct Rule: Equatable {
        let text: String
        /// The comment; empty when there is none.
        let comment: String
        /// The value of its counter; `nil` if it has none.
        let packets: UInt64?
    }

    struct Chain: Equatable {
        let name: String
        /// `type nat hook prerouting priority …`; `nil` for a chain without a hook.
        var hook: String?
        var rules: [Rule] = []
    }

    let family: String
    private(set) var chains: [Chain] = []
    /// The ports of each set; `nil` where its elements are no ports.
    private(set) var sets: [String: PortSet?] = [:]

    /// Reads the text of one table.
    ///
    /// - Parameters:
    ///   - family: The table's address family.
    ///   - text: Any text; what is no table yields no chains.
    init(family: String, text: String) {
        self.family = family
        var chain: Chain?
        var set: (name: String, text: String)?
        var pending = ""
        for line in text.split(separator: "\n") {
            let line = line.trimmingBlanks
            if let open = set {
                guard line == "}" else {
                    set = (open.name, open.text + line)
                    continue
                }
                sets[open.name] = .some(Self.ports(open.text))
                set = nil
                continue
            }
            if chain == nil {
                if line.hasPrefix("set "), line.hasSuffix("{") {
                    set = (line.dropFirst(4).dropLast().trimmingBlanks, "")
                }
                guard line.hasPrefix("chain "), line.hasSuffix("{") else { continue }
                chain = Chain(name: line.dropFirst(6).dropLast().trimmingBlanks)
                continue
            }
            pending += pending.isEmpty ? line : " " + line
            // A set may be printed over several lines.
            if pending.count(where: { $0 == "{" }) > pending.count(where: { $0 == "}" }) { continue }
            if pending == "}" {
                if let chain { chains.append(chain) }
                chain = nil
            } else if pending.hasPrefix("type ") {
                chain?.hook = pending
            } else {
                chain?.rules.append(Rule(pending))
            }
            pending = ""
        }
    }

    /// The ports between the braces of `elements = { 20880, 30000-30100 }`.
    private static func ports(_ text: String) -> PortSet? {
        guard let start = text.firstRange(of: "elements = {"), let end = text.lastIndex(of: "}"),
            start.upperBound <= end
        else { return nil }
        return try? PortSet(parsing: String(text[start.upperBound..<end].filter { $0 != "\t" }))
    }

    /// The plan that is kept in the table.
    var plan: FirewallPlan? {
        let pieces = chains.first { $0.name == "plan" }?.rules.map(\.comment) ?? []
        return FirewallPlan(text: pieces.joined())
    }

    /// True if it redirects nothing.
    var isInert: Bool { chains.contains { $0.rules.contains { $0.comment == "inert" } } }

    /// The differences from the rules that Weir writes, a line each.
    func differences(from table: NftTable) -> [String] {
        var found: [String] = []
        for expected in table.chains {
            guard let chain = chains.first(where: { $0.name == expected.name }) else {
                found.append("chain \(expected.name) is missing")
                continue
            }
            if expected.hook != nil, chain.hook == nil { found.append("chain \(expected.name) has no hook") }
            guard chain.rules.map(\.comment) != expected.rules.map(\.role) else { continue }
            let roles = expected.rules.map(\.role)
            let missing = roles.filter { role in !chain.rules.contains { $0.comment == role } }
            let foreign = chain.rules.filter { !roles.contains($0.comment) }
            found += missing.map { "chain \(expected.name): no rule \"\($0)\"" }
            found += foreign.map { "chain \(expected.name): a rule that is not Weir's: \($0.text)" }
            if missing.isEmpty, foreign.isEmpty { found.append("chain \(expected.name): rules out of order or twice") }
        }
        for (name, ports) in table.sets where sets[name] != .some(.some(ports)) {
            found.append("set \(name): not \(ports)")
        }
        let names = table.chains.map(\.name)
        found += chains.filter { !names.contains($0.name) }.map { "a chain that is not Weir's: \($0.name)" }
        return found
    }
}

extension NftListing.Rule {
    fileprivate init(_ line: String) {
        var text = Substring(line)
        var comment: Substring = ""
        if line.hasSuffix("\""), let start = line.ranges(of: " comment \"").last {
            comment = line[start.upperBound...].dropLast()
            text = line[..<start.lowerBound]
        }
        self.text = String(text)
        self.comment = String(comment)
        let words = text.split(separator: " ")
        let place = words.indices.first { $0 + 2 < words.count && words[$0] == "counter" && words[$0 + 1] == "packets" }
        packets = place.flatMap { UInt64(words[$0 + 2]) }
    }
}

extension StringProtocol {
    /// The text without blanks around it.
    var trimmingBlanks: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return ""
        }
        return String(self[first...last])
    }
}
