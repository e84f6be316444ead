public import Calls
internal import Synchronization

/// The choice of calls that become spans, at their begin or for their end.
public struct SamplingOptions: Equatable, Sendable {
    /// True if a decision that came with the request is followed.
    public var isParentBased = true
    /// The share of calls without a decision that is traced: 0…1.
    public var ratio = 1.0
    /// The most of those a second and operation; `nil` for no bound.
    public var ratePerOperation: Double?
    /// True if calls that ended in an error are kept though they were not chosen.
    public var keepsErrors = false
    /// The duration above which calls are kept though they were not chosen; `nil` for none.
    public var keepSlowerNanoseconds: UInt64?
    /// The most calls kept a second, all operations together.
    public var keepRate: Double = 100

    /// Follows the caller's decision and traces everything that came without one.
    public init() {}

    /// True if a call that was not chosen may still become a span.
    public var keepsAny: Bool { keepsErrors || keepSlowerNanoseconds != nil }
}

/// A Jaeger collector's sampling of the traces that begin here, in place of the options' ratio and rate.
public struct SamplingStrategies: Equatable, Sendable {
    /// The rule for operations that are not named.
    public enum Fallback: Equatable, Sendable {
        /// This share of the traces, 0 to 1.
        case ratio(Double)
        /// The number of traces a second, all operations together.
        case perSecond(Double)
    }

    /// The rule for operations without a ratio of their own.
    public var fallback: Fallback
    /// The number of traces a second of each operation that are taken in any case; 0 for none.
    public var lowerBoundPerSecond: Double
    /// The share of traces, 0 to 1, by operation as spans are named: `interface/method`.
    public var ratios: [String: Double]

    /// Strategies of those values.
    public init(fallback: Fallback, lowerBoundPerSecond: Double = 0, ratios: [String: Double] = [:]) {
        self.fallback = fallback
        self.lowerBoundPerSecond = lowerBoundPerSecond
        self.ratios = ratios
    }
}

/// The decision which calls are traced; one for the process, used by all workers.
///
/// A decision that came with the request, and a plain ratio, are followed without a lock; rates and remote strategies
/// take one.
public final class Sampler: Sendable {
    private struct State {
        var strategies: SamplingStrategies?
        /// The window shared by all operations without a ratio of their own.
        var shared: RateWindow?
        /// By operation: the share as a threshold, and the calls let through.
        var operations: [PerOperation] = []
        var kept: RateWindow
    }

    private struct PerOperation {
        var threshold: UInt64
        var isShared = false
        var bound: RateWindow?
        var floor: RateWindow?
    }

    /// The options.
    public let options: SamplingOptions
    private let registry: OperationRegistry
    private let threshold: UInt64
    private let isPlain = Atomic<Bool>(true)
    private let state: Mutex<State>

    /// A sampler of those options.
    ///
    /// - Parameters:
    ///   - options: The options.
    ///   - registry: The operations of the process, for strategies that name them.
    public init(options: SamplingOptions, registry: OperationRegistry) {
        self.options = options
        self.registry = registry
        threshold = Self.threshold(of: options.ratio)
        isPlain.store(options.ratePerOperation == nil, ordering: .relaxed)
        state = Mutex(State(kept: RateWindow(perSecond: options.keepRate)))
    }

    /// Takes a collector's strategies from now on.
    ///
    /// - Parameter strategies: The strategies in place of the options' ratio and rate; `nil` returns to those.
    public func adopt(_ strategies: SamplingStrategies?) {
        state.withLock { state in
            guard state.strategies != strategies else { return }
            state.strategies = strategies
            state.operations = []
            state.shared = nil
            if case .perSecond(let rate) = strategies?.fallback { state.shared = RateWindow(perSecond: rate) }
        }
        isPlain.store(strategies == nil && options.ratePerOperation == nil, ordering: .relaxed)
    }

