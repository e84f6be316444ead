internal import Calls
internal import Policy
internal import Wire

/// The names of the attachments and headers that the limits in force look at.
final class LimitNames: Sendable {
    /// No names.
    static let none = LimitNames([])

    /// The names in lower case.
    let names: [[UInt8]]
    /// The lengths that any of the names has, a bit each; 63 for all above.
    private let lengths: UInt64

    init(_ names: [String]) {
        self.names = names.map { Array($0.utf8) }
        lengths = names.reduce(0) { $0 | 1 << UInt64(min($1.utf8.count, 63)) }
    }

    var isEmpty: Bool { names.isEmpty }

    /// The place of a name in any case; −1 when no limit looks at it.
    @inline(__always)
    func index(of name: RawSpan) -> Int {
        guard lengths & 1 << UInt64(min(name.byteCount, 63)) != 0 else { return -1 }
        for index in names.indices {
            let known = names[index]
            if name.equals(lowerCased: known.byteSpan) { return index }
        }
        return -1
    }
}

/// A header that a limit looks at.
struct LimitedHeader: BitwiseCopyable {
    /// Its name's place among ``LimitNames``.
    var name: Int32
    var value: ByteRange
}

/// What calls in flight hold of limits, by their places in the call table.
struct CallTokens: ~Copyable {
    private var tokens = FlatTable(repeating: UInt32(0), count: 0)
    /// How many calls hold anything.
    private(set) var count = 0
    /// By how many calls a token is held that the calls of a batch share.
    private var shares: [UInt32: Int] = [:]

    init() {}

    /// A call holds a token from now on.
    mutating func hold(_ token: LimitToken, by call: Int32) {
        while tokens.count <= Int(call) { tokens.append(0) }
        tokens[Int(call)] = token.rawValue
        count &+= 1
    }

    /// What a call held.
    mutating func take(from call: Int32) -> LimitToken {
        guard Int(call) < tokens.count, tokens[Int(call)] != 0 else { return .none }
        let token = LimitToken(rawValue: tokens[Int(call)])
        tokens[Int(call)] = 0
        count &-= 1
        return token
    }

    /// One more call shares a token.
    mutating func share(_ token: LimitToken) { shares[token.rawValue, default: 0] += 1 }

    /// One call less holds a token.
    ///
    /// - Returns: Whether it was the last.
    mutating func drop(_ token: LimitToken) -> Bool {
        guard !shares.isEmpty, let count = shares[token.rawValue], count > 1 else {
            if !shares.isEmpty { shares[token.rawValue] = nil }
            return true
        }
        shares[token.rawValue] = count - 1
        return false
    }
}

/// The calls of one operation in a batch.
struct LimitedGroup {
    var operation: OperationID
    /// Further operations whose calls are decided about with its own.
    var others: [OperationID] = []
    var calls = 0
    /// Whether nobody waits for a reply to any of them.
    var isOneway = true
    var token = LimitToken.none
    /// Whether what was taken is held by any call of the request, whatever its operation.
    var isForAll = false
}
