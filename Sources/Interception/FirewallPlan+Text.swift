internal import Settings

extension FirewallPlan {
    /// The ports that Weir takes connections on for this plan.
    public var listenPorts: PortSet { PortSet([provider?.listenPort, consumer?.listenPort].compactMap(\.self)) }

    /// The plan as it is kept beside its rules: `1;provider=20880>16006;local;user=1337;own=16001,16006`.
    var text: String {
        var fields = ["1"]
        if let provider {
            fields.append("provider=\(provider.ports.compact)>\(provider.listenPort)")
            if provider.includesLocal { fields.append("local") }
        }
        if let consumer {
            fields.append("consumer=\(consumer.ports?.compact ?? "all")>\(consumer.listenPort)")
            if !consumer.excluded.isEmpty { fields.append("except=\(consumer.excluded.compact)") }
            if consumer.includesLoopback { fields.append("loopback") }
        }
        if let user { fields.append("user=\(user)") }
        fields.append("own=\(ownPorts.compact)")
        return fields.joined(separator: ";")
    }

    /// Reads ``text`` back; `nil` for anything else, such as the rules of another version.
    init?(text: String) {
        let fields = text.split(separator: ";", omittingEmptySubsequences: false).map(String.init)
        guard fields.first == "1" else { return nil }
        var values: [String: String] = [:]
        for field in fields.dropFirst() {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard values.updateValue(parts.count == 2 ? parts[1] : "", forKey: parts[0]) == nil else { return nil }
        }
        guard values.keys.allSatisfy(Self.fieldNames.contains) else { return nil }
        do throws(InterceptProblem) {
            var provider: Provider?
            if let value = values["provider"] {
                let (ports, listenPort) = try Self.side(value)
                guard let ports else { return nil }
                provider = Provider(ports: ports, listenPort: listenPort, includesLocal: values["local"] != nil)
            }
            var consumer: Consumer?
            if let value = values["consumer"] {
                let (ports, listenPort) = try Self.side(value)
                consumer = Consumer(
                    ports: ports,
                    excluded: try values["except"].map { text throws(InterceptProblem) in try PortSet(parsing: text) }
                        ?? PortSet([]),
                    listenPort: listenPort,
                    includesLoopback: values["loopback"] != nil
                )
            }
            let own = try PortSet(parsing: values["own"] ?? "").ranges.flatMap { Array($0) }
            try self.init(provider: provider, consumer: consumer, user: values["user"], ownPorts: own)
        } catch {
            return nil
        }
    }

    private static let fieldNames: Set = [
        "provider", "local", "consumer", "except", "loopback", "user", "own",
    ]

    private static func side(_ text: String) throws(InterceptProblem) -> (ports: PortSet?, listenPort: UInt16) {
        let parts = text.split(separator: ">", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, let listenPort = UInt16(digits: parts[1]) else { throw .ports(text) }
        return (parts[0] == "all" ? nil : try PortSet(parsing: parts[0]), listenPort)
    }

    /// The plan for a reader, a fact a line.
    public var lines: [String] {
        var lines: [String] = []
        if let provider {
            lines.append("connections to ports \(provider.ports) come to port \(provider.listenPort)")
            if provider.includesLocal { lines.append("connections from this machine to those ports too") }
        }
        if let consumer {
            let ports = consumer.ports.map { "ports \($0)" } ?? "every port"
            let exception = consumer.excluded.isEmpty ? "" : " but \(consumer.excluded)"
            lines.append("connections of the application to \(ports)\(exception) come to port \(consumer.listenPort)")
            if consumer.includesLoopback { lines.append("connections to loopback addresses too") }
        }
        if let user { lines.append("connections of user \(user) are left alone") }
        return lines
    }

    /// The differences from an earlier plan, with the unchanged lines: lines that begin with `+`, `-` or a space.
    ///
    /// - Parameter old: The earlier plan, if there was one.
    /// - Returns: Lines for a reader.
    public func changes(from old: FirewallPlan?) -> [String] {
        let before = old?.lines ?? []
        let after = lines
        return before.filter { !after.contains($0) }.map { "- \($0)" }
            + after.map { before.contains($0) ? "  \($0)" : "+ \($0)" }
    }
}

extension PortSet {
    /// `20880,30000-30100`, as ``init(parsing:)`` reads it.
    var compact: String { description.filter { $0 != " " } }
}
