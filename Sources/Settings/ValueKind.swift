internal import Calls
internal import Policy

/// Why a text is not taken as a value.
struct InvalidValue: Error, Equatable {
    let reason: String
    /// The list item that is meant, when it is one.
    var item: Int?
}

/// How a value is read from text and written as YAML.
struct ValueKind<Value: Sendable>: Sendable {
    let parse: @Sendable (String) throws(InvalidValue) -> Value
    let show: @Sendable (Value) -> String
    /// What helps when a list was found in its place.
    var listHint = ""
    /// Whether quotes around a text are none of it where it does not come from a file: not of a secret, which may have
    /// any form.
    var takesQuotes = true
}

extension ValueKind where Value == Bool {
    static var boolean: Self {
        Self(
            parse: { text throws(InvalidValue) in
                switch text {
                case "true", "yes", "on": return true
                case "false", "no", "off": return false
                default: throw InvalidValue(reason: "not true or false: \(text.quoted)")
                }
            },
            show: { $0 ? "true" : "false" }
        )
    }
}

extension ValueKind where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard isDigits(text) else { throw InvalidValue(reason: "not a whole number: \(text.quoted)") }
                guard let value = Int(digits: text), range ~= value else {
                    throw InvalidValue(reason: "not in \(range.lowerBound)...\(range.upperBound): \(text.printable)")
                }
                return value
            },
            show: { "\($0)" }
        )
    }

    /// Bytes, as `512B`, `16KiB`, `8MiB` or `1GiB`.
    static func size(_ range: ClosedRange<Int>) -> Self {
        let units: [(String, Int)] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        let show: @Sendable (Int) -> String = { bytes in
            let unit = units.last { bytes >= $0.1 && bytes % $0.1 == 0 } ?? units[0]
            return "\(bytes / unit.1)\(unit.0)"
        }
        return Self(
            parse: { text throws(InvalidValue) in
                let bytes = try amount(text, units: units, what: "a size", examples: "512B, 16KiB, 8MiB")
                guard let bytes, range ~= bytes else {
                    throw InvalidValue(
                        reason: "not in \(show(range.lowerBound))...\(show(range.upperBound)): \(text.printable)"
                    )
                }
                return bytes
            },
            show: show
        )
    }
}

extension ValueKind where Value == UInt16 {
    /// A TCP port.
    static var port: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard let port = UInt16(digits: text), port > 0 else {
                    throw InvalidValue(reason: "not a port of 1...65535: \(text.quoted)")
                }
                return port
            },
            show: { "\($0)" }
        )
    }
}

extension ValueKind where Value == Double {
    /// A decimal number such as `0.01`.
    static func decimal(_ range: ClosedRange<Double>) -> Self {
        Self(
            parse: { text throws(InvalidValue) in
                let isPlain = text.utf8.allSatisfy { 0x30...0x39 ~= $0 || $0 == UInt8(ascii: ".") }
                guard isPlain, let value = Double(text) else {
                    throw InvalidValue(reason: "not a number: \(text.quoted); write it as 0.01 or 10")
                }
                guard range ~= value else {
                    throw InvalidValue(
                        reason: "not in \(shown(range.lowerBound))...\(shown(range.upperBound)): \(text.printable)"
                    )
                }
                return value
            },
            show: shown
        )
    }
}

@Sendable private func shown(_ number: Double) -> String {
    number == number.rounded() && number < 1e15 ? "\(Int(number))" : "\(number)"
}

extension Duration {
    /// A time as settings have it: `500ms`, `10s`, `1m`, `1h`; `nil` for any other text, and above 10,000 h.
    ///
    /// - Parameter settingText: The text.
    public init?(settingText: String) {
        let kind = ValueKind<Duration>.duration(.zero...(.seconds(36_000_000)))
        guard let duration = try? kind.parse(settingText) else { return nil }
        self = duration
    }
}

