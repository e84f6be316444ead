public import Calls
public import Telemetry

/// The workers' answers to a request for their numbers.
public struct WorkerSnapshots: Sendable {
    /// One snapshot a worker.
    public var recorders: [RecorderSnapshot]
    /// The number of old snapshots, of workers that did not answer in time.
    public var staleWorkers: Int

    /// Snapshots of these answers.
    public init(recorders: [RecorderSnapshot], staleWorkers: Int) {
        self.recorders = recorders
        self.staleWorkers = staleWorkers
    }
}

/// The interface of the rest of Weir to the admin API.
public protocol AdminBackend: Sendable {
    /// The operations of the process.
    var registry: OperationRegistry { get }
    /// The codes and exception classes of the process.
    var labels: SeriesLabels { get }
    /// The build of this Weir.
    var build: BuildInfo { get }
    /// True if traffic may be sent here; the answer of `/readyz`.
    var isReady: Bool { get }
    /// The number of workers that have had events waiting and taken no turn for long; `/healthz` may report it.
    var stuckWorkers: Int { get }
    /// The callers of the process, if they are told apart.
    var callers: CallerRegistry? { get }
    /// True if this process continues the numbers of another.
    var isSuccessor: Bool { get }
    /// Asks the processes that this one follows for their numbers, and waits some seconds at most.
    func others() async -> [MetricsReport]
    /// Asks all workers for their numbers at once.
    func snapshots() async -> WorkerSnapshots
    /// Asks all workers for their connections.
    func connections() async -> [ConnectionEntry]
    /// Subscribes to calls as they end.
    ///
    /// - Parameter parameters: The names and values of the query that select the calls.
    /// - Returns: The stream of calls that end from now on.
    /// - Throws: ``CallStreamError``.
    func calls(
        matching parameters: [(name: String, value: String)]
    ) async throws(CallStreamError) -> CallStream
    /// The routes besides metrics, health, operations, connections and calls; no two of them may answer the same method
    /// of a path. Read once.
    var routes: [AdminRoute] { get }
    /// The metrics besides those of every Weir.
    func additions() async -> MetricsAdditions
}

extension AdminBackend {
    /// No routes.
    public var routes: [AdminRoute] { [] }

    /// Always 0.
    public var stuckWorkers: Int { 0 }

    /// They are not told apart.
    public var callers: CallerRegistry? { nil }

    /// It begins at 0.
    public var isSuccessor: Bool { false }

    /// Always empty.
    public func others() async -> [MetricsReport] { [] }

    /// No additions.
    public func additions() async -> MetricsAdditions { MetricsAdditions() }
}
