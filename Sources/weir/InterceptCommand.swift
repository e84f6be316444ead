internal import ArgumentParser
internal import Settings

/// `weir intercept`: the kernel's rules that bring connections to Weir.
struct InterceptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "intercept",
        abstract: "Prints, installs or removes the nftables rules that redirect connections to Weir.",
        subcommands: [PrintRules.self, Install.self, Remove.self]
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

        @Flag(help: "Take connections from this machine to the application's ports too; needs --user.")
        var local = false

        @Flag(help: "Take the application's connections to loopback addresses too.")
        var loopback = false

        @Flag(help: "One table for each address family, for kernels before 5.2.")
        var separateTables = false

        var layout: InterceptPlan.Layout { separateTables ? .separate : .inet }

        func plan() throws -> InterceptPlan {
            do throws(InterceptProblem) {
                return try InterceptPlan(
                    provider: try provider(),
                    consumer: try consumer(),
                    user: user,
                    ownPorts: [adminPort],
                    layout: layout
                )
            } catch {
                Output.error(error.description)
                throw ExitStatus.usage
            }
        }

        private func provider() throws(InterceptProblem) -> InterceptPlan.Provider? {
            guard let ports else { return nil }
            return InterceptPlan.Provider(
                ports: try PortSet(parsing: ports),
                listenPort: listenPort,
                includesLocal: local
            )
        }

        private func consumer() throws(InterceptProblem) -> InterceptPlan.Consumer? {
            guard let consumerPorts else { return nil }
            return InterceptPlan.Consumer(
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

        func run() throws { _ = Output.write(Array(try rules.plan().rules.utf8)) }
    }

    struct Install: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "install",
            abstract: "Puts the rules in force, in place of any earlier ones."
        )
        @OptionGroup var rules: Rules

        func run() throws { try InterceptCommand.finish(InterceptRunner().install(try rules.plan())) }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Takes the rules away; does nothing when there are none."
        )

        @Flag(help: "They were installed with --separate-tables.")
        var separateTables = false

        func run() throws {
            try InterceptCommand.finish(InterceptRunner().remove(layout: separateTables ? .separate : .inet))
        }
    }

    private static func finish(_ outcome: InterceptOutcome) throws {
        guard let explanation = outcome.explanation else { return }
        Output.error(explanation)
        throw ExitStatus.unavailable
    }
}
