public import Calls

/// The numbers of one operation on one side.
public struct OperationReport: Sendable {
    /// The calls of one caller that ended with one outcome and code.
    public struct Result: Sendable {
        /// The outcome.
        public let outcome: Outcome
        /// The protocol's name of the code, empty for none, `other` for codes not told apart; see ``SeriesLabels``.
        public let code: String
        /// The number of calls.
        public let count: UInt64
        /// The caller's place in the process's ``CallerRegistry``, 0 when it is not told apart.
        public let caller: UInt8
        /// The code's place in ``SeriesLabels``.
        let place: Int
        /// The code itself; ``ResultCode/none`` for `other` too.
        let value: Int32
    }

    /// The replies that carried one exception class.
    public struct Exception: Sendable {
        /// The class, `other` past ``SeriesLabels/limit``.
        public let className: String
        /// The number of replies.
        public let count: UInt64
        /// The class's place in ``SeriesLabels``.
        let place: Int
    }

    /// The operation's id.
    public let id: OperationID
    /// Its names.
    public let operation: Operation
    /// The side that Weir is on.
    public let side: Side
    /// Calls begun and not ended.
    public internal(set) var inFlight: Int64 = 0
    /// The bytes of requests whose calls have ended.
    public internal(set) var requestBytes: UInt64 = 0
    /// Bytes of their replies.
    public internal(set) var responseBytes: UInt64 = 0
    /// Replies to calls given up before.
    public internal(set) var lateReplies: UInt64 = 0
    /// Ended calls, in order of outcome, then of the code's first sight, then of the caller's.
    public internal(set) var results: [Result] = []
    /// Exceptions in order of first sight.
    public internal(set) var exceptions: [Exception] = []
    /// The durations of answered calls.
    public internal(set) var duration = HistogramSnapshot()

    /// The durations of its streams, however they ended.
    public internal(set) var streams = HistogramSnapshot()
    /// Messages that streams carried to the service.
    public internal(set) var streamedRequests: UInt64 = 0
    /// Messages that streams carried back.
    public internal(set) var streamedResponses: UInt64 = 0

    /// The number of ended calls.
    public var calls: UInt64 { results.reduce(0) { $0 &+ $1.count } }

    /// The number of them with an error outcome.
    public var errors: UInt64 { results.reduce(0) { $0 &+ ($1.outcome.isError ? $1.count : 0) } }
}

/// The numbers of the whole process: those of all workers together.
public struct MetricsSnapshot: Sendable {
    /// The connections of one side and protocol.
    public struct Connections: Sendable {
        /// The side that Weir is on.
        public let side: Side
        /// The protocol they speak.
        public let connectionProtocol: ConnectionProtocol
        /// The number of open connections.
        public let open: Int64
        /// The number of connections so far; a silent one counts when it ends.
        public let total: UInt64
    }

    /// The decode errors of one reason.
    public struct DecodeErrors: Sendable {
        /// The protocol of the decoder.
        public let connectionProtocol: ConnectionProtocol
        /// The error's label.
        public let reason: String
        /// The number of errors.
        public let count: UInt64
    }

    /// Every operation and side with numbers, in order of first sight.
    public internal(set) var operations: [OperationReport] = []
    /// Decode errors, in order of protocol and reason.
    public internal(set) var decodeErrors: [DecodeErrors] = []
    /// The number of operations that are told apart.
    public internal(set) var operationCount = 0
    /// The number of calls whose operation did not fit.
    public internal(set) var operationsOverflowed: UInt64 = 0
    /// The numbers of ``MetricCatalog/workers``, each at its place in a recorder.
    var numbers = [UInt64](repeating: 0, count: MetricCatalog.end.word)
    /// Its histograms.
    var histograms = [HistogramSnapshot](repeating: HistogramSnapshot(), count: MetricCatalog.end.histogram)

    /// An empty snapshot.
    public init() {}

    /// One number of a metric.
    public internal(set) subscript<Labels>(metric: WorkerMetric<Labels>, labels: Labels) -> UInt64 {
        get { numbers[metric.position(labels)] }
        set { numbers[metric.position(labels)] = newValue }
    }

    /// One histogram of a metric.
    public internal(set) subscript<Labels>(metric: WorkerHistogram<Labels>, labels: Labels) -> HistogramSnapshot {
        get { histograms[metric.number(labels)] }
        set { histograms[metric.number(labels)] = newValue }
    }

    /// The sums over all workers.
    ///
    /// - Parameters:
    ///   - recorders: One snapshot a worker, taken before this is called.
    ///   - registry: The process's operations.
    ///   - labels: The process's codes and exception classes.
    public init(merging recorders: [RecorderSnapshot], registry: OperationRegistry, labels: SeriesLabels) {
        // Read after the recorders, so that everything they name is known.
        let (names, operations) = (labels.contents, registry.operations)
        operationCount = registry.count
        operationsOverflowed = registry.overflowed
        for (index, operation) in operations.enumerated() {
            let id = OperationID(rawValue: UInt32(index))
            let entry = index < names.count ? names[index] : SeriesLabels.Entry()
            for side in Side.allCases {
                let rows = recorders.compactMap { recorder in recorder.index.row(id, side).map { (recorder, $0) } }
                if rows.isEmpty { continue }
                self.operations.append(OperationReport(id, operation: operation, side: side, rows: rows, names: entry))
            }
        }
        mergeProcess(recorders)
        mergeDecodeErrors(recorders)
    }
}
