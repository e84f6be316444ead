internal import ArgumentParser
internal import Glibc
internal import Interception
internal import Settings

extension InterceptCommand {
    /// `weir intercept verify`.
    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Sends a connection the way others come, and sees whether it arrives at Weir.",
            discussion: """
                A second network namespace with link-local addresses is made for seconds, for a connection from inside \
                would not pass the same rules. Weir is told of the connection, answers it, dials nothing and counts no \
                call. Exits with 69 when one did not arrive. Without the rights for it (CAP_NET_ADMIN and \
                CAP_SYS_ADMIN) rules and counters are looked at, which shows less.
                """
        )

        @OptionGroup var place: AdminOptions

        func run() throws {
            signal(SIGPIPE, SIG_IGN)
            let interceptor = Interceptor()
            let rules = try InterceptCommand.trying { () throws(InterceptFailure) in try interceptor.read() }
            guard let rules = rules.first, !rules.isInert, let plan = rules.plan else {
                Output.error("no rules are in force")
                throw ExitStatus.unavailable
            }
            let isWhole: Bool
            do throws(InterceptFailure) {
                isWhole = try verify(plan, with: try PathProbe(place: UInt16.random(in: 0 ... .max)))
            } catch {
                guard error.kind == .denied else {
                    Output.error(error.description)
                    throw ExitStatus.unavailable
                }
                isWhole = compare(rules, because: error)
            }
            guard isWhole else { throw ExitStatus.unavailable }
        }

        /// Tries every way of the plan; whether all arrived.
        private func verify(_ plan: FirewallPlan, with probe: consuming PathProbe) throws(InterceptFailure) -> Bool {
            let trial = try Trial(place: place)
            var isWhole = true
            for way in Way.all(of: plan) {
                for isIPv6 in [false, true] {
                    let result = trial.run(way, isIPv6: isIPv6, through: probe)
                    isWhole = isWhole && result.isArrived
                    InterceptCommand.print(["\(way.name) over \(isIPv6 ? "IPv6" : "IPv4"): \(result.text)"])
                }
            }
            return isWhole
        }

        /// What can be said without a connection.
        private func compare(_ rules: InstalledRules, because failure: InterceptFailure) -> Bool {
            var lines = [
                "no connection was sent: \(failure)",
                "weaker than a connection that arrives: rules and counters are looked at only",
                "rules: " + (rules.differences.isEmpty ? "as Weir writes them" : "changed by someone else"),
            ]
            lines += rules.differences.map { "  \($0)" }
            lines += rules.counters.filter { !$0.role.hasPrefix("stray") }
                .map { "  \($0.role): \($0.packets) connections redirected" }
            InterceptCommand.print(lines)
            return rules.differences.isEmpty
        }
    }
}

/// One way on which connections come to Weir.
private struct Way {
    let name: String
    let side: String
    let enters: Bool
    let port: UInt16

    /// The ways that a plan redirects, each tried at one port.
    static func all(of plan: FirewallPlan) -> [Way] {
        var ways: [Way] = []
        if let provider = plan.provider, let port = provider.ports.ranges.first?.lowerBound {
            ways.append(Way(name: "to the application's port \(port)", side: "provider", enters: true, port: port))
        }
        if let consumer = plan.consumer {
            let taken = (consumer.ports?.ranges ?? [20880...UInt16.max]).lazy.flatMap { $0 }
            if let port = taken.first(where: { !plan.portsLeftAlone.contains($0) }) {
                ways.append(Way(name: "from this machine to port \(port)", side: "consumer", enters: false, port: port))
            }
        }
        return ways
    }
}

/// The trial of ways with a running Weir.
private struct Trial {
    struct Outcome {
        let isArrived: Bool
        let text: String
    }

    private let address: NetworkAddress
    private let token: String?

    init(place: AdminOptions) throws(InterceptFailure) {
        do {
            address = try place.address()
            token = try place.settings().admin.token
        } catch {
            throw InterceptFailure(kind: .failed, description: "where the admin API is, is not known: \(error)")
        }
    }

    func run(_ way: Way, isIPv6: Bool, through probe: borrowing PathProbe) -> Outcome {
        let source = UInt16.random(in: 33_000...60_000)
        let secret = String(UInt64.random(in: 0 ... .max), radix: 16)
        let peer = probe.source(enters: way.enters, isIPv6: isIPv6, port: source)
        do throws(TapProblem) {
            let parameters = [("peer", peer), ("word", secret)]
            _ = try AdminCall(method: "POST", path: "/v1/expect", parameters: parameters, token: token).send(
                to: address
            )
        } catch {
            return Outcome(isArrived: false, text: "Weir at \(address) cannot be told of it: \(error)")
        }
        let line: String
        do throws(InterceptFailure) {
            line = try probe.line(enters: way.enters, isIPv6: isIPv6, from: source, to: way.port)
        } catch {
            return Outcome(isArrived: false, text: "did not arrive: \(error)")
        }
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 4, words[0] == "weir", words[1] == secret else {
            return Outcome(isArrived: false, text: "did not arrive: something else answered, or nobody")
        }
        guard words[2] == way.side, words[3].hasSuffix(":\(way.port)") else {
            return Outcome(isArrived: false, text: "arrived at the \(words[2]) side, meant for \(words[3])")
        }
        return Outcome(isArrived: true, text: "arrived")
    }
}
