internal import Admin
internal import ArgumentParser
internal import Export
internal import Glibc
internal import Logging
internal import Relay
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import Telemetry
internal import UnixSignals
internal import Wire

/// `weir run`: the proxy.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Relays connections and measures every call in them.",
        discussion: """
            weir run --upstream 127.0.0.1:20880 is a complete command: connections to port 16006 go to the application \
            on 20880, and http://127.0.0.1:16080/metrics says what was called. Without --upstream a connection goes \
            where it was going before `weir intercept` redirected it.
            """
    )

    @OptionGroup var options: SettingsOptions

    @Flag(help: "Take the sockets over from the Weir that runs, which keeps its connections and ends with them.")
    var takeover = false

    @concurrent
    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        // Whatever changes from here on is seen as a change.
        var stamps = options.stamp
        let settings = try options.load()
        stamps += Reloading.stamps(of: settings, options)
        let limits = try limits(settings)
        let callLog = try Self.callLog(settings)
        let log = LogWriter(level: settings.log.level.level)
        defer { log.flush() }
        let handler = LogLines(settings.log.format, log)
        let logger = Logger(label: "weir") { _ in handler }
        let predecessor = takeover ? try Takeover.begin(settings, logger: logger) : nil
        let proxy = try Proxy(settings, limits: limits, predecessor: predecessor, log: log, logger: logger)
        logger.notice("starting", metadata: Self.facts(settings, proxy))
        for address in proxy.relay.addresses { logger.notice("relaying", metadata: ["listen": "\(address)"]) }
        let (adminListens, listening) = AsyncStream.makeStream(of: Void.self)
        let admin = AdminServer(
            configuration: settings.adminConfiguration,
            backend: proxy,
            logger: logger,
            inherited: predecessor?.adminSockets(settings) ?? [:],
            startsPaused: predecessor != nil
        ) { _, _ in listening.finish() }
        let successor = TakeoverService(
            proxy: proxy,
            admin: admin,
            port: proxy.relay.addresses.first?.port ?? 0,
            predecessor: predecessor,
            adminListens: adminListens,
            logger: logger
        )
        // Services stop in reverse order: the numbers can be scraped, and spans leave, until the last call has ended.
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: admin)]
        for service in try proxy.tracing?.services(logger) ?? [] { services.append(.init(service: service)) }
        services.append(.init(service: Reloading(options: options, first: stamps, proxy: proxy, logger: logger)))
        services += Self.services(proxy, callLog: callLog, logger: logger)
        services.append(.init(service: successor, successTerminationBehavior: .gracefullyShutdownGroup))
        try await Self.run(services, logger: logger)
    }

    private func limits(_ settings: WeirSettings) throws -> LimitsDocument {
        do throws(SettingsFailure) {
            return try options.limits(settings)
        } catch {
            for problem in error.problems { Output.error(problem) }
            throw ExitStatus.usage
        }
    }

    /// The file of the log of calls, if there is to be one.
    private static func callLog(_ settings: WeirSettings) throws -> CallLogFile? {
        do throws(CallLogProblem) {
            return try settings.log.calls.map { name throws(CallLogProblem) in try CallLogFile(name) }
        } catch {
            Output.error("\(error)")
            throw ExitStatus.unavailable
        }
    }

    /// The services that watch the proxy, and the relay, whose end is the end of all.
    private static func services(
        _ proxy: Proxy,
        callLog: CallLogFile?,
        logger: Logger
    ) -> [ServiceGroupConfiguration.ServiceConfiguration] {
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: WorkerWatching(proxy: proxy, logger: logger)),
            .init(service: LimitWatching(proxy: proxy, logger: logger)),
        ]
        if let callLog {
            let subscribers = proxy.sources.subscribers
            let log = CallLog(callLog, settings: proxy.settings, subscribers: subscribers, logger: logger)
            services.append(.init(service: log))
        }
        let succession = Succession(isFollowed: { proxy.isFollowed.load(ordering: .relaxed) }, logger: logger)
        services.append(.init(service: succession))
        let relay = RelayService(proxy: proxy, logger: logger)
        services.append(.init(service: relay, successTerminationBehavior: .gracefullyShutdownGroup))
        return services
    }

    /// Runs services until a signal, or until one of them ends.
    private static func run(
        _ services: [ServiceGroupConfiguration.ServiceConfiguration],
        logger: Logger
    ) async throws {
        var quiet = logger
        quiet.logLevel = max(quiet.logLevel, .error)
        let group = ServiceGroup(
            configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        )
        do {
            try await group.run()
        } catch let error as AdminError {
            Output.error(error.description)
            throw ExitStatus.unavailable
        } catch let error as TakeoverFailure {
            Output.error("--takeover: \(error.reason)")
            throw ExitStatus.unavailable
        } catch let error as ExportProblem {
            Output.error("tracing: \(error.description)")
            throw ExitStatus.unavailable
        }
    }

    /// What of the start is worth a line: which Weir this is, with which settings.
    private static func facts(_ settings: WeirSettings, _ proxy: Proxy) -> Logger.Metadata {
        var hash = ByteHash(seed: 0)
        let text = Array(settings.yamlText.utf8)
        hash.combine(text.byteSpan)
        return [
            "version": "\(proxy.build.version)", "revision": "\(proxy.build.revision)",
            "configuration": "\(String(hash.value, radix: 16))", "workers": "\(proxy.relay.workerCount)",
            "pid": "\(getpid())",
        ]
    }
}
