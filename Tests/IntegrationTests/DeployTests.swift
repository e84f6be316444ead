import Foundation
import Testing

extension Integration {
    /// The files of the folder deploy, run in network namespaces while consumers call all the time; needs root, `ip`,
    /// `nft` and `setpriv`.
    @Suite(
        .serialized,
        .enabled(if: PeerProgram.drain.isThere, PeerProgram.missing(.drain)),
        .timeLimit(.minutes(10))
    )
    struct DeployTests {
        private static let kinds = ["java": 5, "java27": 5, "go": 5, "go331": 5]

        /// Consumers over each family that call two providers.
        private final class Consumers {
            private let groups: [(family: String, consumers: DrainConsumers)]

            init(of hosts: [String], and others: [String], from namespace: String) throws {
                groups = try zip(["IPv4", "IPv6"], zip(hosts, others)).map { family, hosts in
                    let addresses = [hosts.0, hosts.1].map { Address($0, RedirectScene.port) }
                    return (family, try DrainConsumers(addresses, kinds, namespace: namespace))
                }
            }

            /// Every kind calls the first provider, over each family.
            func settle() throws {
                try eventually("all call") {
                    try check("while they settle").allSatisfy { kinds in
                        kinds.allSatisfy { $1["to_a", default: 0] > 20 && $1["to_b", default: 0] > 20 }
                    }
                }
            }

            /// No call has failed since the last check.
            @discardableResult
            func check(_ when: String) throws -> [DrainConsumers.Counts] {
                Thread.sleep(forTimeInterval: 0.5)
                return try groups.map { family, consumers in
                    let counts = try consumers.mark()
                    for (kind, counts) in counts {
                        #expect(counts["failed"] == nil, "\(when), \(kind), \(family): \(counts)")
                    }
                    return counts
                }
            }
        }

        @Test("The pod comes, is probed and goes as the manifest says, and no call fails")
        func pod() throws {
            guard RedirectScene.canRun() else { return }
            let pod = try Pod()
            try expectSafe(pod.file)
            let other = try PeerServer(.drain, "5", "[::]:\(RedirectScene.port)", namespace: Pod.node)
            try pod.start()
            let consumers = try Consumers(of: Pod.hosts, and: Pod.nodeHosts, from: Pod.node)
            try consumers.settle()

            let intercepted = try pod.metrics().sum("weir_intercepted_connections_total", ["side": "provider"])
            #expect(intercepted >= 40, "every connection of the consumers passes through Weir")
            #expect(try pod.metrics().sum("weir_calls_total", ["outcome": "ok"]) > 100)
            let status = try pod.run("weir-intercept", ["weir", "intercept", "status", "--ports", "20880"])
            #expect(status.end == .exited(0), "\(status.outputText)")
            let weir = try #require(pod.file.initContainers.first)
            for name in ["startupProbe", "livenessProbe", "readinessProbe"] {
                #expect(try pod.succeeds(#require(weir.probe(name))), "\(name)")
            }
            #expect(try pod.get("/metrics", 16082).status == 404, "the probes' address has probes only")
            #expect(throws: Failure.self, "the admin API stays inside") { try pod.get("/v1/config", 16080) }

            let limit = weir.node["resources", "limits", "memory"]?.text?.firstMatch(of: /([0-9]+)Mi/).flatMap {
                Int($0.1)
            }
            #expect(try pod.process("weir").peakBytes() < #require(limit) << 20)

            let readiness = try #require(weir.probe("readinessProbe"))
            try pod.stop {
                #expect(try !pod.succeeds(readiness))
                let metrics = try pod.metrics()
                // Who comes again is refused, and the application hears nothing of it.
                #expect(metrics.sum("weir_drain_state") == 3 && metrics.sum("weir_calls_in_flight") == 0)
                let report = try pod.run("weir", ["weir", "drain", "--status"]).outputText
                let closed = report.firstMatch(of: /"closed_connections":([0-9]+)/).flatMap { Int($0.1) }
                #expect(closed ?? 0 >= 40 && report.contains("\"idle\":true"), "\(report)")
                #expect(metrics.sum("weir_drain_signals_total", ["signal": "readonly"]) >= 40)
                #expect(metrics.sum("weir_calls_total", ["outcome": "unanswered"]) == 0)
            }
            let after = try consumers.check("after the pod")
            #expect(after.allSatisfy { $0.allSatisfy { $1["to_b", default: 0] > 0 } })
            _ = try other.lastLine()
        }

