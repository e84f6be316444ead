public import Calls

/// The name families under which the numbers of calls are exported.
public struct MetricNameFamilies: OptionSet, Hashable, Sendable {
    /// One bit a family of names.
    public let rawValue: UInt8
    /// A set with these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Weir's own names, `weir_*`.
    public static let weir = MetricNameFamilies(rawValue: 1)
    /// The names that Dubbo for Java and dubbo-go export themselves, `dubbo_provider_*` and `dubbo_consumer_*`.
    public static let dubbo = MetricNameFamilies(rawValue: 2)
}

/// The application's identity: labels of the Dubbo names that no call carries.
public struct DubboIdentity: Equatable, Sendable {
    /// The label `application_name`.
    public var applicationName: String
    /// The label `hostname`.
    public var hostname: String
    /// The label `ip`.
    public var ip: String

    /// An identity; what is empty is an empty label.
    ///
    /// - Parameters:
    ///   - applicationName: The application beside Weir.
    ///   - hostname: The machine or pod.
    ///   - ip: Its address.
    public init(applicationName: String = "", hostname: String = "", ip: String = "") {
        self.applicationName = applicationName
        self.hostname = hostname
        self.ip = ip
    }
}

/// The events of a process besides traffic.
public struct ProcessOperation: Equatable, Sendable {
    /// The number of times that its files were read again and put in force.
    public var reloads: UInt64
    /// The number of times that nothing was put in force because of mistakes in them.
    public var failedReloads: UInt64
    /// The number of log lines, those of calls included, that were not written, mostly because nobody read them.
    public var logLinesDropped: UInt64

    /// An operation with these numbers.
    ///
    /// - Parameters:
    ///   - reloads: The number of times that its files were read again and put in force.
    ///   - failedReloads: The number of times that nothing was put in force because of mistakes in them.
    ///   - logLinesDropped: The number of log lines, those of calls included, that were not written.
    public init(reloads: UInt64, failedReloads: UInt64, logLinesDropped: UInt64) {
        self.reloads = reloads
        self.failedReloads = failedReloads
        self.logLinesDropped = logLinesDropped
    }
}

/// One open connection as the balance of a consumer's connections sees it.
public struct ConsumerConnection: Equatable, Sendable {
    /// The side that Weir is on.
    public var side: Side
    /// The peer that opened it.
    public var consumer: String
    /// The number of calls it has carried.
    public var calls: UInt64

    /// A connection of a consumer.
    ///
    /// - Parameters:
    ///   - side: The side that Weir is on.
    ///   - consumer: The peer that opened it.
    ///   - calls: The number of calls it has carried.
    public init(side: Side, consumer: String, calls: UInt64) {
        self.side = side
        self.consumer = consumer
        self.calls = calls
    }
}

/// The decisions of a limit, in calls.
public struct LimitReadings: Equatable, Sendable {
    /// The limit's name.
    public var name: String
    /// Calls that passed within it.
    public var allowed: UInt64
    /// Calls that it refused.
    public var rejected: UInt64
    /// Calls that passed only because it is observed.
    public var wouldReject: UInt64

    /// Readings of those values.
    ///
    /// - Parameters:
    ///   - name: The limit's name.
    ///   - allowed: Calls that passed within it.
    ///   - rejected: Calls that it refused.
    ///   - wouldReject: Calls that passed only because it is observed.
    public init(name: String, allowed: UInt64, rejected: UInt64, wouldReject: UInt64) {
        self.name = name
        self.allowed = allowed
        self.rejected = rejected
        self.wouldReject = wouldReject
    }
}

/// The progress of drains.
public struct DrainReadings: Sendable {
    /// The progress of one drain.
    public struct State: Equatable, Sendable {
        /// The drained interface; empty for the whole service.
        public var interface: String
        /// The method; empty for all of the interface.
        public var method: String
        /// 0 not at all, 1 grace, 2 requests are refused, 3 the deadline has passed.
        public var value: UInt8

        /// A state with these values.
        ///
        /// - Parameters:
        ///   - interface: The drained interface; empty for the whole service.
        ///   - method: The method; empty for all of the interface.
        ///   - value: 0 to 3.
        public init(interface: String, method: String, value: UInt8) {
            self.interface = interface
            self.method = method
            self.value = value
        }
    }

    /// The states of the whole service and of everything that is drained by itself.
    public var states: [State]
    /// The number of times that each signal was given to consumers.
    public var signals: [(signal: String, count: UInt64)]

    /// Readings of those values.
    ///
    /// - Parameters:
    ///   - states: The states of the whole service and of everything that is drained by itself.
    ///   - signals: The number of times that each signal was given.
    public init(states: [State], signals: [(signal: String, count: UInt64)]) {
        self.states = states
        self.signals = signals
    }
}

