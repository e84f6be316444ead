internal import Wire

/// A worker's knowledge of its upstreams' paths: which answered JSON-RPC, and which are also used otherwise.
///
/// Both are bounded and forgetful in the careful direction: an answer may be forgotten for that of another path, and a
/// path may wrongly be thought to be used otherwise, so that fewer requests are judged before they are known, never
/// more.
struct RPCPaths: ~Copyable {
    /// How many paths that answered are remembered.
    static let maxAnswered = 1024
    private static let otherBits = 65_536

    private var answered = FlatTable(repeating: UInt64(0), count: 0)
    private var others = FlatTable(repeating: UInt64(0), count: 0)

    init() {}

    /// The key of an upstream's path; never 0.
    static func key(_ path: RawSpan, _ upstream: Endpoint?) -> UInt64 {
        var hash = ByteHash(seed: ByteHash.processSeed)
        if let upstream {
            hash.combine(upstream.high)
            hash.combine(upstream.low &+ UInt64(upstream.port))
        }
        hash.combine(path)
        return hash.value | 1
    }

    /// A request to the path was JSON-RPC, and so was its answer.
    mutating func noteAnswered(_ key: UInt64) {
        let place = Self.place(key)
        guard answered.count > 0 else {
            answered = FlatTable(repeating: 0, count: Self.maxAnswered)
            answered[place] = key
            return
        }
        if answered[place] != key { answered[place] = key }
    }

    /// The path got a body that is no JSON-RPC.
    mutating func noteOther(_ key: UInt64) {
        if others.count == 0 { others = FlatTable(repeating: 0, count: Self.otherBits / 64) }
        let bit = Self.bit(key)
        others[bit / 64] |= 1 << UInt64(bit % 64)
    }

    /// True if the path has answered JSON-RPC.
    func hasAnswered(_ key: UInt64) -> Bool { answered.count > 0 && answered[Self.place(key)] == key }

    /// True if nothing but JSON-RPC was seen there.
    func isPure(_ key: UInt64) -> Bool {
        guard hasAnswered(key) else { return false }
        let bit = Self.bit(key)
        return others.count == 0 || others[bit / 64] & 1 << UInt64(bit % 64) == 0
    }

    private static func place(_ key: UInt64) -> Int { Int(key >> 54) }
    private static func bit(_ key: UInt64) -> Int { Int(key >> 20 & UInt64(otherBits - 1)) }
}
