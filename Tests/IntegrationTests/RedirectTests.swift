import Foundation
import Testing

extension Integration {
    /// Connections that the kernel redirects, between network namespaces; needs root, `ip` and `nft`.
    @Suite struct RedirectTests {
        /// Why these tests cannot run here; `nil` where they can.
        private static let obstacle: String? = {
            if geteuid() != 0 { return "redirects are not tested: not root" }
            for program in ["ip", "nft", "setpriv"] where !isInstalled(program) {
                return "redirects are not tested: no \(program)"
            }
            guard (try? ChildProcess.run(["ip", "netns", "list"]))?.end == .exited(0),
                (try? ChildProcess.run(["unshare", "--net", "nft", "list", "ruleset"]))?.end == .exited(0)
            else { return "redirects are not tested: no network namespaces or no nftables here" }
            return nil
        }()

        /// Whether to go on; says why not.
        private func canRun() -> Bool {
            if let obstacle = Self.obstacle { print(obstacle) }
            return Self.obstacle == nil
        }

        private static let consumer = "weirit-consumer"
        private static let provider = "weirit-provider"
        private static let consumerHosts = ["10.117.6.1", "fd17:6::1"]
        private static let providerHosts = ["10.117.6.2", "fd17:6::2"]
        /// Further addresses of the provider's machine.
        private static let secondHosts = ["10.117.6.3", "fd17:6::3"]
        private static let port: UInt16 = 20880

        /// Two namespaces, a provider on every address of the second, and the executable where any user may run it.
        private final class Scene {
            let namespaces = Namespaces()
            let folder: TemporaryFolder
            let binary: String
            let service: EchoProvider

            init() throws {
                folder = try TemporaryFolder()
                binary = folder.path + "/weir"
                // Not written by this process: what another test forks meanwhile would keep it open, and the kernel runs
                // nothing that is being written (ETXTBSY).
                let copy = try ChildProcess.run(["cp", WeirBinary.path, binary])
                guard copy.end == .exited(0) else { throw Failure("cp: \(copy.errorText)") }
                chmod(folder.path, 0o755)
                chmod(binary, 0o755)
                try namespaces.add(RedirectTests.consumer)
                try namespaces.add(RedirectTests.provider)
                try namespaces.join(
                    (RedirectTests.consumer, RedirectTests.consumerHosts),
                    (RedirectTests.provider, RedirectTests.providerHosts + RedirectTests.secondHosts)
                )
                service = try Namespaces.inside(RedirectTests.provider) {
                    EchoProvider(try Listener(Address("::", RedirectTests.port)))
                }
            }

            deinit { service.stop() }

            func weir(in namespace: String, _ arguments: [String], user: String? = nil) throws -> WeirProcess {
                var prefix = ["ip", "netns", "exec", namespace]
                if let user { prefix += ["setpriv", "--reuid", user, "--clear-groups"] }
                return try WeirProcess(arguments, prefix: prefix, binary: binary) { address in
                    try Namespaces.inside(namespace) { try Connection(to: address) }
                }
            }

            func intercept(in namespace: String, _ arguments: String...) throws {
                let run = try ChildProcess.run(["ip", "netns", "exec", namespace, binary, "intercept"] + arguments)
                guard run.end == .exited(0) else { throw Failure("weir intercept \(arguments): \(run.errorText)") }
            }

            /// Rules that no one should write: connections to the proxy's own port come to the proxy.
            func redirectOwnPort(in namespace: String) throws {
                let rules = """
                    table inet weirit {
                        chain prerouting {
                            type nat hook prerouting priority -110; policy accept;
                            tcp dport 16006 redirect to :16006
                        }
                    }

                    """
                let command = ["ip", "netns", "exec", namespace, "nft", "-f", try folder.file("rules", text: rules)]
                let run = try ChildProcess.run(command)
                guard run.end == .exited(0) else { throw Failure("nft: \(run.errorText)") }
            }

            func connect(from namespace: String, to host: String, _ port: UInt16 = RedirectTests.port) throws
                -> Connection
            {
                try Namespaces.inside(namespace) { try Connection(to: Address(host, port)) }
            }

            /// How a connection to the proxy's own port ends.
            func end(ofConnectionFrom namespace: String, to host: String) throws -> Connection.End {
                try Namespaces.inside(namespace) { try Connection.end(ofConnectionTo: Address(host, 16006)) }
            }

            /// Who the provider was last connected by, IPv4 addresses written as such.
            func lastPeer() -> String? {
                service.connections.last.map { $0.peer.host.replacingOccurrences(of: "::ffff:", with: "") }
            }
        }

        @Test(
            "Connections to the provider's ports go through Weir and on to where they were going",
            .timeLimit(.minutes(10))
        )
        func providerSide() throws {
            guard canRun() else { return }
            let scene = try Scene()
            let weir = try scene.weir(in: Self.provider, ["--listen", "[::]:16006"])
            try scene.intercept(in: Self.provider, "install", "--ports", "20880")
            for (index, host) in Self.providerHosts.enumerated() {
                let connection = try scene.connect(from: Self.consumer, to: host)
                for id in 1...5 { try connection.call(UInt64(id), interface: "demo.V\(index)") }
                try checkConnection(
                    weir,
                    upstream: Address(host, Self.port),
                    peer: try connection.local,
                    side: "provider"
                )
                // The application has Weir as its client, which is on its own machine.
                #expect(Self.providerHosts.contains(scene.lastPeer() ?? ""))
            }
            let metrics = try weir.metrics("both connections ended") { $0.sum("weir_open_connections") == 0 }
            for index in 0...1 {
                let labels = ["side": "provider", "interface": "demo.V\(index)", "outcome": "ok"]
                #expect(metrics.sum("weir_calls_total", labels) == 5)
            }
            #expect(metrics.sum("weir_connections_refused_total") == 0)

            try scene.intercept(in: Self.provider, "remove")
            for (index, host) in Self.providerHosts.enumerated() {
                try scene.connect(from: Self.consumer, to: host).call(9)
                #expect(scene.lastPeer() == Self.consumerHosts[index])
            }
            #expect(try weir.metrics().sum("weir_connections_total") == 2)
            // Nothing is there to remove, and that is no error.
            try scene.intercept(in: Self.provider, "remove")
            #expect(try weir.stop() == .exited(0))
        }

