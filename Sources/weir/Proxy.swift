internal import Admin
internal import ArgumentParser
internal import Calls
internal import Clocks
internal import Dispatch
internal import Inspection
internal import Interception
internal import Logging
internal import Policy
internal import Relay
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import Telemetry
internal import Wire

/// A running proxy: the relay, and what the admin API asks of it.
final class Proxy: AdminBackend {
    let registry: OperationRegistry
    let labels = SeriesLabels()
    let build = BuildInfo(version: Build.version, revision: Build.revision)
    let relay: Relay
    /// The relay, and whatever else brings traffic.
    let sources: TrafficSources
    /// Spans, if any are wanted.
    let tracing: Tracing?
    let callers: CallerRegistry?
    let limits: LimitsControl
    let drains: DrainControl
    /// The settings the process was started with.
    let settings: WeirSettings
    /// Reads the files again; set once, by what can.
    let reload = Mutex<ReloadAction?>(nil)
    /// The writer of log lines.
    let log: LogWriter
    /// The number of reloads, and of those that failed.
    let reloads = Mutex<(done: UInt64, failed: UInt64)>((0, 0))
    let logger: Logger
    private let metrics: MetricsSettings
    private let accepting = Atomic<Bool>(true)
    private let lastDirect = Mutex<(time: UInt64, counts: [(port: UInt16, count: Int)]?)?>(nil)
    /// The processes that this one follows.
    let others: OtherProcesses
    /// True if this process took over from another.
    let isSuccessor: Bool
    /// True if another process has taken over from this one.
    let isFollowed = Atomic<Bool>(false)
    /// The queue on which limits are fetched from a successor, one fetch at a time.
    let following = DispatchQueue(label: "weir-limits")
    /// The reports to a successor, once there is one.
    let reporting = Mutex<Task<Reporting?, Never>?>(nil)
    /// Until when this process and those that it follows have time to end; 0 before it was told to.
    let endTime = Atomic<UInt64>(0)
    private let isInspecting: Bool

    /// Starts the workers.
    ///
    /// - Throws: The exit code, after what is wrong has been printed.
    init(
        _ settings: WeirSettings,
        limits document: LimitsDocument,
        predecessor: Takeover? = nil,
        log: LogWriter,
        logger: Logger
    ) throws {
        self.settings = settings
        self.log = log
        self.logger = logger
        drains = DrainControl(settings.drain)
        limits = try Self.limits(document, from: predecessor?.state, logger: logger)
        registry = OperationRegistry(capacity: settings.inspection.maxOperations)
        isInspecting = settings.inspection.isEnabled
        let tracing = try Tracing(settings, registry: registry)
        self.tracing = tracing
        metrics = settings.metrics
        callers = metrics.callers ? CallerRegistry() : nil
        isSuccessor = predecessor != nil
        others = OtherProcesses(registry: registry, labels: labels, callers: callers, isExpecting: isSuccessor)
        let configuration = try Self.configuration(settings)
        var hooks = Self.hooks(logger)
        hooks.callerRegistry = callers
        if isInspecting {
            Self.adopt(predecessor?.state, drains)
            hooks.limits = limits.registry
            hooks.drains = drains.registry
        }
        if let tracing { hooks.makeTracer = { tracing.makeTracer(workers: configuration.workers) } }
        do throws(RelayError) {
            relay = try Relay(
                configuration: configuration,
                registry: registry,
                labels: labels,
                hooks: hooks,
                inherited: predecessor?.sockets ?? []
            )
        } catch {
            throw Self.status(of: error)
        }
        sources = TrafficSources(all: [relay], subscribers: relay.subscribers)
        others.hooks.withLock { hooks in
            hooks.adopt = { [weak self] in self?.adopt($0) }
            hooks.toTell = { [weak self] in self?.toTell }
        }
    }

    /// True if traffic may be sent here: not once a stop was asked for, nor while the whole service is drained.
    var isReady: Bool { accepting.load(ordering: .relaxed) && drains.registry.service == nil }

    /// Says that no more traffic should be sent here.
    func stopAccepting() { accepting.store(false, ordering: .relaxed) }

    var stuckWorkers: Int { relay.stuckWorkers }

    func snapshots() async -> WorkerSnapshots {
        let answers = await sources.snapshots()
        return WorkerSnapshots(recorders: answers.snapshots, staleWorkers: answers.stale)
    }

    func others() async -> [MetricsReport] { await others.reports() }

