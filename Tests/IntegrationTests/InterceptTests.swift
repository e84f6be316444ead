import Foundation
import Synchronization
import Testing

extension Integration {
    /// What becomes of connections while rules come and go; needs root, `ip` and `nft`.
    @Suite struct InterceptTests {
        private typealias Scene = RedirectScene

        /// Calls on one connection, one after another, until it is told to stop.
        private final class Load: Sendable {
            private let isStopped = Atomic<Bool>(false)
            private let state = Mutex<(calls: UInt64, failure: String?)>((0, nil))
            private let ended = DispatchSemaphore(value: 0)

            init(_ connection: Connection) {
                Thread.detachNewThread { [self] in
                    var id: UInt64 = 1000
                    while !isStopped.load(ordering: .relaxed) {
                        do { try connection.call(id) } catch {
                            state.withLock { $0.failure = "\(error)" }
                            break
                        }
                        id += 1
                        state.withLock { $0.calls += 1 }
                        usleep(3_000)
                    }
                    ended.signal()
                }
            }

            var calls: UInt64 { state.withLock { $0.calls } }
            var failure: String? { state.withLock { $0.failure } }

            func stop() throws {
                isStopped.store(true, ordering: .relaxed)
                guard ended.wait(timeout: .now() + patience) == .success else { throw Failure("a load does not end") }
            }
        }

        /// Connections of every way to the service and from it, half of them with calls all the time.
        private final class Connections {
            private let ways: [(name: String, namespace: String, host: String, port: UInt16)] =
                Scene.providerHosts.map { ("consumer to \($0)", Scene.consumer, $0, Scene.port) }
                + (["127.0.0.1", "::1"] + Scene.providerHosts).map {
                    ("local to \($0)", Scene.provider, $0, Scene.port)
                }
                + Scene.consumerHosts.map { ("application to \($0)", Scene.provider, $0, InterceptTests.farPort) }
            private var idle: [(name: String, connection: Connection)] = []
            private var loads: [(name: String, load: Load)] = []
            private var id: UInt64 = 1

            /// Opens more of each way.
            func open(_ scene: Scene, _ when: String) throws {
                for way in ways {
                    for isLoaded in [false, true] {
                        let connection = try scene.connect(from: way.namespace, to: way.host, way.port)
                        try connection.call(1)
                        let name = "\(way.name), opened \(when)"
                        if isLoaded { loads.append((name, Load(connection))) } else { idle.append((name, connection)) }
                    }
                }
            }

            /// Every connection still serves calls.
            func check(_ what: String) throws {
                let before = loads.map(\.load.calls)
                try eventually("calls on every connection after \(what)") {
                    zip(loads, before).allSatisfy { $0.load.calls > $1 + 3 || $0.load.failure != nil }
                }
                for (name, load) in loads { #expect(load.failure == nil, "\(what): \(name), under load") }
                id += 1
                for (name, connection) in idle {
                    #expect(throws: Never.self, "\(what): \(name), idle") { try connection.call(id) }
                }
            }

            func stop() throws { for (_, load) in loads { try load.stop() } }
        }

        private static let farPort: UInt16 = 20881