    /// True if a call that begins is traced.
    ///
    /// - Parameters:
    ///   - decision: The decision that came with the request.
    ///   - operation: The operation.
    ///   - random: Random bits; the trace id's low half, so that all who look at the trace decide alike.
    ///   - now: Monotonic nanoseconds.
    /// - Returns: True if it is traced.
    public func samples(
        _ decision: TraceContext.Decision,
        operation: OperationID,
        random: UInt64,
        now: UInt64
    ) -> Bool {
        if options.isParentBased, decision != .deferred { return decision == .sampled }
        if isPlain.load(ordering: .relaxed) { return random >> 1 < threshold }
        return state.withLock { state in
            let index = operation.index
            while state.operations.count <= index {
                let id = OperationID(rawValue: UInt32(state.operations.count))
                state.operations.append(perOperation(id, state.strategies))
            }
            let isWithin = random >> 1 < state.operations[index].threshold
            let isShared = state.operations[index].isShared
            if isWithin, isShared ? state.shared?.take(now) ?? true : state.operations[index].bound?.take(now) ?? true {
                _ = state.operations[index].floor?.take(now)
                return true
            }
            return state.operations[index].floor?.take(now) ?? false
        }
    }

    /// True if a call that was not chosen is kept for its end.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - now: Monotonic nanoseconds.
    /// - Returns: True if it is, and the bound of this second is not reached.
    public func keeps(_ call: FinishedCall, now: UInt64) -> Bool {
        let isWanted =
            options.keepsErrors && call.outcome.isFailure
            || options.keepSlowerNanoseconds.map { call.durationNanoseconds > $0 } ?? false
        return isWanted && state.withLock { $0.kept.take(now) }
    }

    /// True if the collector names a share of its own for an operation.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: True if the strategies in force name it.
    public func names(_ operation: Operation) -> Bool {
        state.withLock { $0.strategies?.ratios["\(operation.interface)/\(operation.method)"] != nil }
    }

    private func perOperation(_ id: OperationID, _ strategies: SamplingStrategies?) -> PerOperation {
        guard let strategies else {
            return PerOperation(threshold: threshold, bound: options.ratePerOperation.map { RateWindow(perSecond: $0) })
        }
        let operation = registry[id]
        let floor = strategies.lowerBoundPerSecond
        let window = floor > 0 ? RateWindow(perSecond: floor) : nil
        let interface = operation.interface
        let ratios = strategies.ratios
        if let ratio = ratios["\(interface)/\(operation.method)"]
            ?? ratios["\(interface)/\(operation.methodWithoutTool)"]
        {
            return PerOperation(threshold: Self.threshold(of: ratio), floor: window)
        }
        switch strategies.fallback {
        case .ratio(let ratio): return PerOperation(threshold: Self.threshold(of: ratio), floor: window)
        case .perSecond: return PerOperation(threshold: Self.threshold(of: 1), isShared: true, floor: window)
        }
    }

    /// The bound of 63 random bits below which a trace is within the ratio.
    private static func threshold(of ratio: Double) -> UInt64 {
        ratio >= 1 ? 1 << 63 : ratio > 0 ? UInt64(ratio * 0x1p63) : 0
    }
}

extension Outcome {
    /// True if the service, or Weir in its place, failed the caller; a business error is an answer, and so is a reply
    /// that cannot be read.
    public var isFailure: Bool {
        switch self {
        case .ok, .oneway, .cancelled, .businessError, .unknown: false
        default: true
        }
    }
}

/// A rate a second, counted by whole seconds; below one a second, by the seconds that one takes.
struct RateWindow: Sendable {
    private let limit: UInt64
    private let windowNanoseconds: UInt64
    private var window: UInt64 = 0
    private var taken: UInt64 = 0

    /// A window of that rate.
    ///
    /// - Parameter rate: 0 for none at all; at most a billion.
    init(perSecond rate: Double) {
        let rate = min(max(rate, 0), 1e9)
        limit = rate >= 1 ? UInt64(rate) : rate > 0 ? 1 : 0
        windowNanoseconds = rate >= 1 || rate == 0 ? 1_000_000_000 : UInt64(min(1e9 / rate, 0x1p62))
    }

    /// Takes one if there is one left.
    mutating func take(_ now: UInt64) -> Bool {
        let current = now / windowNanoseconds
        if current != window { (window, taken) = (current, 0) }
        guard taken < limit else { return false }
        taken += 1
        return true
    }
}
