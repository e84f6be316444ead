public import Calls
internal import Synchronization

/// Which calls become spans when they begin, and which for how they ended.
public struct SamplingOptions: Equatable, Sendable {
    /// Whether a decision that came with the request is followed.
    public var isParentBased = true
    /// Of calls without a decision, the share that is traced: 0…1.
    public var ratio = 1.0
    /// Of those, at most so many a second and operation; `nil` for no bound.
    public var ratePerOperation: Double?
    /// Whether calls that ended in an error are kept though nobody chose them.
    public var keepsErrors = false
    /// Calls that took longer are kept though nobody chose them; `nil` for none.
    public var keepSlowerNanoseconds: UInt64?
    /// At most so many are kept a second, all operations together.
    public var keepRate = Double(Defaults.keptSpansPerSecond)

    /// Follows the caller's decision and traces everything that came without one.
    public init() {}

    /// Whether a call that was not chosen may still become a span.
    public var keepsAny: Bool { keepsErrors || keepSlowerNanoseconds != nil }
}

/// How a Jaeger collector wants traces sampled that begin here, in place of the options' ratio and rate.
public struct SamplingStrategies: Equatable, Sendable {
    /// What counts where no operation of its own is named.
    public enum Fallback: Equatable, Sendable {
        /// This share of the traces, 0 to 1.
        case ratio(Double)
        /// So many traces a second, all operations together.
        case perSecond(Double)
    }

    /// What counts for operations without a ratio of their own.
    public var fallback: Fallback
    /// So many traces a second of each operation are taken in any case; 0 for none.
    public var lowerBoundPerSecond: Double
    /// By operation, as spans are named, `interface/method`: the share of its traces, 0 to 1.
    public var ratios: [String: Double]

    /// Strategies of those values.
    public init(fallback: Fallback, lowerBoundPerSecond: Double = 0, ratios: [String: Double] = [:]) {
        self.fallback = fallback
        self.lowerBoundPerSecond = lowerBoundPerSecond
        self.ratios = ratios
    }
}

/// Decides which calls are traced; one for the process, asked by all workers.
///
/// A decision that came with the request, and a plain ratio, are followed without a lock; rates and remote strategies
/// take one.
public final class Sampler: Sendable {
    private struct State {
        var strategies: SamplingStrategies?
        /// What all operations without a ratio of their own share.
        var shared: RateWindow?
        /// By operation: the share as a threshold, and what has been let through.
        var operations: [PerOperation] = []
        var kept: RateWindow
    }

    private struct PerOperation {
        var threshold: UInt64
        var isShared = false
        var bound: RateWindow?
        var floor: RateWindow?
    }

    /// What was decided.
    public let options: SamplingOptions
    private let registry: OperationRegistry
    private let threshold: UInt64
    private let isPlain = Atomic<Bool>(true)
    private let state: Mutex<State>

    /// A sampler of those options.
    ///
    /// - Parameters:
    ///   - options: What to trace.
    ///   - registry: The operations of the process, for strategies that name them.
    public init(options: SamplingOptions, registry: OperationRegistry) {
        self.options = options
        self.registry = registry
        threshold = Self.threshold(of: options.ratio)
        isPlain.store(options.ratePerOperation == nil, ordering: .relaxed)
        state = Mutex(State(kept: RateWindow(perSecond: options.keepRate)))
    }

    /// Takes what a collector wants from now on.
    ///
    /// - Parameter strategies: In place of the ratio and rate of the options; `nil` goes back to those.
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

    /// Whether a call that begins is traced.
    ///
    /// - Parameters:
    ///   - decision: What came with the request.
    ///   - operation: What is called.
    ///   - random: Random bits; the trace id's low half, so that all who look at the trace decide alike.
    ///   - now: Monotonic nanoseconds.
    /// - Returns: Whether it is.
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

    /// Whether a call that was not chosen is kept for how it ended.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - now: Monotonic nanoseconds.
    /// - Returns: Whether it is, and still may be in this second.
    public func keeps(_ call: FinishedCall, now: UInt64) -> Bool {
        let isWanted =
            options.keepsErrors && call.outcome.isFailure
            || options.keepSlowerNanoseconds.map { call.durationNanoseconds > $0 } ?? false
        return isWanted && state.withLock { $0.kept.take(now) }
    }

    /// Whether the collector wants a share of its own of an operation's traces.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: Whether the strategies in force name it.
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

    /// Of 63 random bits, those below this are within the ratio.
    private static func threshold(of ratio: Double) -> UInt64 {
        ratio >= 1 ? 1 << 63 : ratio > 0 ? UInt64(ratio * 0x1p63) : 0
    }
}

extension Outcome {
    /// Whether the service, or Weir in its place, failed the caller; a business error is an answer, and so is a reply
    /// that cannot be read.
    public var isFailure: Bool {
        switch self {
        case .ok, .oneway, .cancelled, .businessError, .unknown: false
        default: true
        }
    }
}

/// At most so many a second, counted by whole seconds; below one a second, by as many seconds as one takes.
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
