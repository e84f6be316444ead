/// The caller's trace context as it came with a request.
public struct TraceContext: Equatable, Sendable {
    /// 32 lower-case hex digits.
    public var traceID: String
    /// The caller's span: 16 lower-case hex digits.
    public var spanID: String
    /// The caller's sampling decision.
    public var isSampled: Bool

    /// Reads W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
    ///
    /// - Parameter traceparent: The header's value; a longer one of a later version is read as far as it is known.
    public init?(traceparent: String) {
        let bytes = Array(traceparent.utf8)
        guard bytes.count >= 55, bytes.count <= 512, bytes[2] == 0x2d, bytes[35] == 0x2d, bytes[52] == 0x2d else {
            return nil
        }
        guard bytes.count == 55 || (bytes[55] == 0x2d && !(bytes[0] == 0x30 && bytes[1] == 0x30)) else { return nil }
        guard let version = Self.hex(bytes[0..<2]), version != 0xff, let flags = Self.hex(bytes[53..<55]) else {
            return nil
        }
        guard let trace = Self.identifier(bytes[3..<35]), let span = Self.identifier(bytes[36..<52]) else { return nil }
        traceID = trace
        spanID = span
        isSampled = flags & 1 != 0
    }

    /// Reads Jaeger's `uber-trace-id`: `{trace}:{span}:{parent}:{flags}`, digits not padded, `:` perhaps as `%3A`.
    ///
    /// - Parameter uberTraceID: The value.
    public init?(uberTraceID: String) {
        guard uberTraceID.utf8.count <= 512 else { return nil }
        var parts: [[UInt8]] = [[]]
        var bytes = Array(uberTraceID.utf8)[...]
        while let byte = bytes.popFirst() {
            if byte == 0x3a {
                parts.append([])
            } else if byte == 0x25, bytes.count >= 2,
                bytes.starts(with: [0x33, 0x41]) || bytes.starts(with: [0x33, 0x61])
            {
                bytes = bytes.dropFirst(2)
                parts.append([])
            } else {
                parts[parts.count - 1].append(byte)
            }
        }
        guard parts.count == 4, parts[0].count <= 32, parts[1].count <= 16, (1...2).contains(parts[3].count) else {
            return nil
        }
        guard let trace = Self.identifier(Self.padded(parts[0], 32)[...]),
            let span = Self.identifier(Self.padded(parts[1], 16)[...]), let flags = Self.hex(parts[3][...])
        else { return nil }
        traceID = trace
        spanID = span
        isSampled = flags & 1 != 0
    }

    private static func padded(_ digits: [UInt8], _ count: Int) -> [UInt8] {
        [UInt8](repeating: 0x30, count: count - digits.count) + digits
    }

    /// The digits as a lower-case identifier, unless they are not hex or all zero.
    private static func identifier(_ digits: ArraySlice<UInt8>) -> String? {
        var isZero = true
        var text = ""
        for digit in digits {
            let lower = digit | 0x20
            guard (0x30...0x39).contains(digit) || (0x61...0x66).contains(lower) else { return nil }
            if digit != 0x30 { isZero = false }
            text.unicodeScalars.append(Unicode.Scalar(digit > 0x39 ? lower : digit))
        }
        return isZero ? nil : text
    }

    private static func hex(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value * 16 + Int(digit - 0x30)
            case 0x41...0x46: value = value * 16 + Int(digit - 0x37)
            case 0x61...0x66: value = value * 16 + Int(digit - 0x57)
            default: return nil
            }
        }
        return value
    }
}
