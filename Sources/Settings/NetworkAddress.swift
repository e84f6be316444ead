/// An IP address or a host name, and a TCP port.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
    /// The part before the port.
    public enum Host: Hashable, Sendable {
        /// An IPv4 address, first octet in the highest byte; an IPv4-mapped IPv6 address is read as this.
        case ipv4(UInt32)
        /// An IPv6 address, first group in the highest bits.
        case ipv6(UInt128)
        /// A name still to be looked up.
        case name(String)
    }

    /// The address or name.
    public let host: Host
    /// The TCP port; 0 in a listen address lets the kernel choose.
    public let port: UInt16

    /// Makes an address.
    ///
    /// - Parameters:
    ///   - host: The address or name.
    ///   - port: The TCP port.
    public init(host: Host, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `127.0.0.1:80`, `[::1]:80`, `name:80` or `:80` (all addresses, dual stack).
    ///
    /// - Parameter text: At most 253 characters of name.
    public init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let hostText = text[..<colon]
        guard let port = UInt16(digits: text[text.utf8.index(after: colon)...]) else { return nil }
        let host: Host?
        if hostText.isEmpty {
            host = .ipv6(0)
        } else if hostText.hasPrefix("["), hostText.hasSuffix("]") {
            host = parseIPv6(hostText.dropFirst().dropLast()).map(Host.unmapped)
        } else {
            host = parseIPv4(hostText).map(Host.ipv4) ?? (isHostName(hostText) ? .name(String(hostText)) : nil)
        }
        guard let host else { return nil }
        self.init(host: host, port: port)
    }

    /// Whether only this machine can connect to it.
    public var isLoopback: Bool {
        switch host {
        case .ipv4(let address): address >> 24 == 127
        case .ipv6(let address): address == 1
        case .name(let name): name == "localhost"
        }
    }

    /// Whether it stands for every local address: `0.0.0.0` or `[::]`.
    public var isUnspecified: Bool { host == .ipv4(0) || host == .ipv6(0) }

    /// The host without brackets.
    public var hostText: String {
        switch host {
        case .ipv4(let address):
            stride(from: 24, through: 0, by: -8).map { "\(address >> $0 & 0xff)" }.joined(separator: ".")
        case .ipv6(let address): textIPv6(address)
        case .name(let name): name
        }
    }

    /// `HOST:PORT`, IPv6 in brackets.
    public var description: String {
        if case .ipv6 = host { "[\(hostText)]:\(port)" } else { "\(hostText):\(port)" }
    }

    /// Whether two listeners on these addresses would get in each other's way; `[::]` is dual stack.
    func overlaps(_ other: NetworkAddress) -> Bool {
        guard port == other.port, port != 0 else { return false }
        return host == other.host || covers(other) || other.covers(self)
    }

    /// Whether a listener on every address takes what is sent to `other`'s host, as far as the text tells.
    private func covers(_ other: NetworkAddress) -> Bool {
        switch (host, other.host) {
        case (.ipv6(0), _), (.ipv4(0), .ipv4), (.ipv4(0), .name("localhost")): true
        case (.name("localhost"), .ipv4), (.name("localhost"), .ipv6):
            other.host == .ipv4(0x7f00_0001) || other.host == .ipv6(1)
        default: false
        }
    }

    /// Whether connecting to `self` surely reaches a listener on `listen`.
    func reaches(_ listen: NetworkAddress) -> Bool {
        guard port == listen.port, port != 0 else { return false }
        if isLoopback, listen.isUnspecified { return true }
        if case .name = host, isLoopback { return listen.isLoopback }
        return host == listen.host
    }
}

extension NetworkAddress.Host {
    /// `::ffff:a.b.c.d` names an IPv4 peer (RFC 4291 §2.5.5.2).
    fileprivate static func unmapped(_ address: UInt128) -> Self {
        address >> 32 == 0xffff ? .ipv4(UInt32(truncatingIfNeeded: address)) : .ipv6(address)
    }
}

extension FixedWidthInteger {
    /// A number of decimal digits only; no sign, no leading zero.
    package init?(digits text: some StringProtocol) {
        guard let first = text.utf8.first, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            first != UInt8(ascii: "0") || text.utf8.count == 1
        else { return nil }
        self.init(text, radix: 10)
    }
}

private func parseIPv4(_ text: some StringProtocol) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var address: UInt32 = 0
    for part in parts {
        guard let octet = UInt8(digits: part) else { return nil }
        address = address << 8 | UInt32(octet)
    }
    return address
}

private func parseIPv6(_ text: Substring) -> UInt128? {
    guard text.utf8.count <= 45 else { return nil }
    let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
    guard (1...2).contains(halves.count), let head = groups(halves[0], mayEndInIPv4: halves.count == 1) else {
        return nil
    }
    guard halves.count == 2 else { return head.count == 8 ? number(head) : nil }
    guard let tail = groups(halves[1], mayEndInIPv4: true), head.count + tail.count < 8 else { return nil }
    return number(head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail)
}

private func groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
    guard !text.isEmpty else { return [] }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    var groups: [UInt16] = []
    for (index, part) in parts.enumerated() {
        if mayEndInIPv4, index == parts.count - 1, let address = parseIPv4(part) {
            groups += [UInt16(address >> 16), UInt16(truncatingIfNeeded: address)]
        } else {
            let isHex = (1...4).contains(part.utf8.count) && part.allSatisfy { $0.isASCII && $0.isHexDigit }
            guard isHex, let group = UInt16(part, radix: 16) else { return nil }
            groups.append(group)
        }
    }
    return groups
}

private func number(_ groups: [UInt16]) -> UInt128 {
    groups.reduce(0) { $0 << 16 | UInt128($1) }
}

/// RFC 5952: lower case, no leading zeros, the first longest run of at least two zero groups as `::`.
private func textIPv6(_ address: UInt128) -> String {
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: address >> (112 - 16 * $0)) }
    var longest = 0..<0
    var start = 0
    for (index, group) in groups.enumerated() {
        guard group == 0 else {
            start = index + 1
            continue
        }
        if index + 1 - start > max(longest.count, 1) { longest = start..<index + 1 }
    }
    let texts = groups.map { String($0, radix: 16) }
    guard !longest.isEmpty else { return texts.joined(separator: ":") }
    return texts[..<longest.lowerBound].joined(separator: ":") + "::"
        + texts[longest.upperBound...].joined(separator: ":")
}

/// RFC 1123 names, underscores too; a last label of digits only would be a mistyped address.
private func isHostName(_ text: Substring) -> Bool {
    guard text.utf8.count <= 253 else { return false }
    let labels = text.split(separator: ".", omittingEmptySubsequences: false)
    return labels.last?.allSatisfy(\.isNumber) == false
        && labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
        }
}
