import Foundation
import Testing

extension Integration {
    /// `weir run` as an operator meets it: stopping, refusing, reporting.
    @Suite struct RunTests {
        /// `DA BB A2 00`, an odd id, and the text R.
        private func isReadonly(_ frame: [UInt8]) -> Bool {
            frame.count == 18 && Array(frame[..<4]) == [0xda, 0xbb, 0xa2, 0] && frame[11] & 1 == 1
                && Array(frame[12...]) == [0, 0, 0, 2, 1, 0x52]
        }

        @Test(
            "Stopped while idle it tells consumers and ends at once",
            .timeLimit(.minutes(10)),
            arguments: [SIGTERM, SIGINT]
        )
        func stopsIdle(_ signal: Int32) throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            // It would be waited for much longer than the test waits.
            let weir = try WeirProcess(upstream: provider.address, "--drain-deadline", "1h")
            let connection = try Connection(to: weir.address)
            try connection.call(1)
            #expect(try weir.get("/readyz").status == 200)
            weir.process.send(signal)
            #expect(try weir.process.wait() == .exited(0))
            #expect(isReadonly(try connection.readToEnd().bytes))
        }

        @Test("Stopped it lets requests pass for the grace, then refuses them, and ends", .timeLimit(.minutes(10)))
        func grace() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(
                upstream: provider.address,
                "--set",
                "drain.grace=2s",
                "--drain-deadline",
                "30s"
            )
            let connection = try Connection(to: weir.address)
            try connection.call(1)
            weir.process.send(SIGTERM)
            #expect(isReadonly(try connection.readFrame()))
            try connection.call(2)
            var status: UInt8 = 20
            var id: UInt64 = 3
            _ = try eventually("a call is refused") {
                try connection.write(DubboBytes.request(id))
                let reply = try connection.readFrame()
                #expect(DubboBytes.id(reply) == id)
                status = reply[3]
                id += 1
                return status == 20 ? nil : true
            }
            #expect(status == 100)
            #expect(try weir.process.wait() == .exited(0))
        }

        @Test(
            "Stopped during a call it waits for the reply, takes nothing new, and says that it is not ready",
            .timeLimit(.minutes(10))
        )
        func stopsBusy() throws {
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address, "--drain-deadline", "1h")
            let client = try Connection(to: weir.address)
            let server = try listener.accept()
            try client.write(DubboBytes.request(7))
            #expect(DubboBytes.id(try server.readFrame()) == 7)

            weir.process.send(SIGTERM)
            try eventually("not ready") { try weir.get("/readyz").status == 503 }
            try eventually("new connections are refused") { (try? Connection(to: weir.address)) == nil }
            #expect(try weir.get("/healthz").status == 200)
            #expect(try weir.metrics().sum("weir_calls_in_flight") == 1)
            #expect(weir.process.isRunning())

            try server.write(DubboBytes.reply(7))
            #expect(isReadonly(try client.readFrame()))
            #expect(DubboBytes.id(try client.readFrame()) == 7)
            #expect(try weir.process.wait() == .exited(0))
        }

        @Test("A call that takes too long does not keep it for ever", .timeLimit(.minutes(10)))
        func deadline() throws {
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address, "--drain-deadline", "1s")
            let client = try Connection(to: weir.address)
            let server = try listener.accept()
            try client.write(DubboBytes.request(7))
            _ = try server.readFrame()
            let start = ContinuousClock.now
            #expect(try weir.stop() == .exited(0))
            let took = ContinuousClock.now - start
            #expect(took > .milliseconds(900), "\(took)")
            #expect(isReadonly(try client.readToEnd().bytes))
        }

        @Test(
            "Started without standard descriptors it opens them to nowhere, and no line goes to a peer",
            .timeLimit(.minutes(10)),
            arguments: ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]
        )
        func closedDescriptors(_ closing: String) throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let (port, admin) = (try Listener.freePort(), Address.loopback(try Listener.freePort()))
            let weir = try ChildProcess([
                "sh", "-c", "exec \"$0\" \"$@\" \(closing)", WeirBinary.path, "run", "--listen", "127.0.0.1:\(port)",
                "--admin", admin.description, "--upstream", provider.address.description, "--log-level", "trace",
                "--set", "drain.grace=0s",
            ])
            try eventually("weir is ready") {
                let answer = try? HTTPAnswer.get("/readyz", over: Connection(to: admin), host: admin.description)
                return answer?.status == 200
            }
            let connection = try Connection(to: .loopback(port))
            for id in UInt64(1)...3 { try connection.call(id) }
            let closed = closing.split(separator: " ").map { $0.first == "<" ? 0 : $0.first == ">" ? 1 : 2 }
            for descriptor in closed {
                let file = try FileManager.default.destinationOfSymbolicLink(
                    atPath: "/proc/\(weir.pid)/fd/\(descriptor)"
                )
                #expect(file == "/dev/null")
            }
            weir.send(SIGTERM)
            #expect(try weir.wait() == .exited(0))
            #expect(isReadonly(try connection.readToEnd().bytes))
        }

        @Test("A refused upstream is a reset for the client, counted and logged")
        func refusedUpstream() throws {
            let weir = try WeirProcess(upstream: .loopback(try Listener.freePort()))
            for _ in 0..<3 { #expect(try Connection.end(ofConnectionTo: weir.address) == .reset) }
            let metrics = try weir.metrics("three refusals") {
                $0.sum("weir_connections_refused_total", ["reason": "connect_failed"]) == 3
            }
            #expect(metrics.sum("weir_open_connections") == 0)
            #expect(metrics.sum("weir_calls_total") == 0)
            #expect(weir.process.errorText.contains("connection refused"))
        }

        @Test("Without an upstream a direct connection is refused", arguments: ["127.0.0.1:0", "[::]:0"])
        func directConnection(_ listen: String) throws {
            let weir = try WeirProcess(["--listen", listen])
            #expect(try Connection.end(ofConnectionTo: .loopback(weir.address.port)) == .reset)
            let metrics = try weir.metrics("a refusal") { $0.sum("weir_connections_refused_total") == 1 }
            #expect(metrics.sum("weir_connections_total") == 0)
        }

        @Test("Connections above the limit are refused, and taken again when others have ended")
        func connectionLimit() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(upstream: provider.address, "--workers", "1", "--set", "relay.max-connections=2")
            var open = try (0..<2).map { _ in try Connection(to: weir.address) }
            for connection in open { try connection.call(1) }
            #expect(try Connection.end(ofConnectionTo: weir.address) == .reset)
            try weir.metrics("a refusal") { $0.sum("weir_connections_refused_total", ["reason": "limit"]) == 1 }
            open.removeLast()
            try weir.metrics("one connection") { $0.sum("weir_open_connections") == 1 }
            try Connection(to: weir.address).call(2)
        }

        @Test(
            "Several workers share the connections and their numbers are one",
            .timeLimit(.minutes(10)),
            arguments: ["1", "3"]
        )
        func workers(_ count: String) throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let weir = try WeirProcess(upstream: provider.address, "--workers", count)
            let connections = try (0..<30).map { _ in try Connection(to: weir.address) }
            for id in 1...4 {
                for connection in connections { try connection.call(UInt64(id)) }
            }
            let metrics = try weir.metrics("120 calls") { $0.sum("weir_calls_total", ["outcome": "ok"]) == 120 }
            #expect(metrics.sum("weir_open_connections") == 30)
            #expect(metrics.all("weir_calls_total", ["method": "hello"]).count == 1)
            #expect(metrics.sum("weir_scrape_stale_workers_total") == 0)
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(weir.process.pid)/task").filter {
                let name = try? String(contentsOfFile: "/proc/\(weir.process.pid)/task/\($0)/comm", encoding: .utf8)
                return name == "weir-worker\n"
            }
            #expect(threads.count == Int(count))
        }

        @Test("The admin API tells of operations and connections as JSON", .timeLimit(.minutes(10)))
        func adminAPI() throws {
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address)
            let client = try Connection(to: weir.address)
            let server = try listener.accept()
            for id in UInt64(1)...2 {
                try client.write(DubboBytes.request(id))
                _ = try server.readFrame()
            }
            try server.write(DubboBytes.reply(1))
            _ = try client.readFrame()

            let operations = try weir.get("/v1/operations")
            #expect(operations.headers["content-type"] == "application/json")
            let rows = try #require(try operations.json as? [[String: Any]])
            #expect(rows.count == 1)
            let row = try #require(rows.first)
            let texts = [
                "side": "provider", "protocol": "dubbo", "interface": "demo.Greeter", "method": "hello",
                "version": "1.0.0",
            ]
            for (name, text) in texts { #expect(row[name] as? String == text) }
            #expect(row["calls"] as? Int == 1)
            #expect(row["in_flight"] as? Int == 1)
            #expect(row["errors"] as? Int == 0)
            for name in ["request_bytes", "response_bytes", "late_replies"] { #expect(row[name] is Int, "\(name)") }

            let connections = try #require(try weir.get("/v1/connections").json as? [[String: Any]])
            #expect(connections.count == 1)
            let one = try #require(connections.first)
            #expect(one["peer"] as? String == (try client.local.description))
            #expect(one["upstream"] as? String == listener.address.description)
            #expect(one["protocol"] as? String == "dubbo")
            #expect(one["side"] as? String == "provider")
            #expect(one["state"] as? String == "open")
            #expect(one["in_flight"] as? Int == 1)
            #expect(one["bytes_to_upstream"] as? Int == 2 * DubboBytes.request(1).count)
            #expect(one["bytes_to_downstream"] as? Int == DubboBytes.reply(1).count)
            #expect((one["age_seconds"] as? Double).map { $0 > 0 && $0 < 60 } == true)
            #expect(try weir.get("/v1/nothing").status == 404)
        }

        @Test("A second address serves the metrics and nothing that is not for scrapers")
        func metricsListener() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let scrape = Address.loopback(try Listener.freePort())
            let admin = Address.loopback(try Listener.freePort())
            let weir = try WeirProcess(
                upstream: provider.address,
                "--metrics-listen",
                scrape.description,
                "--admin",
                admin.description
            )
            for listener in [scrape, admin] {
                try eventually("\(listener) answers") {
                    (try? HTTPAnswer.get("/healthz", from: listener).status) == 200
                }
            }
            for path in ["/metrics", "/readyz"] { #expect(try HTTPAnswer.get(path, from: scrape).status == 200) }
            for path in ["/v1/operations", "/v1/connections"] {
                #expect(try HTTPAnswer.get(path, from: scrape).status == 404)
                #expect(try HTTPAnswer.get(path, from: admin).status == 200)
            }
            #expect(try weir.stop() == .exited(0))
        }

        @Test("Settings come from the environment and a file, and a flag wins")
        func settings() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let folder = try TemporaryFolder()
            let file = try folder.file("weir.yaml", text: "log:\n  format: json\nprovider:\n  upstream: 127.0.0.1:1\n")
            let weir = try ChildProcess([
                WeirBinary.path, "run", "--config", file, "--upstream", provider.address.description, "--listen",
                "127.0.0.1:0", "--admin", "127.0.0.1:0",
            ])
            let line = try eventually("a log line") { weir.errorLines.first { $0.contains("relaying") } }
            let json = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let address = try #require((json["listen"] as? String).flatMap { Address(parsing: $0) })
            try Connection(to: address).call(1)
        }
    }
}
