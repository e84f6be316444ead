import Foundation
import Testing

extension Integration {
    /// Weir where memory or descriptors are short; needs root and network namespaces, whose buffers are set.
    @Suite struct PressureTests {
        private static let namespace = "weirit-pressure"

        /// Why these tests cannot run here; `nil` where they can.
        private static let obstacle: String? = {
            if geteuid() != 0 { return "slow readers are not tested: not root" }
            if !isInstalled("ip") { return "slow readers are not tested: no ip" }
            guard (try? ChildProcess.run(["ip", "netns", "list"]))?.end == .exited(0) else {
                return "slow readers are not tested: no network namespaces here"
            }
            return MemoryGroup.obstacle
        }()

        /// Where the kernel's number for a sink's room is right, hardly anything waits in Weir; with a bound that the
        /// number does not know, writes fall short.
        @Test(
            "2,000 slow readers in 128 MiB: the process lives, and every byte arrives",
            .enabled(if: PeerProgram.slow.isThere, PeerProgram.missing(.slow)),
            .timeLimit(.minutes(10)),
            arguments: [nil, 16_384]
        )
        func slowReaders(unsentBytes: Int?) throws {
            if let obstacle = Self.obstacle { return print(obstacle) }
            let (connections, bytes, memory) = (2000, 1 << 18, 128 << 20)
            let namespaces = Namespaces()
            try namespaces.add(Self.namespace)
            try Self.setBuffers(unsentBytes)
            let group = try MemoryGroup("weirit-slow", bytes: memory)
            let server = try PeerServer(.slow, String(bytes), namespace: Self.namespace)
            let enter = ["ip", "netns", "exec", Self.namespace]
            let weir = try WeirProcess(["--upstream", server.address.description], prefix: group.prefix + enter) {
                address in
                try Namespaces.inside(Self.namespace) { try Connection(to: address) }
            }
            let arguments = [String(weir.address.port), String(connections), String(bytes)]
            let folder = try TemporaryFolder()
            let gate = folder.path + "/gate"
            guard mkfifo(gate, 0o600) == 0 else { throw Failure(call: "mkfifo") }
            let signal = open(gate, O_RDWR | O_CLOEXEC)
            guard signal >= 0 else { throw Failure(call: "open \(gate)") }
            defer { close(signal) }
            let client = try ChildProcess(
                enter + PeerProgram.slow.command(["call"] + arguments),
                input: gate
            )
            try eventually("all have asked") {
                guard client.isRunning() else { throw Failure("the client: \(client.errorText)") }
                return client.outputText.hasPrefix("open")
            }
            let waiting = try Self.untilNothingMoves(weir)
            #expect(waiting < connections * bytes / 2, "the readers were not slow")
            guard write(signal, "read\n", 5) == 5 else { throw Failure(call: "write") }
            let end = try client.wait(within: 4 * patience)
            let line = client.outputText.split(separator: "\n").last ?? ""
            #expect(end == .exited(0), "\(line) \(client.errorText)")
            #expect(line.contains("\"exact\": \(connections),"), "\(line)")
            #expect(weir.process.isRunning())
            print("2,000 slow readers, unsent bytes \(unsentBytes ?? 0): \(group.peakBytes() >> 20) MiB at most")
            #expect(try weir.stop() == .exited(0))
        }

