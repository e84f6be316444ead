internal import ArgumentParser
internal import Interception

extension InterceptCommand {
    /// `weir intercept status`.
    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status",
            abstract: "Shows the rules in force, whether they are as planned, what competes with them, and counters.",
            discussion: """
                With the options of `install` it compares the rules with that plan. Exits with 69 when they differ \
                from it or are not as Weir writes them.
                """
        )
        @OptionGroup var rules: Rules

        /// What is to be said, and whether all is as it should be.
        typealias State = (lines: [String], isRight: Bool)

        func run() throws {
            let plan = rules.isPlan ? try rules.plan() : nil
            let found = try InterceptCommand.trying { () throws(InterceptFailure) -> State in try state(plan) }
            InterceptCommand.print(found.lines)
            if !found.isRight { throw ExitStatus.unavailable }
        }

        /// What is to be said of the rules, and whether they are as planned and as Weir writes them.
        func state(_ plan: FirewallPlan?) throws(InterceptFailure) -> State {
            let interceptor = rules.interceptor
            let installed = try interceptor.read()
            guard let first = installed.first else {
                return (["nothing is installed"] + competitors(of: interceptor), plan == nil)
            }
            // Those in force come first; there is more than one where the backend was changed.
            let isPlanned = plan.map { !first.isInert && first.plan == $0 } ?? true
            var lines = installed.flatMap { rules in
                [state(of: rules)] + facts(of: rules, plan: rules.place == first.place && !isPlanned ? plan : nil)
            }
            lines += openConnections(of: installed) + competitors(of: interceptor)
            return (lines, isPlanned && installed.allSatisfy(\.differences.isEmpty))
        }

        /// What the rules do, whether they are whole and what they have counted; `plan` is one that they are not.
        private func facts(of rules: InstalledRules, plan: FirewallPlan?) -> [String] {
            var lines: [String] = []
            if let plan {
                lines.append("not as planned; `install` would change:")
                lines += plan.changes(from: rules.isInert ? nil : rules.plan).map { "  \($0)" }
            } else {
                lines += (rules.plan?.lines ?? []).map { rules.isInert ? "  was: \($0)" : "  \($0)" }
            }
            lines.append(rules.differences.isEmpty ? "rules: as Weir writes them" : "rules: changed by someone else")
            lines += rules.differences.map { "  \($0)" }
            guard !rules.counters.isEmpty else { return lines }
            return lines + ["counters since the rules were written"]
                + rules.counters.map { "  \($0.role): \($0.packets) \(Self.meaning(of: $0.role))" }
        }

        private func state(of installed: InstalledRules) -> String {
            installed.isInert
                ? "inert: \(installed.place); nothing is redirected since `remove`, what was is still translated"
                : "in force: \(installed.place)"
        }

        private func openConnections(of installed: [InstalledRules]) -> [String] {
            do throws(InterceptFailure) {
                return ["open redirected connections: \(try RedirectedConnections.count(of: installed))"]
            } catch {
                return ["open redirected connections: \(error)"]
            }
        }

        private static func meaning(of role: String) -> String {
            role.hasPrefix("stray") ? "packets that tracking did not translate, dropped" : "connections redirected"
        }

        private func competitors(of interceptor: Interceptor) -> [String] {
            do throws(InterceptFailure) {
                let chains = try interceptor.order()
                guard chains.contains(where: { !$0.isWeirs }) else { return ["no other NAT at the same hooks"] }
                return ["order of NAT chains (the first that translates a connection decides)"]
                    + chains.map { "  \($0.hook) \($0.priority): \($0.name)\($0.isWeirs ? " (Weir)" : "")" }
            } catch {
                return ["other NAT: not known, \(error)"]
            }
        }
    }
}