        @Test("The application's own connections go through Weir, Weir's own do not", .timeLimit(.minutes(10)))
        func consumerSide() throws {
            guard canRun() else { return }
            let scene = try Scene()
            let arguments = ["--set", "provider.enabled=false", "--consumer-listen", "[::]:16001"]
            let weir = try scene.weir(in: Self.consumer, arguments, user: "65534")
            try scene.intercept(
                in: Self.consumer,
                "install",
                "--consumer-ports",
                "all",
                "--exclude",
                "3306",
                "--user",
                "65534"
            )
            for (index, host) in Self.providerHosts.enumerated() {
                let connection = try scene.connect(from: Self.consumer, to: host)
                for id in 1...3 { try connection.call(UInt64(id), interface: "demo.V\(index)") }
                try checkConnection(weir, upstream: Address(host, Self.port), peer: nil, side: "consumer")
            }
            let metrics = try weir.metrics("both connections ended") { $0.sum("weir_open_connections") == 0 }
            #expect(metrics.sum("weir_calls_total", ["side": "consumer", "outcome": "ok"]) == 6)
            #expect(metrics.sum("weir_connections_total") == 2)
            #expect(metrics.sum("weir_connections_refused_total") == 0)

            try scene.intercept(in: Self.consumer, "remove")
            try scene.connect(from: Self.consumer, to: Self.providerHosts[0]).call(9)
            #expect(try weir.metrics().sum("weir_connections_total") == 2)
        }

        @Test(
            "A connection to the proxy's own port ends in a reset and is counted, not relayed in circles",
            .timeLimit(.minutes(10))
        )
        func noLoop() throws {
            guard canRun() else { return }
            let scene = try Scene()
            let weir = try scene.weir(in: Self.provider, ["--listen", "[::]:16006"])
            try scene.intercept(in: Self.provider, "install", "--ports", "20880")
            let hosts = Self.providerHosts
            for host in hosts {
                #expect(try scene.end(ofConnectionFrom: Self.consumer, to: host) == .reset)
            }
            for host in ["127.0.0.1", "::1"] {
                #expect(try scene.end(ofConnectionFrom: Self.provider, to: host) == .reset)
            }
            // Redirected to the proxy, which the kernel does to one address of the two: what was meant is either that
            // one or another one of this machine, each with the proxy's port.
            try scene.redirectOwnPort(in: Self.provider)
            for host in hosts + Self.secondHosts {
                #expect(try scene.end(ofConnectionFrom: Self.consumer, to: host) == .reset)
            }
            let metrics = try weir.metrics("eight refusals") { $0.sum("weir_connections_refused_total") == 8 }
            #expect(metrics.sum("weir_connections_refused_total", ["reason": "no_destination"]) == 6)
            #expect(metrics.sum("weir_connections_refused_total", ["reason": "loop"]) == 2)
            #expect(metrics.sum("weir_connections_total") == 0)
            #expect(metrics.sum("weir_open_connections") == 0)
            #expect(weir.process.errorText.contains("connection refused"))

            // And the rules for the service still hold.
            try scene.connect(from: Self.consumer, to: hosts[0]).call(1)
            #expect(try weir.metrics().sum("weir_calls_total", ["outcome": "ok"]) == 1)
        }

        @Test("With --local, connections from the provider's own machine go through Weir too", .timeLimit(.minutes(10)))
        func localConnections() throws {
            guard canRun() else { return }
            let scene = try Scene()
            let weir = try scene.weir(in: Self.provider, ["--listen", "[::]:16006"], user: "65534")
            try scene.intercept(in: Self.provider, "install", "--ports", "20000-21000", "--local", "--user", "65534")
            for host in ["127.0.0.1", "::1"] + Self.providerHosts {
                try scene.connect(from: Self.provider, to: host).call(1)
            }
            try scene.connect(from: Self.consumer, to: Self.providerHosts[1]).call(1)
            let metrics = try weir.metrics("all ended") { metrics in
                metrics.sum("weir_open_connections") == 0 && metrics.sum("weir_connections_total") == 5
            }
            #expect(metrics.sum("weir_calls_total", ["side": "provider", "outcome": "ok"]) == 5)
            #expect(metrics.sum("weir_connections_refused_total") == 0)
        }

        /// The one open connection leads to where its client was going.
        private func checkConnection(_ weir: WeirProcess, upstream: Address, peer: Address?, side: String) throws {
            let open = try #require(try weir.get("/v1/connections").json as? [[String: Any]])
            let one = try #require(open.first { ($0["upstream"] as? String) == upstream.description }, "\(open)")
            #expect(one["side"] as? String == side)
            #expect(one["protocol"] as? String == "dubbo")
            if let peer { #expect(one["peer"] as? String == peer.description) }
        }
    }
}
