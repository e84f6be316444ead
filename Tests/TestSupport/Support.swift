internal import CAllocCount

/// The bytes a hex text spells; spaces are passed over.
public func hex(_ text: String) -> [UInt8] {
    let digits = text.unicodeScalars.filter { $0 != " " && $0 != "\n" }.map { UInt8(Character($0).hexDigitValue ?? 0) }
    precondition(digits.count % 2 == 0, "odd number of hex digits")
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The bytes as lower-case hex.
public func hexText(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// A small deterministic generator (SplitMix64), so that a failing run can be repeated from its printed seed.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// How many heap allocations `body` makes on this thread.
public func allocations(of body: () throws -> Void) rethrows -> Int {
    let before = alloc_count()
    try body()
    return Int(alloc_count() - before)
}

/// How many heap allocations `body` makes on this thread when it is run a second time.
///
/// What a process makes once and whoever comes first pays for, metadata of generic types above all, is not counted.
public func allocationsWhenWarm(of body: () throws -> Void) rethrows -> Int {
    try body()
    return try allocations(of: body)
}
