internal import Admin
internal import ArgumentParser
internal import Calls
internal import Demo
internal import Glibc
internal import Logging
internal import Relay
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import Telemetry
internal import UnixSignals
internal import Wire

/// `weir demo`: Weir at work, with peers of its own on both sides.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Starts a provider, consumers and the proxy between them, and shows the calls live.",
        discussion: """
            The provider takes Dubbo 2, Triple and JSON-RPC on one port, and so does the proxy. Everything stays on \
            127.0.0.1. It runs until Ctrl-C or for --seconds.
            """
    )

    @Option(help: "How long to run; without it, until Ctrl-C.")
    var seconds: Double?

    @Option(help: "Calls a second, all consumers together (1 to 20000).")
    var rate = 400

    @Option(help: "Address of the admin API.")
    var admin = "127.0.0.1:16080"

    @Option(help: "Seed of the calls that are made.")
    var seed: UInt64 = 1

    @Option(help: "Collector that spans go to, such as Jaeger's http://HOST:4318.")
    var traces: String?

    @Option(help: "Any setting of weir run: section.key=value; may be repeated.")
    var set: [String] = []

    func validate() throws {
        if let seconds, !(seconds > 0 && seconds <= 86_400) {
            throw ValidationError("--seconds takes a number above 0 and up to 86400")
        }
        guard (1...DemoConsumers.maxCallsPerSecond).contains(rate) else {
            throw ValidationError("--rate takes a number from 1 to \(DemoConsumers.maxCallsPerSecond)")
        }
    }

    @concurrent
    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let provider = try Self.provider(seed: seed)
        let settings = try settings(providerPort: provider.port)
        let log = LogWriter(level: .error)
        defer { log.flush() }
        var logger = Logger(label: "weir") { _ in LogLines(settings.log.format, log) }
        logger.logLevel = .error
        let proxy = try Proxy(
            settings,
            limits: try LimitsFile.read(text: DemoCommand.limits, path: "demo"),
            log: log,
            logger: logger
        )
        let demo = DemoService(
            proxy: proxy,
            provider: provider,
            adminPort: AdminPort(),
            seconds: seconds,
            rate: rate,
            seed: seed
        )
        let server = AdminServer(configuration: settings.adminConfiguration, backend: proxy, logger: logger) {
            [port = demo.adminPort] _, number in port.number.store(number, ordering: .relaxed)
        }
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: server)]
        for service in try proxy.tracing?.services(logger) ?? [] { services.append(.init(service: service)) }
        services.append(.init(service: demo, successTerminationBehavior: .gracefullyShutdownGroup))
        let group = ServiceGroup(
            configuration: .init(
                services: services,
                gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger
            )
        )
        do {
            try await group.run()
        } catch let error as AdminError {
            Output.error("\(error); choose another with --admin")
            throw ExitStatus.unavailable
        }
    }

    private static func provider(seed: UInt64) throws -> DemoProvider {
        do throws(DemoError) {
            return try DemoProvider(seed: seed)
        } catch {
            Output.error("cannot start the demo's provider: \(error)")
            throw ExitStatus.unavailable
        }
    }

    /// A limit on one method, so that limits can be seen at work.
    private static let limits = """
        limits:
          - name: demo-stock
            match: {interface: \(DemoDrain.limited), method: stock}
            limit: 30
            window: 1s
        """

    private func settings(providerPort: UInt16) throws -> WeirSettings {
        var overrides: [SettingsOverride] = []
        if let traces {
            overrides.append(SettingsOverride(keyPath: "tracing.endpoint", text: traces, flag: "--traces"))
        }
        for pair in set {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? String(parts[1]) : ""
            overrides.append(SettingsOverride(keyPath: String(parts[0]), text: value, flag: "--set"))
        }
        overrides += [
            SettingsOverride(keyPath: "provider.listen", text: "127.0.0.1:0", flag: "--demo"),
            SettingsOverride(keyPath: "provider.upstream", text: "127.0.0.1:\(providerPort)", flag: "--demo"),
            SettingsOverride(keyPath: "drain.grace", text: "1s", flag: "--demo"),
            SettingsOverride(keyPath: "relay.workers", text: "1", flag: "--demo"),
            SettingsOverride(keyPath: "admin.listen", text: admin, flag: "--admin"),
        ]
        do throws(ConfigurationProblems) {
            return try SettingsLoader(overrides: overrides).load()
        } catch {
            for problem in error.problems { Output.error(problem.description) }
            throw ExitStatus.usage
        }
    }
}

/// The port that the admin API got.
final class AdminPort: Sendable {
    let number = Atomic<Int>(0)
}