/// The optional content of the metrics page, besides that of every Weir; all of it is off unless it is set.
public struct MetricsAdditions: Sendable {
    /// The names to export the numbers of calls under; without ``MetricNameFamilies/weir`` no `weir_*` name is there.
    public var names: MetricNameFamilies = .weir
    /// Labels of the Dubbo names.
    public var dubbo = DubboIdentity()
    /// The callers' names by place, which puts the label `caller` on `weir_calls_total`; `nil` leaves it out.
    ///
    /// Read it after the workers' snapshots, so that it has everyone they name.
    public var callers: [String]?
    /// The numbers by the name of a ``ControlMetric`` and by their labels' indexes; a metric without them is not on the
    /// page.
    var numbers: [String: [UInt64]] = [:]
    /// Connections of the admin API that were closed before their clients wanted it; `nil` leaves them out.
    public var adminCuts: [(reason: String, count: UInt64)]?
    /// The open connections whose consumers are known; `nil` leaves their balance out.
    public var consumers: [ConsumerConnection]?
    /// The decisions of the limits in force; `nil` if calls cannot be limited.
    public var limits: [LimitReadings]?
    /// The progress of drains; `nil` if nothing can be drained.
    public var drains: DrainReadings?
    /// The established connections that are not Weir's, by port of the application; `nil` if not known.
    public var directConnections: [(port: UInt16, count: Int)]?

    /// No additions.
    public init() {}
}

/// Numbers of the catalogue that are known together.
extension MetricsAdditions {
    /// The numbers of tracing; `nil` when it is off.
    public var tracing: TracingCounters.Readings? {
        get {
            guard let exported = self[MetricCatalog.spans, .exported] else { return nil }
            var readings = TracingCounters.Readings()
            readings.exported = exported
            readings.dropped = self[MetricCatalog.spans, .dropped] ?? 0
            readings.failed = self[MetricCatalog.spans, .failed] ?? 0
            readings.malformed = TraceFormat.allCases.map { self[MetricCatalog.malformedContexts, $0] ?? 0 }
            readings.injections = TracingCounters.Injection.allCases.map {
                self[MetricCatalog.contextInjections, $0] ?? 0
            }
            return readings
        }
        set {
            guard let newValue else {
                remove(MetricCatalog.spans)
                remove(MetricCatalog.malformedContexts)
                return remove(MetricCatalog.contextInjections)
            }
            set(MetricCatalog.spans, .exported, to: newValue.exported)
            set(MetricCatalog.spans, .dropped, to: newValue.dropped)
            set(MetricCatalog.spans, .failed, to: newValue.failed)
            for (format, count) in zip(TraceFormat.allCases, newValue.malformed) {
                set(MetricCatalog.malformedContexts, format, to: count)
            }
            for (result, count) in zip(TracingCounters.Injection.allCases, newValue.injections) {
                set(MetricCatalog.contextInjections, result, to: count)
            }
        }
    }

    /// The lines that subscribers were too slow for; `nil` if nobody can subscribe.
    public var tapLinesDropped: UInt64? {
        get { self[MetricCatalog.tapLinesDropped, NoLabels()] }
        set { set(MetricCatalog.tapLinesDropped, newValue) }
    }

    /// The number of workers that have had events waiting and taken no turn for 30 s; `nil` if nobody checks.
    public var stuckWorkers: Int? {
        get { self[MetricCatalog.stuckWorkers, NoLabels()].map { Int(clamping: $0) } }
        set { set(MetricCatalog.stuckWorkers, newValue.map { UInt64(clamping: $0) }) }
    }

    /// The numbers of predecessors that answer and that do not; `nil` leaves them out.
    public var predecessors: (answering: Int, silent: Int)? {
        get {
            guard let answering = self[MetricCatalog.predecessors, .answering] else { return nil }
            return (Int(clamping: answering), Int(clamping: self[MetricCatalog.predecessors, .silent] ?? 0))
        }
        set {
            guard let newValue else { return remove(MetricCatalog.predecessors) }
            set(MetricCatalog.predecessors, .answering, to: UInt64(clamping: newValue.answering))
            set(MetricCatalog.predecessors, .silent, to: UInt64(clamping: newValue.silent))
        }
    }

    /// The events of the process besides traffic; `nil` leaves them out.
    public var operation: ProcessOperation? {
        get {
            guard let reloads = self[MetricCatalog.reloads, .ok] else { return nil }
            return ProcessOperation(
                reloads: reloads,
                failedReloads: self[MetricCatalog.reloads, .failed] ?? 0,
                logLinesDropped: self[MetricCatalog.logLinesDropped, NoLabels()] ?? 0
            )
        }
        set {
            guard let newValue else {
                remove(MetricCatalog.reloads)
                return remove(MetricCatalog.logLinesDropped)
            }
            set(MetricCatalog.reloads, .ok, to: newValue.reloads)
            set(MetricCatalog.reloads, .failed, to: newValue.failedReloads)
            set(MetricCatalog.logLinesDropped, NoLabels(), to: newValue.logLinesDropped)
        }
    }

    private mutating func set(_ metric: ControlMetric<NoLabels>, _ value: UInt64?) {
        guard let value else { return remove(metric) }
        set(metric, NoLabels(), to: value)
    }
}
