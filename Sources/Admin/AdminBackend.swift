public import Calls
public import Telemetry

/// What the workers answered when they were asked for their numbers.
public struct WorkerSnapshots: Sendable {
    /// One snapshot a worker.
    public var recorders: [RecorderSnapshot]
    /// How many of them are old because the worker did not answer in time.
    public var staleWorkers: Int

    /// Those answers.
    public init(recorders: [RecorderSnapshot], staleWorkers: Int) {
        self.recorders = recorders
        self.staleWorkers = staleWorkers
    }
}

/// What the admin API asks of the rest of Weir.
public protocol AdminBackend: Sendable {
    /// The operations of the process.
    var registry: OperationRegistry { get }
    /// The codes and exception classes of the process.
    var labels: SeriesLabels { get }
    /// Which Weir this is.
    var build: BuildInfo { get }
    /// Whether traffic may be sent here; what `/readyz` says.
    var isReady: Bool { get }
    /// How many workers have had events waiting and taken no turn for long; what ``/healthz`` may say.
    var stuckWorkers: Int { get }
    /// The callers of the process, if they are told apart.
    var callers: CallerRegistry? { get }
    /// Whether this process goes on with the numbers of another.
    var isSuccessor: Bool { get }
    /// Asks the processes that this one follows for their numbers, and waits some seconds at most.
    func others() async -> [MetricsReport]
    /// Asks all workers for their numbers at once.
    func snapshots() async -> WorkerSnapshots
    /// Asks all workers for their connections.
    func connections() async -> [ConnectionEntry]
    /// Begins to watch calls as they end.
    ///
    /// - Parameter parameters: Names and values that say which calls, as they came in the query.
    /// - Returns: The calls; those that end from now on are among them.
    /// - Throws: ``CallStreamError``.
    func calls(
        matching parameters: [(name: String, value: String)]
    ) async throws(CallStreamError) -> CallStream
    /// What can be asked for besides metrics, health, operations, connections and calls; no two of them may answer the
    /// same method of a path. Asked for once.
    var routes: [AdminRoute] { get }
    /// What is on the metrics page besides what every Weir has.
    func additions() async -> MetricsAdditions
}

extension AdminBackend {
    /// Nothing.
    public var routes: [AdminRoute] { [] }

    /// None is known to be.
    public var stuckWorkers: Int { 0 }

    /// They are not told apart.
    public var callers: CallerRegistry? { nil }

    /// It begins at 0.
    public var isSuccessor: Bool { false }

    /// There are none.
    public func others() async -> [MetricsReport] { [] }

    /// Nothing in addition.
    public func additions() async -> MetricsAdditions { MetricsAdditions() }
}
