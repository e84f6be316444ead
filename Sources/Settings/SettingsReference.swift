/// What a person needs to know about one setting.
public struct SettingReference: Equatable, Sendable {
    /// `section.key`, as in the file and in overrides.
    public let keyPath: String
    /// The environment variable that sets it.
    public let environmentName: String
    /// The default as YAML.
    public let defaultText: String
    /// What it means, in one line.
    public let help: String

    /// Every setting, in the order of the file.
    public static var all: [SettingReference] {
        let defaults = WeirSettings()
        return SettingKey.all.map {
            SettingReference(
                keyPath: $0.path,
                environmentName: $0.environmentName,
                defaultText: $0.show(defaults),
                help: $0.help
            )
        }
    }
}

extension WeirSettings {
    /// The settings that are not as in others, the list of limits aside.
    ///
    /// - Parameter other: The others.
    /// - Returns: `section.key`, in the order of the file.
    public func keys(differingFrom other: WeirSettings) -> [String] {
        var (own, others) = (self, other)
        own.limits = []
        others.limits = []
        // What is secret shows alike.
        var keys = SettingKey.all.filter { $0.show(own) != $0.show(others) }.map(\.path)
        if own.admin.token != others.admin.token, !keys.contains("admin.token") { keys.append("admin.token") }
        if own.tracing.headers != others.tracing.headers, !keys.contains("tracing.headers") {
            keys.append("tracing.headers")
        }
        return keys
    }

    /// All settings as a configuration file with defaults written out; the token prints as `***`.
    public var yamlText: String {
        var text = ""
        var section: Substring = ""
        for key in SettingKey.all {
            let parts = key.path.split(separator: ".", maxSplits: 1)
            guard parts.count == 2 else {
                text += "\(key.path): \(key.show(self))\n"
                section = ""
                continue
            }
            if parts[0] != section {
                section = parts[0]
                text += "\(section):\n"
            }
            text += "  \(parts[1]): \(key.show(self))\n"
        }
        return text
    }
}
