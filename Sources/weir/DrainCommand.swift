internal import ArgumentParser
internal import Calls
internal import Glibc
internal import Settings

/// `weir drain`: takes a running Weir's service, or a part of it, out of use.
struct DrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Takes the service beside a running Weir, or a part of it, out of use.",
        discussion: """
            Consumers are told at once, unless --signal is none; what they send in the grace still passes, then it is \
            refused where their protocol lets them try elsewhere; connections are closed when they are idle, or at the \
            deadline. Without --interface the whole service is drained. What consumers will do is printed; --status \
            prints what they did. With --wait the exit code is 0 once no call is in flight and 75 \
            when that was not so at the deadline.
            """
    )

    @OptionGroup var place: AdminOptions
    @OptionGroup var target: DrainTargetOptions

    @Option(help: "How long requests still pass: 500ms, 10s, 1m (default: Weir's drain.grace).")
    var grace: String?

    @Option(help: "After how long connections are closed that are not idle (default: Weir's drain.deadline).")
    var deadline: String?

    @Option(help: "auto: consumers are told; none: they are refused, no more (default: Weir's drain.signal).")
    var signal: String?

    @Option(help: "Why, for those who look at the report and for consumers that are refused.")
    var reason: String?

    @Flag(help: "Wait until nothing is in flight, or for the deadline.")
    var wait = false

    @Flag(help: "Start nothing, print how far drains have come.")
    var status = false

    func validate() throws {
        try target.check()
        guard !status || (target.interface == nil && grace == nil && deadline == nil && signal == nil && reason == nil)
        else {
            throw ValidationError("--status takes nothing but --wait, --admin and --config")
        }
        guard signal == nil || signal == "auto" || signal == "none" else {
            throw ValidationError("--signal takes auto or none")
        }
        for (flag, text) in [("--grace", grace), ("--deadline", deadline)] {
            if let text, Duration(settingText: text) == nil {
                throw ValidationError("\(flag) takes a time such as 500ms, 10s or 1m")
            }
        }
    }

    func run() throws {
        Glibc.signal(SIGPIPE, SIG_IGN)
        let client = try DrainClient(place)
        if !status {
            let own = [("grace", grace), ("deadline", deadline), ("signal", signal), ("reason", reason)]
            let parameters = target.parameters + own.compactMap { name, value in value.map { (name, $0) } }
            _ = try client.send("POST", parameters)
        }
        if !status, wait { try client.showExpected(target) }
        let isIdle = try !wait || client.wait(for: status ? nil : target)
        if !status, !wait { try client.showExpected(target) }
        try client.show()
        if !isIdle { throw ExitStatus.temporary }
    }
}

/// `weir undrain`: undoes a drain.
struct UndrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain",
        abstract: "Undoes a drain, at any stage.",
        discussion: "Takes the --interface and --method that the drain was started with."
    )

    @OptionGroup var place: AdminOptions
    @OptionGroup var target: DrainTargetOptions

    func validate() throws { try target.check() }

    func run() throws {
        Glibc.signal(SIGPIPE, SIG_IGN)
        let client = try DrainClient(place)
        _ = try client.send("DELETE", target.parameters)
        try client.show()
    }
}

/// The target of a drain.
struct DrainTargetOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The interface, in all its versions and groups.", valueName: "name"))
    var interface: String?

    @Option(help: ArgumentHelp("A method of the interface.", valueName: "name"))
    var method: String?

    func check() throws {
        guard method == nil || interface != nil else { throw ValidationError("--method needs --interface") }
    }

    /// By the names that `/v1/drain` has for it.
    var parameters: [(name: String, value: String)] {
        [("interface", interface), ("method", method)].compactMap { name, value in value.map { (name, $0) } }
    }
}

/// Asks a running Weir about drains.
struct DrainClient {
    private static let pollMicroseconds: UInt32 = 200_000

    private let address: NetworkAddress
    private let token: String?

    init(_ place: AdminOptions) throws {
        address = try place.address()
        token = try place.settings().admin.token
    }

