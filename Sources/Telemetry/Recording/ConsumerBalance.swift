internal import Calls

/// The balance of one consumer's connections.
struct ConsumerBalance: Equatable {
    /// The number of consumers that are told apart; the rest are `_other` of their side.
    static let maxConsumers = 100

    var side: Side
    var consumer: String
    var connections: Int
    /// The calls of the busiest connection over the mean, 1 without calls; `nil` for `_other`, whose connections are
    /// unrelated.
    var imbalance: Double?

    /// The balances of the consumers with the most connections first, then the rest together.
    static func all(_ connections: [ConsumerConnection]) -> [ConsumerBalance] {
        struct Consumer: Hashable {
            var side: Side
            var name: String
        }
        var calls: [Consumer: [UInt64]] = [:]
        for connection in connections {
            calls[Consumer(side: connection.side, name: connection.consumer), default: []].append(connection.calls)
        }
        let sorted = calls.sorted { left, right in
            if left.value.count != right.value.count { return left.value.count > right.value.count }
            return (left.key.side.rawValue, left.key.name) < (right.key.side.rawValue, right.key.name)
        }
        var all = sorted.prefix(maxConsumers).map { consumer, calls in
            let (total, busiest) = (calls.reduce(0) { $0 + Double($1) }, Double(calls.max() ?? 0))
            return ConsumerBalance(
                side: consumer.side,
                consumer: consumer.name,
                connections: calls.count,
                imbalance: total > 0 ? busiest * Double(calls.count) / total : 1
            )
        }
        for side in Side.allCases {
            let rest = sorted.dropFirst(maxConsumers).reduce(0) { $0 + ($1.key.side == side ? $1.value.count : 0) }
            if rest > 0 { all.add(side: side, connections: rest) }
        }
        return all
    }
}

extension [ConsumerBalance] {
    /// Adds connections to `_other` of a side, which a consumer may really be called.
    fileprivate mutating func add(side: Side, connections: Int) {
        if let at = firstIndex(where: { $0.side == side && $0.consumer == "_other" }) {
            self[at].connections += connections
            self[at].imbalance = nil
        } else {
            append(ConsumerBalance(side: side, consumer: "_other", connections: connections, imbalance: nil))
        }
    }
}
