internal import ArgumentParser
internal import Glibc
internal import Inspection
internal import Settings

/// `weir tap`: the calls of a running Weir as they end.
struct TapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tap",
        abstract: "Prints the calls of a running Weir as they end.",
        discussion: """
            A line a call on a terminal, a JSON line a call otherwise. A name may be a pattern: * stands for any text. \
            It runs until Ctrl-C, or until --limit calls have come.
            """
    )

    @Option(help: "HOST:PORT of its admin API (default 127.0.0.1:16080).")
    var admin: String?

    @Option(name: .shortAndLong, help: "Its configuration file, which says where the admin API is.")
    var config: String?

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

    /// What was asked for, by the names that `/v1/calls` has for it.
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
        if let admin { _ = try Self.address(admin) }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        // Lines are written whole, so that nothing is half said.
        for number in [SIGINT, SIGTERM] { signal(number) { _ in _exit(0) } }
        let address = try admin.map(Self.address) ?? configuredAddress()
        let output = TapOutput(isForPeople: Output.isTerminal)
        do throws(TapProblem) {
            var stream = TapStream(over: try TapSocket(to: address))
            try stream.read("/v1/calls" + query, host: address.description, into: output)
        } catch {
            Output.error("\(address): \(error)")
            throw error.isOurs ? ExitStatus.usage : ExitStatus.unavailable
        }
        let isAsAsked = output.isReaderGone || limit.map { UInt64($0) == output.calls } ?? false
        if !isAsAsked { Output.error("\(address): there are no more calls, Weir has stopped") }
    }

    /// The filter as a URI's query.
    private var query: String {
        let pairs = parameters.map { $0.name + "=" + Self.percentEncoded($0.value) }
        return pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    }

    private static func percentEncoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            let character = Character(Unicode.Scalar(byte))
            if character.isASCII, character.isLetter || character.isNumber || "-._~*,".contains(character) {
                result.append(character)
            } else {
                result += "%" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
            }
        }
    }

    // MARK: Where it is

    private static func address(_ text: String) throws -> NetworkAddress {
        guard let address = NetworkAddress(text), address.port != 0 else {
            throw ValidationError("--admin takes HOST:PORT")
        }
        return address
    }

    /// Where the settings say that the admin API listens.
    private func configuredAddress() throws -> NetworkAddress {
        let options = try SettingsOptions.parse(config.map { ["--config", $0] } ?? [])
        return try options.load().admin.listen
    }
}
