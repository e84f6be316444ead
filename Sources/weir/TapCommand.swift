internal import ArgumentParser
internal import Calls
internal import Glibc
internal import Policy
internal import Settings

/// `weir tap`: the calls of a running Weir as they end.
struct TapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tap",
        abstract: "Prints the calls of a running Weir as they end.",
        discussion: """
            A line a call on a terminal, a JSON line a call otherwise. A name may be a pattern as in limits: \
            * stands for any text, ? for one character, and /.../ is a PCRE2 expression. It runs until \
            Ctrl-C, or until --limit calls have come.
            """
    )

    @OptionGroup var place: AdminOptions

    @Option(help: ArgumentHelp("Only calls of these interfaces.", valueName: "name"))
    var interface: String?

    @Option(help: ArgumentHelp("Only calls of these methods.", valueName: "name"))
    var method: String?

    @Option(help: "Only calls with these outcomes, separated by commas; error stands for all that are errors.")
    var outcome: String?

    @Option(help: "Only calls that took this many milliseconds or more.")
    var minMs: String?

    @Option(help: "Only calls on this side: provider or consumer.")
    var side: String?

    @Option(name: .customLong("protocol"), help: "Only calls in this protocol: dubbo, triple or jsonrpc.")
    var callProtocol: String?

    @Option(help: ArgumentHelp("Only calls of these applications.", valueName: "name"))
    var caller: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Only calls with these result codes, such as SERVICE_ERROR or -32601.", valueName: "name")
    )
    var code: String?

    @Option(help: "End after so many calls.")
    var limit: String?

    /// The conditions, by their names in `/v1/calls`.
    private var parameters: [(name: String, value: String)] {
        let all = [
            ("interface", interface), ("method", method), ("outcome", outcome), ("min_ms", minMs), ("side", side),
            ("protocol", callProtocol), ("caller", caller), ("code", code), ("limit", limit),
        ]
        return all.compactMap { name, value in value.map { (name, $0) } }
    }

    func validate() throws {
        do throws(CallFilterProblems) {
            _ = try CallFilter(parameters: parameters)
        } catch {
            let texts = error.problems.map { problem in
                let flag = problem.parameter.map { $0 == "_" ? "-" : String($0) }.joined()
                return "--\(flag) \(problem.reason)"
            }
            throw ValidationError(texts.joined(separator: "; "))
        }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        // Lines are written whole, so that nothing is half said.
        for number in [SIGINT, SIGTERM] { signal(number) { _ in _exit(0) } }
        let address = try place.address()
        let token = try place.settings().admin.token
        let output = TapOutput(isForPeople: Output.isTerminal)
        var triesLeft = 0
        var lost: TapProblem?
        while true {
            do throws(TapProblem) {
                var stream = TapStream(over: try TapSocket(to: address))
                (triesLeft, lost) = (Self.tries, nil)
                try stream.read(
                    "/v1/calls" + query(after: output.calls),
                    host: "\(address)",
                    token: token,
                    into: output
                )
                break
            } catch {
                // A Weir that takes over from the one that was asked goes on with the calls of both.
                lost = lost ?? error
                guard output.hasBegun, !error.isOurs, triesLeft > 0 else {
                    Output.error("\(address): \(lost ?? error)")
                    throw error.isOurs ? ExitStatus.usage : ExitStatus.unavailable
                }
                triesLeft -= 1
                usleep(Self.pauseMicroseconds)
            }
        }
        let isAsAsked = output.isReaderGone || limit.map { UInt64($0) == output.calls } ?? false
        if !isAsAsked { Output.error("\(address): there are no more calls, Weir has stopped") }
    }

    /// How often, and with what pauses, a connection that was lost is made anew: two seconds.
    private static let tries = 20
    private static let pauseMicroseconds: UInt32 = 100_000

    /// The filter as a URI's query.
    ///
    /// - Parameter calls: The number of calls printed so far.
    /// - Returns: The query with its question mark; empty where all calls are wanted.
    private func query(after calls: UInt64) -> String {
        let left = parameters.map { name, value in
            (name, name == "limit" ? "\((UInt64(value) ?? 0) - min(UInt64(value) ?? 0, calls))" : value)
        }
        return left.isEmpty ? "" : "?" + AdminCall.query(left)
    }
}
