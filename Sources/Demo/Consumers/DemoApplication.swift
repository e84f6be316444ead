internal import Synchronization

/// One of the consumer's processes: its name, its traffic, and the counter of its request ids.
final class DemoApplication<Call: Sendable>: Sendable {
    /// One kind of call and its frequency.
    struct Choice: Sendable {
        /// Its share: this many of all the weights of the application.
        let weight: Int
        let call: @Sendable (inout DemoRandom) -> Call

        init(_ weight: Int, _ call: @escaping @Sendable (inout DemoRandom) -> Call) {
            self.weight = weight
            self.call = call
        }
    }

    let name: String
    private let choices: [Choice]
    private let totalWeight: Int
    private let nextID: Atomic<UInt64>

    /// An application whose ids begin at `firstID`: Java begins at a random number and adds one a request.
    init(_ name: String, firstID: UInt64, _ choices: [Choice]) {
        self.name = name
        self.choices = choices
        totalWeight = choices.reduce(0) { $0 + $1.weight }
        nextID = Atomic(firstID)
    }

    /// The id of the next request on any of its connections.
    func requestID() -> UInt64 { nextID.wrappingAdd(1, ordering: .relaxed).oldValue }

    /// The next call; `nil` for an application that makes none.
    func nextCall(_ random: inout DemoRandom) -> Call? {
        guard totalWeight > 0 else { return nil }
        var left = Int.random(in: 0..<totalWeight, using: &random)
        for choice in choices {
            left -= choice.weight
            if left < 0 { return choice.call(&random) }
        }
        return nil
    }

    /// A trace context for about half of the calls, about half of them sampled.
    func traceParent(_ random: inout DemoRandom) -> String? {
        let dice = random.next()
        guard dice & 1 == 0 else { return nil }
        // Setting a bit keeps the ids from being all zeros, which is no valid id.
        let (trace, span) = (Self.hex(random.next()) + Self.hex(random.next() | 1), Self.hex(random.next() | 1))
        return "00-\(trace)-\(span)-0\(dice >> 1 & 1)"
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
