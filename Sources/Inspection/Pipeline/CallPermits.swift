internal import Calls
internal import Policy
internal import Wire

/// The permits of calls in flight, by their places in the call table.
struct CallPermits: ~Copyable {
    private var permits = FlatTable(repeating: UInt32(0), count: 0)
    /// How many calls hold anything.
    private(set) var count = 0
    /// By how many holders a permit is held that the calls of a batch share.
    private var shares: [UInt32: Int] = [:]

    init() {}

    /// A call holds a permit from now on.
    mutating func hold(_ permit: LimitToken, by call: Int32) {
        while permits.count <= Int(call) { permits.append(0) }
        permits[Int(call)] = permit.rawValue
        count &+= 1
    }

    /// Takes what a call held.
    mutating func take(from call: Int32) -> LimitToken {
        guard Int(call) < permits.count, permits[Int(call)] != 0 else { return .none }
        let permit = LimitToken(rawValue: permits[Int(call)])
        permits[Int(call)] = 0
        count &-= 1
        return permit
    }

    /// One more holder of a permit.
    mutating func share(_ permit: LimitToken) { shares[permit.rawValue, default: 0] += 1 }

    /// One holder of a permit less.
    ///
    /// - Returns: True if it was the last.
    mutating func drop(_ permit: LimitToken) -> Bool {
        guard !shares.isEmpty, let count = shares[permit.rawValue], count > 1 else {
            if !shares.isEmpty { shares[permit.rawValue] = nil }
            return true
        }
        shares[permit.rawValue] = count - 1
        return false
    }
}

/// The calls of one operation in a batch.
struct CallGroup {
    var operation: OperationID
    /// Other operations of the batch that are subject to the same limits.
    var others: [OperationID] = []
    var calls = 0
    /// True if nobody waits for a reply to any of them.
    var isOneway = true
    /// The permit that its calls share.
    var permit = LimitToken.none
    /// True if any call of the request holds the permit, whatever its operation.
    var isForAll = false
}

/// The permits of a batch's calls, until all of them have begun.
struct BatchPermits {
    /// The permit of a single call, which is no batch.
    var single = LimitToken.none
    /// The groups that have taken anything.
    var groups: [CallGroup] = []

    var isEmpty: Bool { single.isNone && groups.isEmpty }

    /// The group whose permit calls of an operation hold.
    func group(of operation: OperationID) -> CallGroup? {
        groups.first { $0.isForAll || $0.operation == operation || $0.others.contains(operation) }
    }
}
