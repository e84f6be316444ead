internal import Synchronization
public import Telemetry

/// The service's name in spans: decided once, so that the spans of one run never change it.
///
/// A given name is fixed from the beginning. The first spans wait for a name that is learnt from traffic: for
/// ``patience``, until half of the queue is full, or until the process stops. If none is known then, none is learnt any
/// more: the run continues as ``ResourceDescription/unknownServiceName``.
public final class SpanServiceName: Sendable {
    /// The longest time that the first span waits for a name.
    public static let patience: Duration = .seconds(5)
    private let patience: Duration

    private struct State {
        var settled: String?
        /// Since when spans have waited.
        var since: ContinuousClock.Instant?
    }

    private let learned: LearnedName?
    private let state: Mutex<State>

    /// A name that is given, or to be learnt, or neither.
    ///
    /// - Parameters:
    ///   - given: The name that is known; empty is as good as none.
    ///   - learned: The source of a learnt name; `nil` if there is none.
    ///   - patience: The longest time that the first span waits for it.
    public init(given: String?, learned: LearnedName? = nil, patience: Duration = SpanServiceName.patience) {
        self.learned = learned
        self.patience = patience
        var state = State(settled: given.flatMap { $0.isEmpty ? nil : $0 })
        if learned == nil, state.settled == nil { state.settled = ResourceDescription.unknownServiceName }
        self.state = Mutex(state)
    }

    /// The name as far as it is known by now.
    public var text: String {
        state.withLock { $0.settled } ?? learned?.text ?? ResourceDescription.unknownServiceName
    }

    /// Settles the name, unless it is worth while to wait for one; called while spans wait.
    ///
    /// - Parameters:
    ///   - now: The time.
    ///   - isLast: True if there is no more time or room to wait.
    /// - Returns: True if the spans can leave.
    func settle(now: ContinuousClock.Instant, isLast: Bool) -> Bool {
        state.withLock { state in
            guard state.settled == nil else { return true }
            let since = state.since ?? now
            state.since = since
            if let name = learned?.text {
                state.settled = name
            } else if isLast || now - since >= patience {
                state.settled = ResourceDescription.unknownServiceName
            }
            return state.settled != nil
        }
    }
}
