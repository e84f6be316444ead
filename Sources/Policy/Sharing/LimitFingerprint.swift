internal import Calls
internal import Wire

/// The facts that ``LimitDefinition/continues(_:)`` compares, as 128 bits that are the same in every process and
/// version.
struct LimitFingerprint: Equatable, Sendable {
    let high: UInt64
    let low: UInt64

    /// The fingerprint of a limit.
    init(_ definition: LimitDefinition) {
        var text = FingerprintText()
        text.add(definition.name)
        let match = definition.match
        for pattern in [match.interface, match.method, match.version, match.group, match.caller, match.peer] {
            text.add(pattern)
        }
        text.add(match.callProtocol.map { "\($0.label)" } ?? "")
        text.add(match.side.map { "\($0.label)" } ?? "")
        text.add(match.attachments.count)
        for attachment in match.attachments {
            text.add(attachment.name)
            text.add(attachment.value)
        }
        text.add(definition.keys.count)
        for key in definition.keys { text.add(key) }
        text.add(definition.keys.isEmpty ? 0 : definition.maxKeys)
        text.add(definition.algorithm)
        (high, low) = Self.hash(text.bytes.byteSpan)
    }

    /// The fingerprint in a limit's memory.
    init(in words: SharedWords) {
        high = words[LimitLayout.fingerprintHigh]
        low = words[LimitLayout.fingerprintLow]
    }

    private static func hash(_ bytes: RawSpan) -> (UInt64, UInt64) {
        // Seeds without a meaning, the same for all.
        var (first, second) = (ByteHash(seed: 0x243f_6a88_85a3_08d3), ByteHash(seed: 0x1319_8a2e_0370_7344))
        first.combine(bytes)
        second.combine(bytes)
        return (first.value, second.value)
    }
}

/// Values in sequence, separated by their lengths.
private struct FingerprintText {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ number: Int) {
        for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> (shift * 8))) }
    }

    mutating func add(_ text: String) {
        add(text.utf8.count)
        bytes += text.utf8
    }

    mutating func add(_ pattern: TextPattern?) {
        switch pattern {
        case nil: add(0)
        case .exact: add(1)
        case .glob: add(2)
        case .regex: add(3)
        }
        add(pattern?.text ?? "")
    }

    mutating func add(_ key: LimitKey) {
        switch key {
        case .caller: add("caller")
        case .peer: add("peer")
        case .method: add("method")
        case .interface: add("interface")
        case .attachment(let name):
            add("attachment")
            add(name)
        }
    }

    mutating func add(_ algorithm: LimitAlgorithm) {
        add(algorithm.name)
        switch algorithm {
        case .slidingWindow(let limit, let length), .fixedWindow(let limit, let length):
            add(limit)
            add(Int(length.nanoseconds))
        case .tokenBucket(let rate, let period, let burst):
            add(rate)
            add(Int(period.nanoseconds))
            add(burst)
        case .concurrency(let limit): add(limit)
        }
    }
}
