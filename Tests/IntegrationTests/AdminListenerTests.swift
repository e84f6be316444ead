import Foundation
import Testing

/// The admin listeners of `weir run` on machines of several kinds.
@Suite(.serialized, .timeLimit(.minutes(10))) struct AdminListenerTests {
    private static let noIPv6 = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Peers/no_ipv6.py").path

    private static let listeners = [
        "--listen", "[::]:0", "--admin", "localhost:0", "--metrics-listen", "[::]:0", "--set",
        "admin.probes-listen=[::]:0",
    ]

    /// The ports in the log, by what listens there.
    private func ports(_ weir: WeirProcess, _ what: String) throws -> [Address] {
        weir.process.errorLines.filter { $0.contains(what) }.compactMap { line in
            let fields = line.split(separator: " ").map { $0.split(separator: "=", maxSplits: 1) }
            let values = Dictionary(fields.compactMap { $0.count == 2 ? ($0[0], String($0[1])) : nil }) { $1 }
            guard let host = values["host"], let port = values["port"].flatMap({ UInt16($0) }) else { return nil }
            return Address(host, port)
        }
    }

    @Test("on a machine with both families each listener answers on both") func both() throws {
        let provider = try EchoProvider()
        defer { provider.stop() }
        let weir = try WeirProcess(["--upstream", provider.address.description] + Self.listeners)
        let admin = try ports(weir, "admin API listens")
        #expect(admin.map(\.host) == ["127.0.0.1", "::1"])
        for address in admin {
            #expect(try HTTPAnswer.get("/v1/operations", from: address).status == 200)
        }
        for what in ["metrics listen", "probes listen"] {
            let address = try #require(try ports(weir, what).first)
            for host in ["127.0.0.1", "::1"] {
                #expect(try HTTPAnswer.get("/readyz", from: Address(host, address.port)).status == 200)
            }
        }
        #expect(try weir.stop() == .exited(0))
    }

    @Test("on a machine without IPv6 every listener is there, and takes connections over") func withoutIPv6() throws {
        let provider = try EchoProvider()
        defer { provider.stop() }
        let weir = try WeirProcess(
            ["--upstream", provider.address.description] + Self.listeners,
            prefix: ["python3", Self.noIPv6]
        )
        #expect(try ports(weir, "admin API listens").map(\.host) == ["127.0.0.1"])
        #expect(weir.addresses.map(\.host) == ["0.0.0.0"])
        let metrics = try #require(try ports(weir, "metrics listen").first)
        let probes = try #require(try ports(weir, "probes listen").first)
        #expect(metrics.host == "0.0.0.0" && probes.host == "0.0.0.0")
        #expect(try HTTPAnswer.get("/readyz", from: .loopback(probes.port)).status == 200)
        #expect(try HTTPAnswer.get("/metrics", from: .loopback(metrics.port)).text.contains("weir_workers_stuck 0\n"))
        let consumer = try Connection(to: .loopback(weir.address.port))
        try consumer.call(1)
        // A successor finds the sockets by the same settings.
        let again = try WeirProcess(
            [
                "--upstream", provider.address.description, "--listen", "[::]:\(weir.address.port)", "--admin",
                "localhost:\(weir.admin.port)", "--metrics-listen", "[::]:\(metrics.port)", "--set",
                "admin.probes-listen=[::]:\(probes.port)", "--takeover",
            ],
            prefix: ["python3", Self.noIPv6]
        )
        #expect(try HTTPAnswer.get("/readyz", from: .loopback(probes.port)).status == 200)
        try Connection(to: .loopback(again.address.port)).call(2)
        #expect(try again.stop() == .exited(0))
    }

    @Test(
        "beyond loopback reading needs the token too, and scraping does not",
        .enabled(if: geteuid() == 0 && isInstalled("ip"), "not tested: needs root and ip")
    )
    func beyondLoopback() throws {
        let namespaces = Namespaces()
        try namespaces.add("weir-admin")
        let address = try ChildProcess.run(
            ["ip", "-n", "weir-admin", "address", "add", "10.77.0.1/32", "dev", "lo"]
        )
        #expect(address.end == .exited(0))
        let weir = try WeirProcess(
            [
                "--upstream", "127.0.0.1:9", "--admin", "0.0.0.0:16080", "--set", "admin.token=secret-token",
            ],
            prefix: ["ip", "netns", "exec", "weir-admin"],
            connect: { address in try Namespaces.inside("weir-admin") { try Connection(to: address) } }
        )
        func status(_ path: String, _ host: String, _ more: [String] = []) throws -> Int {
            let connection = try Namespaces.inside("weir-admin") { try Connection(to: Address(host, 16080)) }
            let lines = ["GET \(path) HTTP/1.1", "Host: \(host)", "Connection: close"] + more + ["", ""]
            try connection.write(Array(lines.joined(separator: "\r\n").utf8))
            let first = try String(decoding: connection.readToEnd().bytes, as: UTF8.self).split(separator: " ")
            return first.count > 1 ? Int(first[1]) ?? 0 : 0
        }
        #expect(try status("/v1/operations", "127.0.0.1") == 200)
        #expect(try status("/v1/operations", "10.77.0.1") == 401)
        #expect(try status("/v1/operations", "10.77.0.1", ["Authorization: Bearer secret-token"]) == 200)
        for path in ["/metrics", "/healthz", "/readyz"] { #expect(try status(path, "10.77.0.1") == 200) }
        #expect(try weir.stop() == .exited(0))
    }

    // MARK: The table of docs/admin-api.md

    private static let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// By path: the methods in the table of requirements.
    private func documented() throws -> [String: Set<String>] {
        let text = try String(contentsOf: Self.top.appendingPathComponent("docs/admin-api.md"), encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## Requirements").last)
        var paths: [String: Set<String>] = [:]
        for line in section.components(separatedBy: "\n## ")[0].split(separator: "\n") where line.hasPrefix("| ") {
            let cell = line.dropFirst(2).prefix { $0 != "|" }
            let words = cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 }.map { String($0.element) }
            var methods: Set<String> = []
            for word in words where !word.contains("…") {
                let parts = word.split(separator: " ")
                if parts.count == 2 { methods.insert(String(parts[0])) }
                guard let last = parts.last, last.hasPrefix("/") else {
                    methods.insert(word)
                    continue
                }
                let path = String(last.prefix { $0 != "?" })
                paths[path, default: []].formUnion(methods.isEmpty ? ["GET", "HEAD"] : methods)
                if parts.count == 2 { methods = [] }
            }
        }
        return paths
    }

    @Test("the table of docs/admin-api.md names every path and method that there is, and no other") func table() throws
    {
        let paths = try documented()
        #expect(paths.count > 10)
        let weir = try WeirProcess(["--upstream", "127.0.0.1:9"])
        for (path, methods) in paths {
            let answer = try HTTPAnswer.ask("PATCH", path, from: weir.admin)
            #expect(answer.status == 405, "\(path)")
            let allowed = (answer.headers["allow"] ?? "").components(separatedBy: ", ")
            #expect(Set(allowed) == methods, "\(path)")
        }
        #expect(try weir.stop() == .exited(0))
        // A path that is served stands in the sources.
        for folder in ["Admin", "weir"] {
            let url = Self.top.appendingPathComponent("Sources/\(folder)")
            for file in try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
            where file.pathExtension == "swift" {
                for match in try String(contentsOf: file, encoding: .utf8).matches(of: #/"(\/v1\/[a-z\/-]+)"/#) {
                    #expect(paths[String(match.output.1)] != nil, "\(file.lastPathComponent): \(match.output.1)")
                }
            }
        }
    }
}