    func connections() async -> [ConnectionEntry] {
        let others = await otherConnections()
        return (await sources.connections() + others).map { report in
            ConnectionEntry(
                id: report.id,
                peer: report.peer.description,
                upstream: report.upstream.description,
                side: report.side,
                connectionProtocol: report.connectionProtocol,
                ageSeconds: Double(report.ageNanoseconds) / 1e9,
                inFlight: report.inFlight,
                bytesToUpstream: report.bytesToUpstream,
                bytesToDownstream: report.bytesToDownstream,
                state: report.isConnecting ? .connecting : (isReady ? .open : .draining)
            )
        }
    }

    func additions() async -> MetricsAdditions {
        var additions = MetricsAdditions()
        additions.names = metrics.names.reduce(into: []) { families, name in
            switch name {
            case .weir: families.insert(.weir)
            case .dubbo: families.insert(.dubbo)
            }
        }
        additions.dubbo = DubboIdentity(
            applicationName: metrics.application ?? tracing?.serviceName ?? "",
            hostname: ProcessFacts.hostName,
            ip: ProcessFacts.variables["POD_IP"] ?? ""
        )
        additions.stuckWorkers = relay.stuckWorkers
        let silent = others.peers.processes.count { !$0.answers }
        additions.predecessors = (others.peers.processes.count - silent, silent)
        let reloads = reloads.withLock { $0 }
        additions.operation = ProcessOperation(
            reloads: reloads.done,
            failedReloads: reloads.failed,
            logLinesDropped: log.dropped + sources.subscribers.droppedLogLines
        )
        additions.tracing = tracing?.counters.readings
        if isInspecting {
            additions.tapLinesDropped = sources.subscribers.droppedLines
            additions.limits = limits.readings
            additions.drains = drains.readings
        }
        additions.directConnections = directConnections()
        guard metrics.callers, let callers else { return additions }
        additions.callers = callers.names
        additions.consumers = await consumers(callers.names)
        return additions
    }

    /// The connections that carry calls, with the names of their consumers.
    private func consumers(_ names: [String]) async -> [ConsumerConnection] {
        await sources.connections().filter { $0.connectionProtocol.callProtocol != nil }.map { connection in
            let name = CallerRegistry.name(of: connection.caller, in: names)
            return ConsumerConnection(
                side: connection.side,
                consumer: name.isEmpty ? connection.peer.addressText : name,
                calls: connection.finishedCalls
            )
        }
    }

    /// The connections to the application that bypass Weir, if its ports are known; counted every 5 s at most.
    private func directConnections() -> [(port: UInt16, count: Int)]? {
        guard !settings.providerPorts.isEmpty else { return nil }
        let now = SystemClock.now()
        return lastDirect.withLock { last in
            if let last, now - last.time < 5_000_000_000 { return last.counts }
            let counts = try? DirectConnections.count(to: settings.providerPorts)
            last = (now, counts)
            return counts
        }
    }

    // MARK: Configuration

    private static func limits(
        _ document: LimitsDocument,
        from state: TakeoverState?,
        logger: Logger
    ) throws -> LimitsControl {
        do throws(LimitSetError) {
            return try LimitsControl(document, from: state, logger: logger)
        } catch {
            Output.error("\(error)")
            throw ExitStatus.usage
        }
    }

    /// Prints why the relay cannot start; returns the exit code.
    private static func status(of error: RelayError) -> ExitCode {
        switch error {
        case .cannotListen(let endpoint, let reason): Output.error("cannot listen on \(endpoint): \(reason)")
        case .outOfResources(let reason): Output.error("cannot start: \(reason)")
        }
        return ExitStatus.unavailable
    }

    private static func configuration(_ settings: WeirSettings) throws -> RelayConfiguration {
        var listeners: [ListenerConfiguration] = []
        for (side, part) in [(Side.provider, settings.provider), (Side.consumer, settings.consumer)]
        where part.isEnabled {
            let destination: ListenerConfiguration.Destination =
                if let upstream = part.upstream { try settings.destination(upstream) } else { .original }
            listeners.append(
                ListenerConfiguration(
                    side: side,
                    address: try settings.endpoint(part.listen),
                    isDualStack: part.listen.isUnspecified,
                    destination: destination
                )
            )
        }
        var configuration = RelayConfiguration(listeners: listeners)
        configuration.workers = settings.relay.workerCount(
            processors: ProcessFacts.processors,
            cgroupLimit: ProcessFacts.cgroupLimit
        )
        configuration.maxConnections = settings.relay.maxConnections
        configuration.readBufferBytes = settings.relay.readBufferBytes
        configuration.isInspecting = settings.inspection.isEnabled
        configuration.connectTimeoutNanoseconds = settings.relay.connectTimeout.nanoseconds
        configuration.socket.keepAliveIdleSeconds = settings.relay.keepaliveIdle.map { Int($0.components.seconds) } ?? 0
        configuration.socket.keepAliveIntervalSeconds = Int(settings.relay.keepaliveInterval.components.seconds)
        configuration.socket.keepAliveCount = settings.relay.keepaliveCount
        let userTimeout = settings.relay.tcpUserTimeout?.nanoseconds ?? 0
        configuration.socket.userTimeoutMilliseconds = Int(userTimeout / 1_000_000)
        configuration.inspection.callTimeoutNanoseconds = settings.inspection.callTimeout.nanoseconds
        configuration.inspection.maxCalls = settings.inspection.maxCalls
        configuration.inspection.maxTombstones = settings.inspection.maxTombstones
        configuration.inspection.jsonrpcPaths = PathPatterns(settings.inspection.jsonrpcPaths)
        configuration.inspection.tellsToolsApart = settings.inspection.mcpNames
        return configuration
    }

