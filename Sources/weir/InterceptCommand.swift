internal import ArgumentParser
internal import Interception

/// `weir intercept`: the kernel's rules that bring connections to Weir.
struct InterceptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "intercept",
        abstract: "Prints, installs, shows or removes the rules that redirect connections to Weir.",
        subcommands: [PrintRules.self, Install.self, Status.self, Verify.self, Remove.self]
    )

    struct Rules: ParsableArguments {
        @Option(
            help: "The application's ports (20880,50051,30000-30100): connections to them come to the provider side."
        )
        var ports: String?

        @Option(
            help: """
                Ports of other services: connections of the application to them come to the consumer side; `all` for \
                every port.
                """
        )
        var consumerPorts: String?

        @Option(help: "Ports that are never taken on the consumer side (health probes, databases).")
        var exclude = ""

        @Option(help: "Name or number of the user that Weir runs as; its own connections are left alone.")
        var user: String?

        @Option(help: "The port of the provider side.")
        var listenPort: UInt16 = 16006

        @Option(help: "The port of the consumer side.")
        var consumerListenPort: UInt16 = 16001

        @Option(help: "The admin port, which is never taken.")
        var adminPort: UInt16 = 16080

        @Option(help: "The port for scraping alone (admin.metrics-listen), which is never taken.")
        var metricsPort: UInt16 = 16081

        @Flag(help: "Take connections from this machine to the application's ports too; needs --user.")
        var local = false

        @Flag(help: "Take the application's connections to loopback addresses too.")
        var loopback = false

        @Flag(help: "One table for each address family, for kernels before 5.2.")
        var separateTables = false

        @Option(
            help: "Where the rules are kept: \(InterceptBackend.allCases.map(\.rawValue).joined(separator: ", ")).",
            transform: InterceptCommand.backend
        )
        var backend = InterceptBackend.auto

        var interceptor: Interceptor { Interceptor(backend: backend, separateTables: separateTables) }

        /// True if a plan was described at all.
        var isPlan: Bool { ports != nil || consumerPorts != nil }

        func plan() throws -> FirewallPlan {
            do throws(InterceptProblem) {
                return try FirewallPlan(
                    provider: try provider(),
                    consumer: try consumer(),
                    user: user,
                    ownPorts: [listenPort, consumerListenPort, adminPort, metricsPort]
                )
            } catch {
                Output.error(error.description)
                throw ExitStatus.usage
            }
        }

        private func provider() throws(InterceptProblem) -> FirewallPlan.Provider? {
            guard let ports else { return nil }
            return FirewallPlan.Provider(
                ports: try PortSet(parsing: ports),
                listenPort: listenPort,
                includesLocal: local
            )
        }

        private func consumer() throws(InterceptProblem) -> FirewallPlan.Consumer? {
            guard let consumerPorts else { return nil }
            return FirewallPlan.Consumer(
                ports: consumerPorts == "all" ? nil : try PortSet(parsing: consumerPorts),
                excluded: exclude.isEmpty ? PortSet([]) : try PortSet(parsing: exclude),
                listenPort: consumerListenPort,
                includesLoopback: loopback
            )
        }
    }

    struct PrintRules: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "print", abstract: "Prints the rules.")
        @OptionGroup var rules: Rules

        func run() throws {
            let plan = try rules.plan()
            let text = Interceptor.text(plan, separateTables: rules.separateTables, backend: rules.backend)
            _ = Output.write(Array(text.utf8))
        }
    }

    struct Install: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "install",
            abstract: "Puts the rules in force, in place of any earlier ones, and prints what changed.",
            discussion: "One command describes the whole plan, both sides of it. Open connections go on as they are."
        )
        @OptionGroup var rules: Rules

        func run() throws {
            let plan = try rules.plan()
            let interceptor = rules.interceptor
            let change = try InterceptCommand.trying { () throws(InterceptFailure) in try interceptor.install(plan) }
            let before = change.previous.flatMap { $0.isInert ? nil : $0.plan }
            var lines = ["in force: \(change.place)"]
            if let previous = change.previous {
                if previous.isInert { lines = ["in force again: \(change.place)"] }
                if previous.plan == nil { lines.append("- rules of another version") }
                if before == plan { lines[0] += ", as before" }
            }
            InterceptCommand.print(lines + plan.changes(from: before).map { "  \($0)" })
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Redirects no new connection any more; does nothing when there are no rules.",
            discussion: """
                Connections that are redirected live on: an inert table stays behind, without which the kernel would \
                stop to translate them. --purge takes it away as well.
                """
        )

        @Flag(help: "Take the inert table away too; refused while redirected connections are open.")
        var purge = false

        @Flag(help: "With --purge: also while redirected connections are open, which this may cut.")
        var force = false

        @Flag(help: .hidden)
        var separateTables = false

        func validate() throws {
            guard purge || !force else { throw ValidationError("--force goes with --purge") }
        }

        func run() throws {
            let interceptor = Interceptor()
            let rules = try InterceptCommand.trying { () throws(InterceptFailure) in try interceptor.read() }
            guard !rules.isEmpty else { return InterceptCommand.print(["nothing is installed"]) }
            let open = Result { () throws(InterceptFailure) in try RedirectedConnections.count(of: rules) }
            if purge { return try purge(rules, open: open, interceptor: interceptor) }
            try InterceptCommand.trying { () throws(InterceptFailure) in try interceptor.remove() }
            let living =
                (try? open.get()).map { "\($0) redirected connections live on" } ?? "redirected connections live on"
            let wasInert = rules.allSatisfy(\.isInert)
            InterceptCommand.print(
                [wasInert ? "nothing was redirected any more" : "new connections are redirected no more"]
                    + rules.map { "\($0.place): stays, inert, so that what is redirected is translated further" }
                    + [living, "`weir intercept remove --purge` takes it away"]
            )
        }

        private func purge(
            _ rules: [InstalledRules],
            open: Result<Int, InterceptFailure>,
            interceptor: Interceptor
        ) throws {
            switch open {
            case .success(0): break
            case .success(let count) where force:
                InterceptCommand.print(["\(count) redirected connections were open"])
            case .success(let count):
                Output.error(
                    "\(count) redirected connections are open and would be cut: drain first, or --force"
                )
                throw ExitStatus.unavailable
            case .failure(let failure):
                guard !force else { break }
                Output.error(
                    "whether redirected connections are open is not known, --force takes the rules away: \(failure)"
                )
                throw ExitStatus.unavailable
            }
            try InterceptCommand.trying { () throws(InterceptFailure) in try interceptor.purge() }
            InterceptCommand.print(rules.map { "\($0.place): gone" })
        }
    }

    @Sendable private static func backend(_ text: String) throws -> InterceptBackend {
        guard let backend = InterceptBackend(rawValue: text) else { throw ValidationError("no such backend: \(text)") }
        return backend
    }

    static func print(_ lines: [String]) {
        _ = Output.write(Array(lines.map { $0 + "\n" }.joined().utf8))
    }

    /// Runs what may fail for the kernel's or its programs' reasons.
    static func trying<Value>(_ body: () throws(InterceptFailure) -> Value) throws -> Value {
        do throws(InterceptFailure) {
            return try body()
        } catch {
            Output.error(error.description)
            throw ExitStatus.unavailable
        }
    }
}
