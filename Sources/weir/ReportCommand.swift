internal import ArgumentParser
internal import Export
internal import Glibc
internal import Interception
internal import Settings

/// `weir report`: what somebody needs to know who is asked for help.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Writes an archive with what is to be known of a running Weir, for those who are asked for help.",
        discussion: """
            Settings, metrics, operations, connections, limits, drains, interception, and facts of the machine. \
            Secrets are masked, as everywhere; names of interfaces, addresses of peers and names of hosts are in it. \
            What cannot be had is named in missing.txt, and where Weir does not answer the exit code is 69.
            """
    )

    /// What is asked of the admin API, and the file that the answer goes to.
    private static let pages = [
        ("/v1/config", "config.yaml"), ("/metrics", "metrics.txt"), ("/v1/operations", "operations.json"),
        ("/v1/connections", "connections.json"), ("/v1/limits", "limits.json"), ("/v1/drain", "drains.json"),
        ("/v1/log-level", "log-level.json"), ("/healthz", "healthz.txt"), ("/readyz", "readyz.txt"),
    ]
    /// What of the machine matters to a proxy, as its kernel says it.
    private static let systemFiles = [
        "/proc/version", "/etc/os-release", "/proc/loadavg", "/proc/meminfo", "/proc/net/sockstat", "/proc/net/netstat",
        "/proc/self/cgroup", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/cpu.max",
        "/sys/fs/cgroup/cpu.stat", "/proc/sys/net/core/somaxconn", "/proc/sys/net/ipv4/ip_local_port_range",
        "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max",
        "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal",
    ]

    @OptionGroup var place: AdminOptions

    @Option(name: .shortAndLong, help: "The file; - for standard output (default: weir-report-TIME.tar.gz here).")
    var output: String?

    func run() throws {
        Glibc.signal(SIGPIPE, SIG_IGN)
        let address = try place.address()
        let token = try place.settings().admin.token
        let time = Output.timestamp()
        let folder = "weir-report-" + time.filter { $0.isNumber || $0 == "T" }
        var archive = TarFile()
        var missing: [String] = []
        func add(_ name: String, _ content: [UInt8]) {
            archive.add("\(folder)/\(name)", content, time: UInt64(clamping: Glibc.time(nil)))
        }
        let isAnswering = Self.ask(address, token: token, add: add, missing: &missing)
        Self.addInterception(add, &missing)
        let facts = [
            "weir report: \(Build.text)", "time: \(time)", "host: \(ProcessFacts.hostName)", "admin API: \(address)",
            "processors: \(ProcessFacts.processors)", "user: \(getuid())",
        ]
        add("about.txt", Array((facts.joined(separator: "\n") + "\n").utf8))
        add("system.txt", Array(Self.system.utf8))
        add("missing.txt", Array(missing.map { $0 + "\n" }.joined().utf8))
        archive.end()
        try write(archive, to: output ?? folder + ".tar.gz")
        guard isAnswering else { throw ExitStatus.unavailable }
    }

    /// Adds what the admin API says; whether it said anything.
    private static func ask(
        _ address: NetworkAddress,
        token: String?,
        add: (String, [UInt8]) -> Void,
        missing: inout [String]
    ) -> Bool {
        var isAnswering = false
        for (path, name) in pages {
            do throws(TapProblem) {
                add(name, try AdminCall(method: "GET", path: path, token: token).send(to: address))
                isAnswering = true
            } catch {
                missing.append("\(name): \(address)\(path): \(error)")
                if case .refused = error { continue }
                // Whoever does not answer once is not waited for again.
                Output.error("\(address): \(error); the report lacks what only Weir knows")
                return false
            }
        }
        return isAnswering
    }

    private static func addInterception(_ add: (String, [UInt8]) -> Void, _ missing: inout [String]) {
        do {
            let state = try InterceptCommand.Status.parse([]).state(nil)
            add("intercept.txt", Array(state.lines.map { $0 + "\n" }.joined().utf8))
        } catch {
            missing.append("intercept.txt: \(error)")
        }
    }

    private static var system: String {
        systemFiles.reduce(into: "") { text, path in
            guard let content = ProcessFacts.text(path) else { return }
            text += "== \(path)\n\(content)\(content.hasSuffix("\n") ? "" : "\n")"
        }
    }

    private func write(_ archive: TarFile, to name: String) throws {
        guard let packed = Gzip.compress(archive.bytes) else {
            Output.error("no memory for the report")
            throw ExitStatus.output
        }
        if name == "-" {
            guard Output.write(packed) else { throw ExitStatus.output }
            return
        }
        guard let file = Output.File(making: name) else {
            Output.error("cannot write \(name): \(Output.text(of: Output.lastError))")
            throw ExitStatus.output
        }
        let (_, failure) = file.write(packed)
        guard failure == 0 else {
            Output.error("cannot write \(name): \(Output.text(of: failure))")
            throw ExitStatus.output
        }
        print(name)
    }
}
