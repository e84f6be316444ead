internal import Calls
internal import Policy

extension RequestMatcher {
    /// What stands for a value that is not to be shown.
    static let hiddenText = "***"

    /// Appends the matcher as an object, in the words of a limits file.
    func writeForm(to json: inout JSONText, hiding hidden: [String]) {
        json.beginObject()
        let patterns: [(StaticString, TextPattern?)] = [
            ("interface", interface), ("method", method), ("version", version), ("group", group), ("caller", caller),
            ("peer", peer),
        ]
        for (name, pattern) in patterns {
            guard let pattern else { continue }
            json.key(name)
            pattern.writeForm(to: &json)
        }
        if let callProtocol { json.text("protocol", callProtocol.label.description) }
        if let side { json.text("side", side.label.description) }
        if !attachments.isEmpty {
            json.key("attachment")
            json.beginObject()
            for attachment in attachments {
                json.key(text: attachment.name)
                if hidden.contains(attachment.name) {
                    json.string(Self.hiddenText)
                } else {
                    attachment.value.writeForm(to: &json)
                }
            }
            json.endObject()
        }
        json.endObject()
    }
}

extension TextPattern {
    /// The pattern as a plain text where that stands for it, else as a mapping.
    fileprivate func writeForm(to json: inout JSONText) {
        let (kind, plain): (StaticString, String) =
            switch self {
            case .exact(let text): ("exact", text)
            case .glob(let text): ("glob", text)
            case .regex(let text): ("regex", "/\(text)/")
            }
        if TextPattern(shorthand: plain) == self { return json.string(plain) }
        json.beginObject()
        json.text(kind, text)
        json.endObject()
    }
}
