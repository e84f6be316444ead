/// An IP address and a TCP port.
///
/// An IPv4 address is kept in the low 32 bits. The family is stored apart, so that `::ffff:1.2.3.4` on the wire and
/// `1.2.3.4` stay different.
public struct Endpoint: BitwiseCopyable, Hashable, Sendable {
    /// The first eight bytes of an IPv6 address; 0 for IPv4.
    public let high: UInt64
    /// The last eight bytes of an IPv6 address, or an IPv4 address in the low 32 bits.
    public let low: UInt64
    /// The port.
    public let port: UInt16
    /// True if the address is an IPv6 address.
    public let isIPv6: Bool

    /// An IPv4 endpoint.
    ///
    /// - Parameters:
    ///   - ipv4: The address, the first byte of it in the highest place.
    ///   - port: The port.
    @inlinable @inline(__always)
    public init(ipv4: UInt32, port: UInt16) {
        self.high = 0
        self.low = UInt64(ipv4)
        self.port = port
        self.isIPv6 = false
    }

    /// An IPv6 endpoint.
    ///
    /// - Parameters:
    ///   - high: The first eight bytes.
    ///   - low: The last eight bytes.
    ///   - port: The port.
    @inlinable @inline(__always)
    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
        self.isIPv6 = true
    }

    /// The same as an IPv4 endpoint if it is an IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`), else itself.
    public var unmapped: Endpoint {
        guard isIPv6, high == 0, low >> 32 == 0xffff else { return self }
        return Endpoint(ipv4: UInt32(truncatingIfNeeded: low), port: port)
    }

    /// The address alone: `192.0.2.1`, or the shortest form of RFC 5952 without brackets: `2001:db8::1`.
    public var addressText: String {
        isIPv6 ? sixteenByteText : Self.dotted(UInt32(truncatingIfNeeded: low))
    }

    /// The eight 16-bit groups of an IPv6 address, with its longest run of zeros shortened.
    private var sixteenByteText: String {
        // RFC 5952 §5: an IPv4-mapped address ends in dotted form.
        if high == 0, low >> 32 == 0xffff { return "::ffff:" + Self.dotted(UInt32(truncatingIfNeeded: low)) }
        var text = ""
        let zeros = longestZeroRun
        var group = 0
        while group < 8 {
            if group == zeros.lowerBound, !zeros.isEmpty {
                text += "::"
                group = zeros.upperBound
                continue
            }
            if group > 0, group != zeros.upperBound || zeros.isEmpty { text += ":" }
            text += String(self.group(group), radix: 16)
            group += 1
        }
        return text
    }

    /// The group at `index`, 0 being the first on the wire.
    private func group(_ index: Int) -> UInt16 {
        let half = index < 4 ? high : low
        return UInt16(truncatingIfNeeded: half >> UInt64((3 - index % 4) * 16))
    }

    /// The zero groups that `::` replaces; empty if no two zero groups are neighbours (RFC 5952 §4.2.2, §4.2.3).
    private var longestZeroRun: Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || group(index) != 0 {
            if index - start > max(longest.count, 1) { longest = start..<index }
            start = index + 1
        }
        return longest
    }

    /// Four decimal numbers with dots.
    private static func dotted(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 0xff).\(address >> 8 & 0xff).\(address & 0xff)"
    }
}

extension Endpoint: CustomStringConvertible {
    /// `192.0.2.1:20880` or `[2001:db8::1]:20880`.
    public var description: String {
        isIPv6 ? "[\(addressText)]:\(port)" : "\(addressText):\(port)"
    }
}