        /// What the manifest promises besides, and the times that depend on each other.
        private func expectSafe(_ file: PodFile) throws {
            let grace = try #require(file.spec?["terminationGracePeriodSeconds"]?.number)
            let sleep = try #require(file.applications.first?.node["lifecycle", "preStop", "sleep", "seconds"]?.number)
            let text = try #require(file.configMaps.values.first?["weir.yaml"])
            let deadline = try #require(text.firstMatch(of: /deadline: ([0-9]+)s/).flatMap { Int($0.1) })
            // At the deadline what is in use is closed within a second; Weir then needs as long to end once more.
            #expect(sleep > deadline + 1 && grace >= sleep + deadline + 1 + 10)
            #expect(file.deployment["spec", "replicas"]?.number ?? 0 >= 2)
            #expect(file.spec?["securityContext", "seccompProfile", "type"]?.text == "RuntimeDefault")
            for container in file.initContainers {
                let resources = container.node["resources"]
                #expect(resources?["requests", "memory"] != nil && resources?["limits", "memory"] != nil)
                #expect(resources?["limits", "cpu"] == nil)
            }
            let weir = try #require(file.initContainers.first)
            #expect(weir.isSidecar && weir.node["securityContext", "runAsNonRoot"]?.text == "true")
        }

        @Test("The unit starts, reloads and stops as systemd does it, and no call fails")
        func unit() throws {
            guard RedirectScene.canRun() else { return }
            let scene = try RedirectScene()
            let other = try PeerServer(.drain, "5", "[::]:\(RedirectScene.port)", namespace: RedirectScene.consumer)
            let unit = try Unit(scene, namespace: RedirectScene.provider)
            let configuration = "provider: {ports: [20880]}\ndrain: {grace: 1s, deadline: 3s}\n"
            _ = try scene.folder.file("weir.yaml", text: configuration)
            func more() throws -> Consumers {
                let (hosts, others) = (RedirectScene.providerHosts, RedirectScene.consumerHosts)
                let consumers = try Consumers(of: hosts, and: others, from: RedirectScene.consumer)
                try consumers.settle()
                return consumers
            }
            // The application was there before Weir.
            let direct = try more()
            try unit.start()
            let redirected = try more()
            #expect(try intercepted(scene) >= 40)

            _ = try scene.folder.file("weir.yaml", text: configuration + "no-such-key: 1\n")
            #expect(try !unit.run("ExecReload"), "a wrong file is not reloaded")
            _ = try scene.folder.file("weir.yaml", text: configuration)
            #expect(!unit.isTold)
            try unit.reload()
            let late = try more()
            for consumers in [direct, redirected] { try consumers.check("after the reload") }

            try unit.stop()
            for consumers in [direct, redirected, late] {
                let counts = try consumers.check("after the stop")
                #expect(counts.allSatisfy { $0.allSatisfy { $1["to_a", default: 0] > 0 } }, "the application is called")
            }
            let rules = try scene.interceptRun(in: RedirectScene.provider, ["status"])
            #expect(rules.outputText.hasPrefix("inert"), "\(rules.outputText)")
            #expect(RedirectScene.consumerHosts.contains(scene.lastPeer() ?? ""), "\(scene.lastPeer() ?? "")")
            _ = try other.lastLine()
        }

        /// How many connections Weir was given by the rules.
        private func intercepted(_ scene: RedirectScene) throws -> Int {
            let page = try Namespaces.inside(RedirectScene.provider) {
                try HTTPAnswer.get("/metrics", from: .loopback(16080)).text
            }
            return try Metrics(text: page).sum("weir_intercepted_connections_total", ["side": "provider"])
        }

        @Test("A wrong configuration ends the unit with the code that systemd does not try again after")
        func wrongConfiguration() throws {
            guard RedirectScene.canRun() else { return }
            let scene = try RedirectScene()
            let unit = try Unit(scene, namespace: RedirectScene.provider)
            _ = try scene.folder.file("weir.yaml", text: "no-such-key: 1\n")
            let end = try unit.begin().wait()
            #expect(end == .exited(64) && unit.values("RestartPreventExitStatus") == ["64"])
            #expect(unit.values("Restart") == ["on-failure"])
            // What systemd runs after a failed start, without rules to remove.
            #expect(try unit.run("ExecStopPost"))
            #expect(try scene.tables(in: RedirectScene.provider) == [])
        }
    }
}