        @Test(
            "300 clients that come and go at 200 descriptors: none is reset, and files are read again",
            .enabled(if: PeerProgram.churn.isThere, PeerProgram.missing(.churn)),
            .timeLimit(.minutes(10)),
            arguments: [1, 2]
        )
        func fewDescriptors(workers: Int) throws {
            let folder = try TemporaryFolder()
            _ = try folder.file("limits.yaml", text: "limits:\n  - {name: all, limit: 1000000, window: 1s}\n")
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            let server = try PeerServer(.churn)
            let weir = try WeirProcess(
                ["--upstream", server.address.description, "--workers", "\(workers)", "--config", config],
                prefix: ["sh", "-c", "ulimit -n 200 && exec \"$@\"", "sh"]
            )
            let client = try PeerProgram.churn.client(weir.address, ["300", "3"])
            var (reloads, most) = (0, 0)
            while client.isRunning() {
                let answer = try weir.ask("POST", "/v1/reload")
                #expect(answer.status == 200, "\(answer.text)")
                reloads += 1
                most = max(most, try weir.metrics().sum("weir_open_connections"))
                usleep(100_000)
            }
            let line = client.outputText.split(separator: "\n").last ?? ""
            #expect(try client.wait() == .exited(0), "\(line) \(client.errorText)")
            let metrics = try weir.metrics()
            #expect(metrics.sum("weir_connections_refused_total") == 0)
            // That it was short of descriptors, or this has shown nothing; and that the reserve was not touched.
            #expect(weir.process.errorText.contains("accepting paused"))
            #expect(most > 25 && most * 2 < 150, "\(most) pairs at a time")
            #expect(reloads > 5)
            print("300 clients at 200 descriptors, \(workers) workers: \(line), \(most) pairs, \(reloads) reloads")
            #expect(try weir.stop() == .exited(0))
        }

        @Test("An upstream's name is good for each of its addresses", .timeLimit(.minutes(10)))
        func severalAddresses() throws {
            guard geteuid() == 0, isInstalled("unshare") else { return print("names are not tested: not root") }
            let folder = try TemporaryFolder()
            let provider = EchoProvider(try Listener(Address("127.0.0.1", 0)))
            defer { provider.stop() }
            let names = try folder.file("hosts", text: "::1 shop.test\n127.0.0.2 shop.test\n127.0.0.1 shop.test\n")
            let script = "mount --bind '\(names)' /etc/hosts && exec \"$@\""
            let weir = try WeirProcess(
                ["--upstream", "shop.test:\(provider.address.port)"],
                prefix: ["unshare", "--mount", "sh", "-c", script, "sh"]
            )
            for id in 1...3 { try Connection(to: weir.address).call(UInt64(id)) }
            #expect(try weir.metrics().sum("weir_connections_refused_total") == 0)
            // The file is written in place, for it is mounted. Nobody listens on what it says now; later someone does.
            try Data("127.0.0.3 shop.test\n".utf8).write(to: URL(fileURLWithPath: names), options: [])
            provider.stop()
            let moved = EchoProvider(try Listener(Address("127.0.0.3", provider.address.port)))
            defer { moved.stop() }
            try eventually("the new address is found") { (try? Connection(to: weir.address).call(9)) != nil }
            #expect(try weir.stop() == .exited(0))
        }

        /// Little room towards the readers, much from the server, so that large reads meet full sinks.
        private static func setBuffers(_ unsentBytes: Int?) throws {
            var settings = ["tcp_wmem=4096 16384 65536", "tcp_rmem=4096 524288 524288"]
            if let unsentBytes { settings.append("tcp_notsent_lowat=\(unsentBytes)") }
            for setting in settings {
                let command = ["ip", "netns", "exec", namespace, "sysctl", "-q", "-w", "net.ipv4." + setting]
                let run = try ChildProcess.run(command)
                guard run.end == .exited(0) else { throw Failure("sysctl \(setting): \(run.errorText)") }
            }
        }

        /// Waits until three looks in a row find that no byte has passed: how many have.
        private static func untilNothingMoves(_ weir: WeirProcess) throws -> Int {
            var last = -1
            var same = 0
            return try eventually("the readers' buffers are full") {
                usleep(500_000)
                let passed = try Self.passedBytes(weir)
                same = passed == last ? same + 1 : 0
                last = passed
                return same == 3 ? passed : nil
            }
        }

        /// Bytes that all connections have got from the server.
        private static func passedBytes(_ weir: WeirProcess) throws -> Int {
            let answer = try weir.get("/v1/connections").json
            guard let connections = answer as? [[String: Any]] else { throw Failure("no list of connections") }
            return connections.reduce(0) { $0 + ($1["bytes_to_downstream"] as? Int ?? 0) }
        }
    }
}
