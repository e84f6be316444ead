import Foundation

/// The executable under test.
enum WeirBinary {
    /// Beside the test bundle, or where the environment says.
    static let path: String = {
        if let given = ProcessInfo.processInfo.environment["WEIR_BINARY"] { return given }
        var names = CommandLine.arguments
        if let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
            names.insert(own, at: 0)
        }
        let folders = names.filter { $0.contains(".xctest") }.map { name in
            let end = name.range(of: ".xctest")?.lowerBound ?? name.endIndex
            return URL(fileURLWithPath: String(name[..<end])).deletingLastPathComponent().path
        }
        return folders.map { $0 + "/weir" }.first { access($0, X_OK) == 0 } ?? "weir"
    }()

    /// Copies it to where any user may run it; its new path.
    static func copy(to folder: TemporaryFolder) throws -> String {
        let copied = folder.path + "/weir"
        // Not written by this process: what another test forks meanwhile would keep it open, and the kernel runs
        // nothing that is being written (ETXTBSY).
        let copy = try ChildProcess.run(["cp", path, copied])
        guard copy.end == .exited(0) else { throw Failure("cp: \(copy.errorText)") }
        chmod(folder.path, 0o755)
        chmod(copied, 0o755)
        return copied
    }

    /// Runs a command to its end.
    static func run(_ arguments: String..., input: String = "/dev/null", within seconds: Double = patience) throws
        -> ChildProcess
    {
        try ChildProcess.run([path] + arguments, input: input, within: seconds)
    }
}

/// `weir run` on ports that the system chose.
final class WeirProcess {
    let process: ChildProcess
    /// Where it relays, in the order of its listeners.
    let addresses: [Address]
    /// Its admin API.
    let admin: Address
    private let connect: (Address) throws -> Connection

    /// Starts it and waits until it is ready.
    ///
    /// - Parameters:
    ///   - arguments: What follows `weir run`; addresses that are not given are chosen by the system.
    ///   - prefix: The command that runs it, for another user or network namespace.
    ///   - binary: The executable.
    ///   - connect: How to connect to its admin API.
    init(
        _ arguments: [String],
        prefix: [String] = [],
        binary: String = WeirBinary.path,
        connect: @escaping (Address) throws -> Connection = { try Connection(to: $0) }
    ) throws {
        var arguments = arguments
        if !arguments.contains("--listen") { arguments += ["--listen", "127.0.0.1:0"] }
        if !arguments.contains("--admin") { arguments += ["--admin", "127.0.0.1:0"] }
        // Consumers that hear nothing more need no time.
        if !arguments.contains(where: { $0.hasPrefix("drain.grace") }) { arguments += ["--set", "drain.grace=0s"] }
        let process = try ChildProcess(prefix + [binary, "run"] + arguments)
        self.process = process
        self.connect = connect
        admin = try eventually("weir is ready") {
            guard process.isRunning() else { throw Failure("weir ended: \(process.errorText)") }
            guard let line = process.errorLines.first(where: { $0.contains("admin API listens") }) else { return nil }
            guard let host = Self.field("host", line), let port = UInt16(Self.field("port", line) ?? "") else {
                return nil
            }
            return Address(host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host, port)
        }
        addresses = process.errorLines.filter { $0.contains("relaying") }
            .compactMap { Self.field("listen", $0).flatMap { Address(parsing: $0) } }
        guard !addresses.isEmpty else { throw Failure("weir named no address: \(process.errorText)") }
    }

    convenience init(upstream: Address, _ more: String...) throws {
        try self.init(["--upstream", upstream.description] + more)
    }

    private static func field(_ name: String, _ line: String) -> String? {
        line.split(separator: " ").first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    var address: Address { addresses[0] }

    func get(_ path: String, accept: String = "*/*") throws -> HTTPAnswer {
        try HTTPAnswer.get(path, over: connect(admin), host: admin.description, accept: accept)
    }

    /// Asks the admin API for a change.
    func ask(_ method: String, _ path: String, _ body: String = "", headers: [String] = []) throws -> HTTPAnswer {
        try HTTPAnswer.ask(method, path, Array(body.utf8), headers: headers, from: admin)
    }

    /// The metrics as they are from now on: of pages those that were made before are passed over.
    func metrics() throws -> Metrics {
        let old = try get("/metrics").headers["etag"]
        return try eventually("a page of its own") {
            let page = try get("/metrics")
            return page.headers["etag"] == old ? nil : try Metrics(text: page.text)
        }
    }

    /// Waits until the metrics are as `condition` wants them.
    @discardableResult
    func metrics(_ what: String, within seconds: Double = patience, when condition: (Metrics) throws -> Bool) throws
        -> Metrics
    {
        var last: Metrics?
        do {
            return try eventually(what, within: seconds) {
                last = try metrics()
                return try last.flatMap { try condition($0) ? $0 : nil }
            }
        } catch {
            let calls = (last?.all("weir_calls_total") ?? []).map { "\($0.labels) \($0.value)" }
            throw Failure("\(error); calls: \(calls); log: \(process.errorText)")
        }
    }

    /// Asks it to stop and waits.
    @discardableResult
    func stop(within seconds: Double = patience) throws -> ChildProcess.End {
        process.send(SIGTERM)
        return try process.wait(within: seconds)
    }
}
