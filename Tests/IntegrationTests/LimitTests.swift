import Foundation
import Synchronization
import Testing

extension Integration {
    /// Limits as users write, reload and replace them, and as callers meet them.
    @Suite(.serialized) struct LimitTests {
        private static func limits(_ limit: Int, _ more: String = "") -> String {
            """
            limits:
              - name: hello
                match: {interface: demo.Greeter, method: hello}
                limit: \(limit)
                window: 1s
            \(more)
            """
        }

        @Test(
            "Reloaded a hundred times under load, no call is lost, no window begins anew, and mistakes change nothing",
            .timeLimit(.minutes(10))
        )
        func reloads() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let path = try folder.file("limits.yaml", text: Self.limits(50))
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            let weir = try WeirProcess(upstream: provider.address, "--config", config, "--workers", "2")
            let load = Load(weir.address, connections: 8)
            let start = ContinuousClock.now
            load.start()
            for number in 1...100 {
                if number % 10 == 0 {
                    try Self.limits(-1).write(toFile: path, atomically: true, encoding: .utf8)
                    let answer = try weir.ask("POST", "/v1/reload")
                    #expect(answer.status == 400 && answer.text.contains("limits.yaml:4:"), "\(answer.text)")
                } else {
                    // Another limit, and another text: the first goes on in its window.
                    let other =
                        "    reject: {text: no \(number)}\n  - {name: l\(number), limit: 9, window: 1s, match: {method: no}}"
                    try Self.limits(50, other).write(toFile: path, atomically: true, encoding: .utf8)
                    let answer = try weir.ask("POST", "/v1/reload")
                    #expect(answer.status == 200, "\(answer.text)")
                }
                Thread.sleep(forTimeInterval: 0.02)
            }
            try eventually("the load meets the limit again and again") {
                load.sofar.refused > 1000 && load.sofar.passed >= 100
            }
            let counts = load.stop()
            let seconds = Int((ContinuousClock.now - start).components.seconds) + 1
            #expect(counts.failed == 0)
            #expect(counts.passed <= 50 * (seconds + 1), "\(counts) in \(seconds) s")
            let metrics = try weir.settledMetrics()
            let decided = { metrics.sum("weir_limit_decisions_total", ["limit": "hello", "decision": $0]) }
            #expect(decided("allowed") == counts.passed && decided("rejected") == counts.refused)
            #expect(metrics.sum("weir_calls_total", ["outcome": "limited"]) == counts.refused)
            #expect(metrics.sum("weir_calls_total", ["outcome": "ok"]) == counts.passed)
            #expect(weir.process.errorText.contains("not reloaded"))
        }

        @Test("A changed file, a link that leads elsewhere and SIGHUP are noticed, and PUT holds until then")
        func sources() throws {
            let folder = try TemporaryFolder()
            _ = try folder.file("first.yaml", text: Self.limits(5))
            _ = try folder.file("second.yaml", text: Self.limits(6, "  - {name: more, limit: 1, window: 1s}"))
            let link = folder.path + "/limits.yaml"
            guard symlink("first.yaml", link) == 0 else { throw Failure(call: "symlink") }
            let config = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            let weir = try WeirProcess(upstream: .loopback(try Listener.freePort()), "--config", config)
            func names() throws -> [String] {
                let object = try weir.get("/v1/limits").json as? [String: Any]
                return (object?["limits"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
            }
            #expect(try names() == ["hello"])
            // As Kubernetes swaps a ConfigMap.
            guard symlink("second.yaml", link + ".new") == 0, rename(link + ".new", link) == 0 else {
                throw Failure(call: "rename")
            }
            try eventually("the other file's limits") { try names() == ["hello", "more"] }
            let put = try weir.ask("PUT", "/v1/limits", "limits: [{name: put, limit: 1, window: 1s}]")
            #expect(put.status == 200 && put.text.contains("until the next reload"), "\(put.text)")
            #expect(try names() == ["put"])
            let wrong = try weir.ask("PUT", "/v1/limits", "limits: [{name: put}]")
            #expect(wrong.status == 400 && wrong.text.contains("body:1:10"), "\(wrong.text)")
            #expect(try names() == ["put"])
            weir.process.send(SIGHUP)
            try eventually("the files' limits again") { try names() == ["hello", "more"] }
        }

        @Test("Who may change anything: with a token, and never a web page")
        func token() throws {
            let weir = try WeirProcess(
                upstream: .loopback(try Listener.freePort()),
                "--set",
                "admin.token=a-long-secret"
            )
            #expect(try weir.ask("POST", "/v1/drain").status == 401)
            #expect(try weir.ask("POST", "/v1/drain", headers: ["Authorization: Bearer wrong"]).status == 401)
            let right = "Authorization: Bearer a-long-secret"
            #expect(try weir.ask("POST", "/v1/drain", headers: [right]).status == 200)
            #expect(try weir.ask("DELETE", "/v1/drain", headers: [right, "Origin: http://a.example"]).status == 403)
            #expect(try weir.ask("POST", "/v1/drain", "grace=soon", headers: [right]).status == 400)
            #expect(try weir.ask("POST", "/v1/drain", "method=m", headers: [right]).status == 400)
            #expect(try weir.ask("PATCH", "/v1/drain", headers: [right]).status == 405)
            #expect(try weir.get("/v1/drain").status == 200)
            #expect(try weir.get("/v1/config").text.contains("a-long-secret") == false)
        }

        /// Connections that call as fast as they are answered.
        final class Load: Sendable {
            struct Counts {
                var passed = 0
                var refused = 0
                var failed = 0
            }

            private let counts = Mutex(Counts())
            private let isOver = Atomic(false)
            private let address: Address
            private let group = DispatchGroup()
            private let connections: Int
            private let callsPerConnection: UInt64

            /// - Parameters:
            ///   - address: Where to.
            ///   - connections: How many at a time.
            ///   - callsPerConnection: After how many calls each is made anew.
            init(_ address: Address, connections: Int, callsPerConnection: UInt64 = .max) {
                self.address = address
                self.connections = connections
                self.callsPerConnection = callsPerConnection
            }

            func start() {
                for number in 0..<connections {
                    DispatchQueue.global().async(group: group) { [self] in run(UInt64(number) << 32) }
                }
            }

            private func run(_ first: UInt64) {
                var id = first
                guard var connection = try? Connection(to: address) else { return counts.withLock { $0.failed += 1 } }
                while !isOver.load(ordering: .relaxed) {
                    id += 1
                    if (id - first) % callsPerConnection == 0 {
                        guard let next = try? Connection(to: address) else {
                            return counts.withLock { $0.failed += 1 }
                        }
                        connection = next
                    }
                    guard (try? connection.write(DubboBytes.request(id))) != nil,
                        let reply = try? connection.readFrame(), DubboBytes.id(reply) == id
                    else { return counts.withLock { $0.failed += 1 } }
                    counts.withLock {
                        switch reply[3] {
                        case 20: $0.passed += 1
                        case 100: $0.refused += 1
                        default: $0.failed += 1
                        }
                    }
                }
            }

            var sofar: Counts { counts.withLock { $0 } }

            func stop() -> Counts {
                isOver.store(true, ordering: .relaxed)
                group.wait()
                return counts.withLock { $0 }
            }
        }
    }
}