    /// Sends a change or a question; what goes wrong is printed.
    func send(_ method: String, _ parameters: [(name: String, value: String)]) throws -> [UInt8] {
        do throws(TapProblem) {
            let call = AdminCall(method: method, path: "/v1/drain", parameters: parameters, token: token)
            return try call.send(to: address)
        } catch {
            Output.error("\(address): \(error)")
            if case .refused(404, _) = error { throw ExitStatus.usage }
            throw error.isOurs ? ExitStatus.usage : ExitStatus.unavailable
        }
    }

    /// The lines of the report.
    private func report() throws -> [TapLine] {
        try send("GET", [("format", "lines")]).split(separator: UInt8(ascii: "\n")).compactMap { TapLine($0) }
    }

    /// Waits until a drain's grace is over and none of its calls is in flight, or its deadline has passed.
    ///
    /// - Parameter target: The drain; `nil` for all of them.
    /// - Returns: True if there was a moment without calls.
    /// - Throws: The exit code, after what is wrong has been printed.
    func wait(for target: DrainTargetOptions?) throws -> Bool {
        while true {
            let drains = try report().filter { line in
                guard line["kind"] == "drain" else { return false }
                guard let target else { return true }
                return line["interface"] == target.interface ?? "" && line["method"] == target.method ?? ""
            }
            if drains.allSatisfy({ $0["stage"] != "grace" && $0["in_flight"] == "0" }) { return true }
            if drains.allSatisfy({ $0["stage"] == "ended" }) { return false }
            usleep(Self.pollMicroseconds)
        }
    }

    /// Prints what consumers will do, on a terminal; elsewhere it is in the report.
    func showExpected(_ target: DrainTargetOptions) throws {
        guard Output.isTerminal else { return }
        let lines = try report().filter { line in
            line["kind"] == "expected" && line["interface"] == target.interface ?? ""
                && line["method"] == target.method ?? ""
        }
        for line in lines {
            print(TerminalText.printable("\(line["consumers"] ?? ""): \(line["expected"] ?? "")"))
        }
    }

    /// Prints the report: lines for people on a terminal, JSON otherwise.
    func show() throws {
        guard Output.isTerminal else {
            _ = Output.write(try send("GET", []))
            return
        }
        for line in try report() {
            switch line["kind"] {
            case "drain": print(Self.drain(line))
            case "consumer": print(Self.consumer(line))
            case "connection": print(Self.connection(line))
            default: if line["drains"] == "0" { print("nothing is drained") }
            }
        }
    }

    private static func drain(_ line: TapLine) -> String {
        func field(_ name: String) -> String { TerminalText.printable(line[name] ?? "") }
        let method = field("method").isEmpty ? "" : "." + field("method")
        let target = field("interface").isEmpty ? "the service" : field("interface") + method
        var text = "\(target): \(field("stage")) after \(field("age_seconds")) s"
        text += " (grace \(field("grace_seconds")) s, deadline \(field("deadline_seconds")) s)"
        text += ", \(field("in_flight")) in flight, \(field("passed_calls")) still came and passed"
        text += ", \(field("rejected_calls")) refused, \(field("closed_connections")) connections closed"
        if !field("reason").isEmpty { text += "; \(field("reason"))" }
        if !field("qos_command").isEmpty { text += "\n  QOS \(field("qos_command")): \(field("qos_answer"))" }
        return text
    }

    private static func consumer(_ line: TapLine) -> String {
        func field(_ name: String) -> String { TerminalText.printable(line[name] ?? "") }
        let names = [field("application"), field("implementation")].filter { !$0.isEmpty }
        let name = names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
        let before = line["calls_per_second_before"] == "null" ? "came later" : field("calls_per_second_before")
        let now = field("connections") == "0" ? "gone" : field("calls_per_second_now")
        return "  \(field("address"))\(name): calls a second before \(before), now \(now)"
    }

    private static func connection(_ line: TapLine) -> String {
        func field(_ name: String) -> String { TerminalText.printable(line[name] ?? "") }
        let consumer = field("consumer").isEmpty ? "" : " " + field("consumer")
        let signals = field("signals").isEmpty ? "told nothing" : field("signals")
        let late = field("late_calls") == "0" ? "" : ", still sends: \(field("late_calls")) calls"
        return "  \(field("peer"))\(consumer) \(field("protocol")): \(signals), \(field("in_flight")) in flight\(late)"
    }
}