        @Test(
            "Connections live on while rules are installed, replaced and removed",
            .timeLimit(.minutes(10)),
            arguments: [
                ["bare"], ["other NAT"], ["bare", "--separate-tables"], ["other NAT", "--separate-tables"],
                ["bare", "--backend", "iptables"], ["other NAT", "--backend", "iptables"],
            ]
        )
        func comeAndGo(_ kind: [String]) throws {
            guard Scene.canRun() else { return }
            if kind.contains("iptables"), !isInstalled("iptables-restore") || !isInstalled("ip6tables-restore") {
                print("iptables are not tested: they are not here")
                return
            }
            let scene = try Scene()
            let far = try Namespaces.inside(Scene.consumer) { EchoProvider(try Listener(Address("::", Self.farPort))) }
            defer { far.stop() }
            if kind[0] == "other NAT" { try scene.redirect(port: 7, to: 8, in: Scene.provider) }
            let weir = try scene.weir(
                in: Scene.provider,
                ["--listen", "[::]:16006", "--consumer-listen", "[::]:16001"],
                user: "65534"
            )
            let plan = ["install", "--local", "--consumer-ports", "20881", "--user", "65534"] + kind.dropFirst()
            let connections = Connections()
            try connections.open(scene, "before any rules")
            var taken = 0
            for (what, arguments) in [
                ("install", plan + ["--ports", "20880"]), ("other ports", plan + ["--ports", "20880,1234"]),
                ("the same", plan + ["--ports", "20880,1234"]), ("remove", ["remove"]), ("remove again", ["remove"]),
                ("install again", plan + ["--ports", "20880"]), ("last remove", ["remove"]),
            ] {
                try scene.intercept(in: Scene.provider, arguments)
                try connections.check(what)
                if ["install", "remove", "install again", "last remove"].contains(what) {
                    try connections.open(scene, "after \(what)")
                    if what.hasPrefix("install") { taken += 2 }
                }
                let metrics = try weir.metrics()
                #expect(metrics.sum("weir_connections_total", ["side": "provider"]) == taken * 6, "after \(what)")
                #expect(metrics.sum("weir_connections_total", ["side": "consumer"]) == taken * 2, "after \(what)")
            }
            try checkPurge(scene, connections)
            try connections.stop()
        }

        /// What would cut connections is refused, and does no harm.
        private func checkPurge(_ scene: Scene, _ connections: Connections) throws {
            let refused = try scene.interceptRun(in: Scene.provider, ["remove", "--purge"])
            #expect(refused.end == .exited(69))
            // Eight ways, twice two connections each.
            #expect(refused.errorText.contains("32 redirected connections are open"))
            try connections.check("a refused purge")
        }

        @Test(
            "What is changed is printed, and an inert table goes once no redirected connection is open",
            .timeLimit(.minutes(10))
        )
        func purge() throws {
            guard Scene.canRun() else { return }
            let scene = try Scene()
            let weir = try scene.weir(in: Scene.provider, ["--listen", "[::]:16006"])
            func run(_ arguments: String...) throws -> String {
                let run = try scene.interceptRun(in: Scene.provider, arguments)
                #expect(run.end == .exited(0), "\(arguments): \(run.errorText)")
                return run.outputText
            }
            #expect(try run("remove") == "nothing is installed\n")
            #expect(try run("status").hasPrefix("nothing is installed\n"))
            #expect(
                try run("install", "--ports", "20880") == """
                    in force: nftables, table inet weir
                      + connections to ports 20880 come to port 16006

                    """
            )
            #expect(try run("install", "--ports", "20880").contains(", as before\n    connections to ports 20880"))
            let replaced = try run("install", "--ports", "20880,20882", "--separate-tables")
            #expect(replaced.contains("table ip weir and table ip6 weir"))
            #expect(
                replaced.contains("- connections to ports 20880 come")
                    && replaced.contains("+ connections to ports 20880, 20882")
            )
            #expect(try scene.tables(in: Scene.provider) == ["table ip weir", "table ip6 weir"])

            let open = try Scene.providerHosts.map { try scene.connect(from: Scene.consumer, to: $0) }
            for connection in open { try connection.call(1) }
            let status = try run("status", "--ports", "20880,20882")
            #expect(
                status.contains("rules: as Weir writes them") && status.contains("provider: 2 connections redirected")
            )
            #expect(status.contains("open redirected connections: 2"))
            #expect(try scene.interceptRun(in: Scene.provider, ["status", "--ports", "20880"]).end == .exited(69))
            #expect(try run("remove").contains("2 redirected connections live on"))
            #expect(try run("status").hasPrefix("inert: nftables, table ip weir and table ip6 weir"))
            let refused = try scene.interceptRun(in: Scene.provider, ["remove", "--purge"])
            #expect(refused.end == .exited(69) && refused.errorText.contains("2 redirected connections are open"))
            for (index, connection) in open.enumerated() {
                try connection.call(2)
                if index == 0 { connection.finish() } else { connection.reset() }
            }
            try weir.metrics("both ended") { $0.sum("weir_open_connections") == 0 }
            #expect(try run("remove", "--purge").contains("gone"))
            #expect(try scene.tables(in: Scene.provider) == [])

