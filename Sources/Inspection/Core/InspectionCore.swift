public import Calls
public import Policy
public import Telemetry

/// All that makes calls of bytes on one thread, apart from where the bytes come from.
///
/// A relay's worker has one, and so has a capture's reader. It holds the recorder, and the inspector with its tracer
/// and its gates; other threads reach it with an ``InspectionCommand``, which its owner passes to ``handle(_:for:)``.
public struct InspectionCore {
    /// The parts of a core.
    public struct Configuration {
        /// The operations of the process.
        public var registry: OperationRegistry
        /// The codes and exception classes of the process.
        public var labels: SeriesLabels
        /// The bounds of inspection.
        public var limits = Inspector.Limits()
        /// The clock of the times that the owner passes in.
        public var clock = CallClock.monotonic
        /// The difference from the monotonic clock to the time since 1970, in nanoseconds, for lines of calls.
        public var epochOffset: @Sendable () -> Int64 = { 0 }
        /// The table of calls whose replies come on other connections; `nil` for one of the core's own.
        public var correlation: CorrelationTable?
        /// The maker of spans, if any are wanted.
        public var tracer: Tracer?
        /// The numbers of callers, if calls are counted by caller.
        public var callers: CallerRegistry?
        /// The limits in force, if calls can be limited.
        public var limitRegistry: LimitRegistry?
        /// The drains, if anything can be drained.
        public var drainRegistry: DrainRegistry?
        /// The subscribers of calls, if there can be any.
        public var subscribers: CallSubscribers?

        /// A configuration with defaults for everything but what the process shares.
        ///
        /// - Parameters:
        ///   - registry: The operations of the process.
        ///   - labels: The codes and exception classes of the process.
        public init(registry: OperationRegistry, labels: SeriesLabels) {
            self.registry = registry
            self.labels = labels
        }
    }

    /// The numbers.
    public let recorder: Recorder
    /// The sessions and what decides about their requests.
    public let inspector: Inspector
    private let registry: OperationRegistry
    private let subscribers: CallSubscribers?
    private let epochOffset: @Sendable () -> Int64

    /// A core without connections; it knows the subscribers that there are.
    ///
    /// - Parameter configuration: What it is made of.
    public init(_ configuration: Configuration) {
        registry = configuration.registry
        subscribers = configuration.subscribers
        epochOffset = configuration.epochOffset
        recorder = Recorder(labels: configuration.labels, clock: configuration.clock)
        inspector = Inspector(registry: registry, recorder: recorder, limits: configuration.limits)
        if let correlation = configuration.correlation { inspector.correlation = correlation }
        inspector.tracer = configuration.tracer
        inspector.callerRegistry = configuration.callers
        inspector.gate = configuration.limitRegistry.map { [registry] in
            LimitGate(registry: $0, operations: registry)
        }
        inspector.drainGate = configuration.drainRegistry.map { [registry] in
            DrainGate(registry: $0, operations: registry)
        }
        findSubscribers()
    }

    /// Does what another thread asks for.
    ///
    /// - Parameters:
    ///   - command: The command.
    ///   - owner: The owner of the connections.
    public func handle(_ command: InspectionCommand, for owner: some ConnectionOwner) {
        switch command {
        case .snapshot(let reply): reply(recorder.snapshot())
        case .connections(let reply): reply(owner.connectionReports)
        case .subscribersChanged(let reply):
            findSubscribers()
            reply()
        case .limitsChanged: inspector.limitsChanged()
        case .drainsChanged:
            inspector.drainsChanged()
            owner.signalDrains()
        }
    }

    /// Ends what has no connection any more: calls whose replies would come elsewhere, and spans that wait.
    ///
    /// - Parameter now: The time, in nanoseconds.
    public func finish(now: UInt64) {
        inspector.endCorrelated(now: now)
        inspector.flushSpans()
    }

    /// Looks who subscribes to calls: without subscribers there is no observer, and nothing is made for one.
    private func findSubscribers() {
        guard let subscribers else { return }
        let subscriptions = subscribers.subscriptions
        if subscriptions.isEmpty {
            if inspector.callObserver is CallPublisher { inspector.callObserver = nil }
            return
        }
        let publisher =
            inspector.callObserver as? CallPublisher ?? CallPublisher(registry: registry, epochOffset: epochOffset)
        publisher.publish(to: subscriptions)
        inspector.callObserver = publisher
    }
}

/// The owner of an ``InspectionCore``'s connections, on the core's thread.
public protocol ConnectionOwner: AnyObject {
    /// The open connections.
    var connectionReports: [ConnectionReport] { get }

    /// Tells the consumers of every connection what has changed about drains; see
    /// ``Inspector/signalDrains(_:now:plan:)``.
    func signalDrains()
}
