/// The SHA-256 digest of `message` (FIPS 180-4); the corpus names long values by it.
func sha256(_ message: [UInt8]) -> [UInt8] {
    var primes: [UInt32] = []
    var candidate: UInt32 = 2
    while primes.count < 64 {
        if !primes.contains(where: { candidate.isMultiple(of: $0) }) { primes.append(candidate) }
        candidate += 1
    }
    func fraction(_ root: Double) -> UInt32 { UInt32((root - root.rounded(.down)) * 4_294_967_296) }
    let constants = primes.map { fraction(cubeRoot(Double($0))) }
    var state = primes.prefix(8).map { fraction(Double($0).squareRoot()) }

    var padded = message + [0x80]
    padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
    padded += (0..<8).map { UInt8(truncatingIfNeeded: (UInt64(message.count) * 8) >> (56 - 8 * UInt64($0))) }

    func rotated(_ value: UInt32, _ bits: UInt32) -> UInt32 { value >> bits | value << (32 - bits) }
    var words = [UInt32](repeating: 0, count: 64)
    for block in stride(from: 0, to: padded.count, by: 64) {
        for at in 0..<16 {
            words[at] = (0..<4).reduce(0) { $0 << 8 | UInt32(padded[block + 4 * at + $1]) }
        }
        for at in 16..<64 {
            let early = words[at - 15]
            let late = words[at - 2]
            let first = rotated(early, 7) ^ rotated(early, 18) ^ early >> 3
            let second = rotated(late, 17) ^ rotated(late, 19) ^ late >> 10
            words[at] = words[at - 16] &+ first &+ words[at - 7] &+ second
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        for at in 0..<64 {
            let sum = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)
            let first = h &+ sum &+ (e & f ^ ~e & g) &+ constants[at] &+ words[at]
            let second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) &+ (a & b ^ a & c ^ b & c)
            (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
        }
        state = zip(state, [a, b, c, d, e, f, g, h]).map { $0 &+ $1 }
    }
    return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
}

private func cubeRoot(_ value: Double) -> Double {
    var root = value / 2
    for _ in 0..<60 { root -= (root * root * root - value) / (3 * root * root) }
    return root
}