    /// Refusals, and connections that cannot be decoded, are counted always and logged at most once a second for each
    /// reason or protocol, with how many were left out.
    private static func hooks(_ logger: Logger) -> RelayHooks {
        let limiter = LogLimiter()
        var hooks = RelayHooks()
        hooks.refused = { refused in
            guard let leftOut = limiter.pass(refused.reason.rawValue) else { return }
            var metadata: Logger.Metadata = ["peer": "\(refused.peer)", "reason": "\(refused.reason.label)"]
            if let destination = refused.destination { metadata["destination"] = "\(destination)" }
            if refused.error != 0 { metadata["error"] = "\(Output.text(of: refused.error))" }
            if leftOut > 0 { metadata["left-out"] = "\(leftOut)" }
            logger.warning("connection refused", metadata: metadata)
        }
        let failures = LogLimiter()
        hooks.decodeFailed = { connection in
            guard let leftOut = failures.pass(connection.failure.connectionProtocol.rawValue) else { return }
            var metadata: Logger.Metadata = [
                "peer": "\(connection.peer)", "destination": "\(connection.destination)",
                "protocol": "\(connection.failure.connectionProtocol.label)",
                "reason": "\(connection.failure.reason)",
            ]
            if leftOut > 0 { metadata["left-out"] = "\(leftOut)" }
            logger.warning("bytes cannot be decoded and are relayed as they are", metadata: metadata)
        }
        hooks.acceptPaused = { reason in
            guard let leftOut = limiter.pass(.max) else { return }
            var metadata: Logger.Metadata = ["reason": "\(reason)"]
            if leftOut > 0 { metadata["left-out"] = "\(leftOut)" }
            logger.warning("accepting paused", metadata: metadata)
        }
        return hooks
    }
}

/// Lets one log line a second pass for each key.
final class LogLimiter: Sendable {
    private let last = Mutex<[UInt8: (time: UInt64, leftOut: UInt64)]>([:])

    /// The number of lines of a key that were left out since the last one that passed; `nil` if this one is left out.
    func pass(_ key: UInt8) -> UInt64? {
        let now = SystemClock.now()
        return last.withLock { last in
            let before = last[key]
            if let before, now < before.time + 1_000_000_000 {
                last[key] = (before.time, before.leftOut + 1)
                return nil
            }
            last[key] = (now, 0)
            return before?.leftOut ?? 0
        }
    }
}

/// Reads the files again.
///
/// A function that a mutex held by itself would be wrapped once more, and kept so, each time it is read.
struct ReloadAction: Sendable {
    var call: @Sendable () async -> AdminAnswer
}

/// The relay as a service: it runs until it is asked to stop and has drained.
struct RelayService: Service {
    let proxy: Proxy
    let logger: Logger

    func run() async throws {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await proxy.relay.ended()
            } onGracefulShutdown: {
                proxy.stopAccepting()
                // The service manager does not watch a process that was taken over from.
                if !proxy.isFollowed.load(ordering: .relaxed) { ServiceManager.stopping() }
                let deadline = proxy.beginEnd()
                logger.notice("draining", metadata: ["deadline": "\(deadline.settingText)"])
                Task { await proxy.relay.drain(within: deadline.nanoseconds) }
                // Those that it follows serve the same consumers.
                proxy.others.end()
            }
        } onCancel: {
            // Another service has failed, and the process is to end.
            Task { await proxy.relay.drain(within: 0) }
        }
        await proxy.others.gone(before: proxy.endTime.load(ordering: .relaxed))
        if let reporting = await proxy.reporting.withLock({ $0 })?.value { await reporting.stop() }
        logger.notice("stopped")
    }
}

extension Duration {
    /// The duration in whole nanoseconds; none for a negative one.
    var nanoseconds: UInt64 {
        let parts = components
        guard parts.seconds >= 0 else { return 0 }
        return UInt64(parts.seconds) * 1_000_000_000 + UInt64(max(0, parts.attoseconds) / 1_000_000_000)
    }
}