            _ = try run("install", "--ports", "20880")
            let cut = try scene.connect(from: Scene.consumer, to: Scene.providerHosts[0])
            try cut.call(1)
            #expect(try run("remove", "--purge", "--force").hasPrefix("1 redirected connections were open\n"))
            #expect(try scene.tables(in: Scene.provider) == [])
        }

        /// How an end of a connection says that it is over.
        enum Ending: CaseIterable { case clientFinishes, clientResets, serverFinishes, serverResets }

        @Test(
            "A connection from before the rules ends as its peers end it, whatever they say first",
            .timeLimit(.minutes(10)),
            arguments: Ending.allCases
        )
        func endings(_ ending: Ending) throws {
            guard Scene.canRun() else { return }
            let scene = try Scene()
            let listener = try Namespaces.inside(Scene.provider) { try Listener(Address("::", Self.farPort)) }
            var pairs: [(client: Connection, server: Connection)] = []
            for host in Scene.providerHosts {
                let client = try scene.connect(from: Scene.consumer, to: host, Self.farPort)
                pairs.append((client, try listener.accept()))
            }
            try scene.intercept(in: Scene.provider, "install", "--ports", "20881")
            for (client, server) in pairs {
                switch ending {
                case .clientFinishes: client.finish()
                case .clientResets: client.reset()
                case .serverFinishes: server.finish()
                case .serverResets: server.reset()
                }
                let isClient = ending == .clientFinishes || ending == .clientResets
                let isReset = ending == .clientResets || ending == .serverResets
                #expect(try (isClient ? server : client).readToEnd().end == (isReset ? .reset : .closed))
                guard !isReset else { continue }
                // The other direction is still there, and then ends as well.
                let (rest, told) = isClient ? (server, client) : (client, server)
                try rest.write([1, 2, 3])
                #expect(try told.read(3) == [1, 2, 3])
                rest.finish()
                #expect(try told.readToEnd().end == .closed)
            }
        }

        @Test(
            "A segment outside of the window harms no redirected connection, whoever sends it",
            .timeLimit(.minutes(10)),
            arguments: [false, true]
        )
        func strays(afterRemoval: Bool) throws {
            guard Scene.canRun() else { return }
            let scene = try Scene()
            let weir = try scene.weir(in: Scene.provider, ["--listen", "[::]:16006"])
            try scene.intercept(in: Scene.provider, "install", "--ports", "20880")
            var open: [(host: String, connection: Connection)] = []
            for host in Scene.providerHosts {
                let connection = try scene.connect(from: Scene.consumer, to: host)
                try connection.call(1)
                open.append((host, connection))
            }
            if afterRemoval { try scene.intercept(in: Scene.provider, "remove") }
            let kinds: [(Segment.Flags, [UInt8])] = [
                ([.push, .acknowledgment], [1, 2, 3]), ([.fin, .acknowledgment], []), ([.reset, .acknowledgment], []),
                ([.reset], []),
            ]
            for (host, connection) in open {
                let client = try connection.local
                for (flags, payload) in kinds {
                    let (sent, expected) = try connection.sequences()
                    try Segment(
                        source: client,
                        destination: Address(host, Scene.port),
                        sequence: sent &+ 50_000_000,
                        acknowledged: expected,
                        flags: flags,
                        payload: payload
                    ).send(from: Scene.consumer)
                    try Segment(
                        source: Address(host, 16006),
                        destination: client,
                        sequence: expected &+ 50_000_000,
                        acknowledged: sent,
                        flags: flags,
                        payload: payload
                    ).send(from: Scene.provider)
                    // Answers to both would have come by the time a connection has been made and closed.
                    try scene.connect(from: Scene.consumer, to: host, Scene.port).call(3)
                    #expect(throws: Never.self, "\(host) \(flags)") { try connection.call(2) }
                }
            }
            let status = try scene.interceptRun(in: Scene.provider, ["status"]).outputText
            #expect(!status.contains("stray-reset-weir: 0 "), "\(status)")
            let expectedOpen = try weir.metrics().sum("weir_open_connections")
            #expect(expectedOpen >= 2)
        }

        @Test(
            "A connection that enters as others do is recognised, relayed to nobody and counted nowhere",
            .timeLimit(.minutes(10))
        )
        func verify() throws {
            guard Scene.canRun() else { return }
            let scene = try Scene()
            let admin = "127.0.0.1:16080"
            let weir = try scene.weir(
                in: Scene.provider,
                ["--listen", "[::]:16006", "--consumer-listen", "[::]:16001", "--admin", admin],
                user: "65534"
            )
            #expect(try scene.interceptRun(in: Scene.provider, ["verify"]).end == .exited(69))
            let plan = ["install", "--ports", "20880", "--consumer-ports", "20881", "--user", "65534"]
            try scene.intercept(in: Scene.provider, plan)
            let verified = try scene.interceptRun(in: Scene.provider, ["verify"])
            #expect(verified.end == .exited(0), "\(verified.errorText)")
            #expect(
                verified.outputText == """
                    to the application's port 20880 over IPv4: arrived
                    to the application's port 20880 over IPv6: arrived
                    from this machine to port 20881 over IPv4: arrived
                    from this machine to port 20881 over IPv6: arrived

                    """
            )
            let metrics = try weir.metrics()
            #expect(metrics.sum("weir_connections_total") == 0 && metrics.sum("weir_calls_total") == 0)
            #expect(metrics.sum("weir_connections_refused_total") == 0)
            #expect(scene.service.connections.isEmpty)
            #expect(try !scene.devices(in: Scene.provider).contains("weir"))

            // Rules that lead elsewhere.
            try scene.intercept(in: Scene.provider, plan + ["--listen-port", "16007"])
            let astray = try scene.interceptRun(in: Scene.provider, ["verify"])
            #expect(astray.end == .exited(69))
            #expect(astray.outputText.contains("port 20880 over IPv4: did not arrive"))
            #expect(astray.outputText.contains("port 20881 over IPv6: arrived"))

            // With the right to read rules only.
            try scene.intercept(in: Scene.provider, plan)
            let weaker = try ChildProcess.run(
                ["ip", "netns", "exec", Scene.provider, "setpriv", "--bounding-set", "-sys_admin"]
                    + [scene.binary, "intercept", "verify"]
            )
            #expect(weaker.end == .exited(0), "\(weaker.errorText)")
            #expect(weaker.outputText.contains("weaker than a connection that arrives"))
            #expect(weaker.outputText.contains("rules: as Weir writes them"))
            #expect(try weir.stop() == .exited(0))
            #expect(try scene.interceptRun(in: Scene.provider, ["verify"]).end == .exited(69))
        }

        @Test("A verification that is killed leaves nothing behind", .timeLimit(.minutes(10)))
        func killedVerification() throws {
            guard Scene.canRun() else { return }
            let scene = try Scene()
            let weir = try scene.weir(in: Scene.provider, ["--listen", "[::]:16006", "--admin", "127.0.0.1:16080"])
            try scene.intercept(in: Scene.provider, "install", "--ports", "20880")
            // It waits for an answer, with its devices made.
            weir.process.send(SIGSTOP)
            let command = ["ip", "netns", "exec", Scene.provider, scene.binary, "intercept", "verify"]
            let verification = try ChildProcess(command)
            try eventually("the device is there") { try scene.devices(in: Scene.provider).contains("weir") }
            verification.send(SIGKILL)
            try verification.wait()
            try eventually("the device is gone") { try !scene.devices(in: Scene.provider).contains("weir") }
            weir.process.send(SIGCONT)
            try scene.connect(from: Scene.consumer, to: Scene.providerHosts[0]).call(1)
        }
    }
}