extension ValueKind where Value == Duration {
    /// A time, as `500ms`, `10s`, `1m` or `1h`, a multiple of `step` milliseconds.
    static func duration(_ range: ClosedRange<Duration>, step: Int = 1) -> Self {
        let units: [(String, Int)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
        let show: @Sendable (Duration) -> String = { duration in
            let milliseconds = Int(duration / .milliseconds(1))
            guard milliseconds > 0 else { return "0s" }
            let unit = units.last { milliseconds % $0.1 == 0 } ?? units[0]
            return "\(milliseconds / unit.1)\(unit.0)"
        }
        return Self(
            parse: { text throws(InvalidValue) in
                let milliseconds = try amount(text, units: units, what: "a time", examples: "500ms, 10s, 1m, 1h")
                guard let milliseconds, range ~= .milliseconds(milliseconds) else {
                    throw InvalidValue(
                        reason: "not in \(show(range.lowerBound))...\(show(range.upperBound)): \(text.printable)"
                    )
                }
                guard milliseconds % step == 0 else {
                    throw InvalidValue(reason: "not in whole seconds: \(text.printable)")
                }
                return .milliseconds(milliseconds)
            },
            show: show
        )
    }
}

extension ValueKind where Value == NetworkAddress {
    static var listenAddress: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard let address = NetworkAddress(text) else { throw InvalidValue(reason: addressReason(text)) }
                guard case .name(let name) = address.host else { return address }
                guard name == "localhost" else {
                    throw InvalidValue(reason: "an address to listen on cannot be a name: \(text.quoted)")
                }
                return NetworkAddress(host: .ipv4(0x7f00_0001), port: address.port)
            },
            show: showAddress,
            listHint: addressHint
        )
    }

    /// As ``listenAddress``; `localhost` stays what it is, both loopback addresses.
    static var localAddress: Self {
        var kind = listenAddress
        let parse = kind.parse
        kind = Self(
            parse: { text throws(InvalidValue) in
                if let address = NetworkAddress(text), address.host == .name("localhost") { return address }
                return try parse(text)
            },
            show: kind.show,
            listHint: kind.listHint
        )
        return kind
    }

    static var upstreamAddress: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard let address = NetworkAddress(text) else { throw InvalidValue(reason: addressReason(text)) }
                guard !address.isUnspecified else {
                    throw InvalidValue(reason: "an address to connect to needs a host: \(text.quoted)")
                }
                guard address.port > 0 else {
                    throw InvalidValue(reason: "an address to connect to needs a port: \(text.quoted)")
                }
                return address
            },
            show: showAddress,
            listHint: addressHint
        )
    }

    // Brackets without quotes are a list in YAML.
    private static var addressHint: String { ", an IPv6 address needs quotes: \"[::1]:16006\"" }

    @Sendable private static func showAddress(_ address: NetworkAddress) -> String {
        if case .ipv6 = address.host { "\"\(address)\"" } else { "\(address)" }
    }

    private static func addressReason(_ text: String) -> String {
        let colons = text.utf8.count { $0 == UInt8(ascii: ":") }
        if colons > 1, !text.hasPrefix("[") {
            return "not an address: \(text.quoted); an IPv6 address is written as \"[::1]:16006\""
        }
        return "not an address: \(text.quoted)\(colons == 0 ? "; HOST:PORT is expected" : "")"
    }
}

extension ValueKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of a few words.
    static var word: Self {
        Self(
            parse: { text throws(InvalidValue) in
                if let value = Value(rawValue: text) { return value }
                let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
                throw InvalidValue(reason: "not one of \(known): \(text.quoted)")
            },
            show: { $0.rawValue }
        )
    }
}

extension ValueKind where Value == String {
    /// A secret; what was given is never repeated.
    static var token: Self {
        Self(
            parse: { text throws(InvalidValue) in
                let isVisible = text.utf8.allSatisfy { 0x21...0x7e ~= $0 }
                guard 8...256 ~= text.utf8.count, isVisible else {
                    throw InvalidValue(reason: "must be 8...256 visible ASCII characters")
                }
                return text
            },
            show: { _ in "\"***\"" },
            takesQuotes: false
        )
    }

