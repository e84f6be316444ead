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
