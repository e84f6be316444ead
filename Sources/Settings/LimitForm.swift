public import Calls
public import Policy

extension LimitDefinition {
    /// Appends the limit as an object, in the words of a limits file, which may hold it as it is.
    ///
    /// - Parameters:
    ///   - json: Where to.
    ///   - hidden: Attachments and headers, in lower case, what is wanted of which prints as `***`.
    public func writeForm(to json: inout JSONText, hiding hidden: [String] = []) {
        json.beginObject()
        json.text("name", name)
        if match != RequestMatcher() {
            json.key("match")
            match.writeForm(to: &json, hiding: hidden)
        }
        if !keys.isEmpty {
            json.key("per")
            json.beginArray()
            for key in keys { json.string(key.form) }
            json.endArray()
            json.count("max_keys", maxKeys)
        }
        algorithm.writeForm(to: &json)
        json.text("mode", mode.rawValue)
        json.key("reject")
        localReply.writeForm(to: &json, text: localReplyText)
        json.endObject()
    }
}

extension JSONText {
    /// The same text for a YAML reader, which takes fewer characters as they are: all but ASCII as `\u…` and `\U…`, and
    /// no halves of pairs.
    public var yamlBytes: [UInt8] {
        var text = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar.value < 0x7f {
                text.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16)
                let (letter, count) = scalar.value > 0xffff ? ("U", 8) : ("u", 4)
                text += "\\\(letter)" + String(repeating: "0", count: count - digits.count) + digits
            }
        }
        return Array(text.utf8)
    }
}

extension Duration {
    /// The time as settings have it, in whole milliseconds: `500ms`, `10s`, `1m`.
    public var settingText: String { ValueKind<Duration>.duration(.zero...(.seconds(36_000_000))).show(self) }
}

extension LimitKey {
    fileprivate var form: String {
        switch self {
        case .caller: "caller"
        case .peer: "peer"
        case .method: "method"
        case .interface: "interface"
        case .attachment(let name): "attachment \(name)"
        }
    }
}

extension LimitAlgorithm {
    fileprivate func writeForm(to json: inout JSONText) {
        json.text("algorithm", name)
        switch self {
        case .slidingWindow(let limit, let window), .fixedWindow(let limit, let window):
            json.count("limit", limit)
            json.text("window", window.settingText)
        case .tokenBucket(let rate, let period, let burst):
            json.text("rate", ValueKind<LimitRate>.rate.show(LimitRate(count: rate, period: period)))
            json.count("burst", burst)
        case .concurrency(let limit): json.count("limit", limit)
        }
    }
}

extension LocalReplyPolicy {
    fileprivate func writeForm(to json: inout JSONText, text: String) {
        json.beginObject()
        json.text("text", text)
        json.text("retry", retry.rawValue)
        for callProtocol in CallProtocol.product where !isException(in: callProtocol) {
            guard let setting = callProtocol.traits.localReplies.setting else { continue }
            json.key(setting)
            json.number(Int(codes[callProtocol]))
        }
        json.count("http_status", Int(httpStatus))
        json.key("retry_after")
        json.bool(givesRetryAfter)
        json.endObject()
    }
}

extension JSONText {
    /// Appends a key with a text.
    mutating func text(_ name: StaticString, _ value: String) {
        key(name)
        string(value)
    }

    fileprivate mutating func count(_ name: StaticString, _ value: Int) {
        key(name)
        number(UInt64(clamping: value))
    }
}