    /// A name of up to 255 characters without control characters.
    static var name: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard 1...255 ~= text.utf8.count, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
                else { throw InvalidValue(reason: "not a name of 1...255 printable characters: \(text.quoted)") }
                return text
            },
            show: singleQuoted
        )
    }

    /// The name of a host, without a port.
    static var hostName: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard let address = NetworkAddress(text + ":1"), case .name(let name) = address.host else {
                    throw InvalidValue(reason: "not the name of a host: \(text.quoted)")
                }
                return name.lowercased()
            },
            show: singleQuoted
        )
    }

    /// The path of a file.
    static var path: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard 1...4096 ~= text.utf8.count, !text.utf8.contains(0) else {
                    throw InvalidValue(reason: "not a path: \(text.quoted)")
                }
                return text
            },
            show: singleQuoted
        )
    }

    /// A pattern of the paths of HTTP requests.
    static var pathPattern: Self {
        Self(
            parse: { text throws(InvalidValue) in
                let isVisible = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "#") }
                guard 1...1024 ~= text.utf8.count, text.hasPrefix("/") || text.hasPrefix("*"), isVisible else {
                    throw InvalidValue(reason: "not a path pattern: \(text.quoted); write it as /rpc or /api/*")
                }
                return text
            },
            show: singleQuoted
        )
    }

    /// An `http://` or `https://` address; one with a password is refused and never repeated.
    static var url: Self {
        Self(
            parse: { text throws(InvalidValue) in
                let rest = ["http://", "https://"].first { text.hasPrefix($0) }.map { text.dropFirst($0.count) }
                let isVisible = text.utf8.allSatisfy { 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "'") }
                let shown = text.contains("@") ? "" : ": \(text.quoted)"
                let problem = InvalidValue(reason: "not an address\(shown); write it as http://HOST:PORT")
                guard let rest, isVisible, text.utf8.count <= 2048 else { throw problem }
                let authority = rest.prefix { !"/?#".contains($0) }
                guard !authority.contains("@") else {
                    throw InvalidValue(reason: "an address must have no user and no password; headers may carry them")
                }
                guard !rest.contains("#"), isHostAndPort(authority) else { throw problem }
                return text
            },
            // A query may hold a key.
            show: { text in
                singleQuoted(text.firstIndex(of: "?").map { text[...$0] + "***" } ?? text)
            }
        )
    }

    /// Whether a URL's authority is a name or an address, IPv6 in brackets, and perhaps a port.
    private static func isHostAndPort(_ text: Substring) -> Bool {
        let isBracketed = text.hasPrefix("[")
        let end = isBracketed ? text.firstIndex(of: "]").map(text.index(after:)) : text.firstIndex(of: ":")
        let host = text[..<(end ?? text.endIndex)]
        let port = text[(end ?? text.endIndex)...]
        let isAddress = isBracketed && host.hasSuffix("]") && host.contains(":")
        let isName = host.allSatisfy { $0.isLetter || $0.isNumber || "-._".contains($0) }
        guard isAddress || isName, 1...255 ~= host.utf8.count else { return false }
        guard !port.isEmpty else { return true }
        let digits = port.dropFirst()
        return port.hasPrefix(":") && digits.utf8.allSatisfy { 0x30...0x39 ~= $0 } && 1...65_535 ~= Int(digits) ?? 0
    }

    /// A header as `NAME=VALUE`; what was given is never repeated.
    static var header: Self {
        Self(
            parse: { text throws(InvalidValue) in
                let name = text.utf8.prefix { $0 != UInt8(ascii: "=") }
                let value = text.utf8.dropFirst(name.count + 1)
                let isToken = name.allSatisfy { byte in
                    (0x21...0x7e).contains(byte) && !"()<>@,;:\\\"/[]?={}".utf8.contains(byte)
                }
                guard !name.isEmpty, name.count < text.utf8.count, isToken, value.allSatisfy({ 0x20...0x7e ~= $0 }),
                    text.utf8.count <= 4096
                else { throw InvalidValue(reason: "not a header; write it as NAME=VALUE") }
                return text
            },
            show: { "'\($0.prefix { $0 != "=" })=***'" }
        )
    }

    /// A condition of finished calls, `outcome=error`.
    static var callCondition: Self {
        Self(
            parse: { text throws(InvalidValue) in
                let (name, value) = LogSettings.parameter(text)
                guard text.utf8.contains(UInt8(ascii: "=")), name != "limit" else {
                    let known = CallFilter.parameterNames.filter { $0 != "limit" }.joined(separator: ", ")
                    throw InvalidValue(reason: "not NAME=VALUE with a name of \(known): \(text.quoted)")
                }
                do throws(CallFilterProblems) {
                    _ = try CallFilter(parameters: [(name, value)])
                } catch {
                    let reason = error.problems.first?.reason ?? ""
                    throw InvalidValue(reason: "\(name.printable): \(reason)")
                }
                return text
            },
            show: singleQuoted
        )
    }

    /// The name of an attachment or header, in lower case.
    static var attachmentName: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard 1...128 ~= text.utf8.count, text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else {
                    throw InvalidValue(reason: "not a name of 1...128 visible ASCII characters: \(text.quoted)")
                }
                return text.lowercased()
            },
            show: singleQuoted
        )
    }
}

/// A text without control characters needs no escapes between single quotes but for the quote itself.
@Sendable private func singleQuoted(_ text: String) -> String {
    "'\(text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''"))'"
}

private func isDigits(_ text: some StringProtocol) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
}

/// A whole number with a unit, in the smallest unit; `nil` when it is far out of every range.
private func amount(
    _ text: String,
    units: [(String, Int)],
    what: String,
    examples: String
) throws(InvalidValue) -> Int? {
    let digits = text.utf8.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }.count
    let number = text.prefix(digits)
    let unit = text.dropFirst(digits)
    guard digits > 0, unit.isEmpty || units.contains(where: { $0.0 == unit }) else {
        throw InvalidValue(reason: "not \(what): \(text.quoted); write it as \(examples)")
    }
    if unit.isEmpty, Int(number) != 0 {
        throw InvalidValue(reason: "needs a unit: \(text.quoted); write it as \(examples)")
    }
    guard let count = Int(number) else { return nil }
    let factor = units.first { $0.0 == unit }?.1 ?? 1
    let (product, overflow) = count.multipliedReportingOverflow(by: factor)
    return overflow || product > 1 << 50 ? nil : product
}
