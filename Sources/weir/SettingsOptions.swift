internal import ArgumentParser
internal import Policy
internal import Relay
internal import Settings
internal import Wire

/// The options that say what to run: a file, and flags that win over it.
struct SettingsOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The configuration file; without one, defaults and flags.")
    var config: String?

    @Option(help: "HOST:PORT that connections on the provider side go to; without it each goes where it was going.")
    var upstream: String?

    @Option(help: "Address of the provider side (default [::]:16006).")
    var listen: String?

    @Option(help: "HOST:PORT that connections on the consumer side go to.")
    var consumerUpstream: String?

    @Option(help: "Address of the consumer side (default [::]:16001 when the side is on).")
    var consumerListen: String?

    @Option(help: "Address of the admin API (default localhost:16080: 127.0.0.1 and ::1).")
    var admin: String?

    @Option(help: "A further address for /metrics, /healthz and /readyz only.")
    var metricsListen: String?

    @Option(help: "Collector that spans go to, such as Jaeger's http://HOST:4318.")
    var traces: String?

    @Option(help: "Threads that relay; 0 leaves it to the processors and the cgroup.")
    var workers: String?

    @Option(help: "After how long connections are closed that are not idle, once a stop was asked for (default 10s).")
    var drainDeadline: String?

    @Option(help: "trace, debug, info, notice, warning or error.")
    var logLevel: String?

    @Option(help: "Any setting: section.key=value; may be repeated.")
    var set: [String] = []

    /// What tells one state of the configuration file from another; nothing without one.
    var stamp: [FileStamp?] { config.map { [FileStamp(path: $0)] } ?? [] }

    /// Reads the file, the environment and the flags.
    ///
    /// - Throws: The exit code, after everything that is wrong has been printed.
    func load() throws -> WeirSettings {
        do throws(SettingsFailure) {
            return try read()
        } catch {
            for problem in error.problems { Output.error(problem) }
            throw error.isFileMissing ? ExitStatus.noInput : ExitStatus.usage
        }
    }

    /// Reads the file, the environment and the flags.
    ///
    /// - Throws: Everything that is wrong.
    func read() throws(SettingsFailure) -> WeirSettings {
        var file: SettingsFile?
        if let config {
            do throws(FileProblem) {
                file = try SettingsFile(path: config)
            } catch {
                throw SettingsFailure(problems: [error.description], isFileMissing: error.isMissing)
            }
        }
        do throws(ConfigurationProblems) {
            let environment = ProcessFacts.weirVariables
            return try SettingsLoader(file: file, environment: environment, overrides: try overrides()).load()
        } catch {
            throw SettingsFailure(error)
        }
    }

    /// Reads the files with limits that the settings name.
    ///
    /// - Throws: Everything that is wrong.
    func limits(_ settings: WeirSettings) throws(SettingsFailure) -> LimitsDocument {
        try LimitsDocument(files: settings.limitsPaths(configuration: config))
    }

    private func overrides() throws(ConfigurationProblems) -> [SettingsOverride] {
        let named: [(String, String?, String)] = [
            ("provider.upstream", upstream, "--upstream"),
            ("provider.listen", listen, "--listen"),
            ("consumer.upstream", consumerUpstream, "--consumer-upstream"),
            ("consumer.listen", consumerListen, "--consumer-listen"),
            ("admin.listen", admin, "--admin"),
            ("admin.metrics-listen", metricsListen, "--metrics-listen"),
            ("tracing.endpoint", traces, "--traces"),
            ("relay.workers", workers, "--workers"),
            ("drain.deadline", drainDeadline, "--drain-deadline"),
            ("log.level", logLevel, "--log-level"),
        ]
        var overrides = named.compactMap { path, text, flag in
            text.map { SettingsOverride(keyPath: path, text: $0, flag: flag) }
        }
        for pair in set {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                let problem = ConfigurationProblem(
                    source: .flag("--set"),
                    keyPath: pair,
                    reason: "takes section.key=value"
                )
                throw ConfigurationProblems(problems: [problem])
            }
            overrides.append(SettingsOverride(keyPath: String(parts[0]), text: String(parts[1]), flag: "--set"))
        }
        return overrides
    }
}

extension WeirSettings {
    /// The addresses a relay needs, names looked up.
    ///
    /// - Throws: The exit code, after a name that cannot be looked up has been printed.
    func endpoint(_ address: NetworkAddress) throws -> Endpoint {
        switch address.host {
        case .ipv4(let ip): return Endpoint(ipv4: ip, port: address.port)
        case .ipv6(let ip):
            return Endpoint(
                high: UInt64(truncatingIfNeeded: ip >> 64),
                low: UInt64(truncatingIfNeeded: ip),
                port: address.port
            )
        case .name(let name):
            switch Resolver.lookUp(name, port: address.port) {
            case .success(let endpoint): return endpoint
            case .failure(let failure):
                Output.error("cannot look up \(name): \(failure.reason)")
                throw ExitStatus.unavailable
            }
        }
    }
}

extension WeirSettings {
    /// Where connections of a side go: all addresses of a name, which the relay has looked up again when they fail.
    ///
    /// - Throws: The exit code, after a name that cannot be looked up has been printed.
    func destination(_ upstream: NetworkAddress) throws -> ListenerConfiguration.Destination {
        guard case .name(let name) = upstream.host else { return .fixed(try endpoint(upstream)) }
        switch Resolver.lookUpAll(name, port: upstream.port) {
        case .success(let endpoints):
            let again: @Sendable () -> [Endpoint] = {
                (try? Resolver.lookUpAll(name, port: upstream.port).get()) ?? []
            }
            if let known = UpstreamName(endpoints, lookUp: again) { return .name(known) }
            throw ExitStatus.unavailable
        case .failure(let failure):
            Output.error("cannot look up \(name): \(failure.reason)")
            throw ExitStatus.unavailable
        }
    }
}

/// The problems with settings or limits, a line each.
struct SettingsFailure: Error {
    var problems: [String]
    /// True if there is no such configuration file.
    var isFileMissing = false

    init(problems: [String], isFileMissing: Bool = false) {
        self.problems = problems
        self.isFileMissing = isFileMissing
    }

    init(_ problems: ConfigurationProblems) { self.problems = problems.problems.map(\.description) }
}

extension WeirSettings {
    /// The paths of the files with limits; relative names are relative to the configuration file.
    func limitsPaths(configuration: String?) -> [String] {
        let folder = configuration.flatMap { path in path.lastIndex(of: "/").map { String(path[...$0]) } } ?? ""
        return limits.map { $0.hasPrefix("/") ? $0 : folder + $0 }
    }
}

extension LimitsDocument {
    /// Reads files with limits.
    init(files paths: [String]) throws(SettingsFailure) {
        var files: [SettingsFile] = []
        var missing: [String] = []
        for path in paths {
            do throws(FileProblem) {
                files.append(try SettingsFile(path: path))
            } catch {
                missing.append("limits: \(error.description)")
            }
        }
        guard missing.isEmpty else { throw SettingsFailure(problems: missing) }
        do throws(ConfigurationProblems) {
            self = try LimitsFile.read(files)
        } catch {
            throw SettingsFailure(error)
        }
    }
}
