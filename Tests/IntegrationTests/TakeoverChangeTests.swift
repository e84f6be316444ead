import Foundation
import Testing

extension Integration {
    /// What a Weir that took over has the processes before it do, and what it shows of them.
    @Suite(.serialized) struct TakeoverChangeTests {
        /// Two processes that were taken over from one after the other, each with a connection, and the newest.
        private final class Scene {
            let provider: EchoProvider
            let family: TakeoverFamily
            var old: [WeirProcess] = []
            let newest: WeirProcess
            let connections: [Connection]
            var calls: UInt64 = 0

            init(_ more: [String] = []) throws {
                provider = try EchoProvider()
                family = try TakeoverFamily(provider, more)
                old = [try family.start()]
                var connections = [try Connection(to: family.listen)]
                try connections[0].call(1)
                old.append(try family.start("--takeover"))
                try Self.taken(old[0])
                connections.append(try Connection(to: family.listen))
                try connections[1].call(2)
                newest = try family.start("--takeover")
                try Self.taken(old[1])
                self.connections = connections
                calls = 2
                try newest.metrics("both report") {
                    $0.sum("weir_takeover_predecessors", ["state": "answering"]) == 2
                }
            }

            static func taken(_ weir: WeirProcess) throws {
                try eventually("it is taken over") { weir.process.errorText.contains("another process has taken over") }
            }

            deinit { provider.stop() }

            /// The status of a call's reply, events passed over.
            func status(_ connection: Connection, method: String = "hello") throws -> UInt8 {
                calls += 1
                try connection.write(DubboBytes.request(calls, method: method))
                while true {
                    let frame = try connection.readFrame()
                    if frame[2] & 0x20 == 0 { return frame[3] }
                }
            }

            func statuses(method: String = "hello") throws -> [UInt8] {
                try connections.map { try status($0, method: method) }
            }

            func stop() throws {
                #expect(try newest.stop() == .exited(0))
                for weir in old { #expect(try weir.process.wait() == .exited(0), "\(weir.process.errorText)") }
            }
        }

        @Test("A drain refuses on the connections of all processes, shows them all, and its end is heard by all")
        func drains() throws {
            let scene = try Scene()
            let method = "/v1/drain?interface=demo.Greeter&method=hello&grace=0s"
            #expect(try scene.newest.ask("POST", method).status == 200)
            #expect(try scene.statuses() == [100, 100])
            #expect(try scene.statuses(method: "other") == [20, 20])
            let report = try #require(try scene.newest.get("/v1/drain").json as? [String: Any])
            let drain = try #require((report["drains"] as? [[String: Any]])?.first)
            #expect(drain["rejected_calls"] as? Int == 2)
            let peers = (report["connections"] as? [[String: Any]] ?? []).compactMap { $0["peer"] as? String }
            #expect(try Set(peers) == Set(scene.connections.map { try $0.local.description }))
            let status = try WeirBinary.run("drain", "--status", "--admin", scene.family.admin.description)
            #expect(status.end == .exited(0) && status.outputText.contains("hello"), "\(status.outputText)")
            #expect(try scene.newest.ask("DELETE", "/v1/drain?interface=demo.Greeter&method=hello").status == 200)
            #expect(try scene.statuses() == [20, 20])
            try scene.stop()
        }

        @Test("Limits that are put, and those of reloaded files, are in force in all processes, in the same windows")
        func limits() throws {
            let folder = try TemporaryFolder()
            let config = try folder.file("weir.yaml", text: "limits: []\n")
            let scene = try Scene(["--config", config])
            let text = "limits: [{name: one, limit: 1, window: 1h, match: {method: hello}}]"
            #expect(try scene.newest.ask("PUT", "/v1/limits", text).status == 200)
            // One call may pass, in whichever process.
            #expect(try scene.statuses() == [20, 100])
            #expect(try scene.statuses() == [100, 100])
            #expect(try scene.statuses(method: "other") == [20, 20])
            let metrics = try scene.newest.metrics()
            #expect(metrics.sum("weir_limit_decisions_total", ["limit": "one", "decision": "rejected"]) == 3)
            #expect(metrics.sum("weir_limit_decisions_total", ["limit": "one", "decision": "allowed"]) == 1)
            #expect(try scene.newest.ask("POST", "/v1/reload").status == 200)
            #expect(try scene.statuses() == [20, 20])
            _ = try folder.file("limits.yaml", text: "limits: [{name: two, limit: 3, window: 1h}]\n")
            _ = try folder.file("weir.yaml", text: "limits: [limits.yaml]\n")
            try eventually("the files are read again") { try scene.newest.get("/v1/limits").text.contains("two") }
            try eventually("the limit holds in all processes") { try scene.statuses() == [100, 100] }
            let decided = try scene.newest.metrics()
            #expect(decided.sum("weir_limit_decisions_total", ["limit": "two", "decision": "allowed"]) == 3)
            try scene.stop()
        }

        @Test("Drains and limits that were set over the API go over to the successor")
        func handedOver() throws {
            let provider = try EchoProvider()
            defer { provider.stop() }
            let family = try TakeoverFamily(provider, [])
            let old = try family.start()
            let open = try Connection(to: family.listen)
            try open.call(1)
            #expect(try old.ask("POST", "/v1/drain?grace=1h&deadline=2h&signal=none&reason=because").status == 200)
            let text = "limits: [{name: put, limit: 7, window: 1s}]"
            #expect(try old.ask("PUT", "/v1/limits", text).status == 200)
            let new = try family.start("--takeover")
            try Scene.taken(old)
            let report = try #require(try new.get("/v1/drain").json as? [String: Any])
            let drain = try #require((report["drains"] as? [[String: Any]])?.first)
            #expect(drain["reason"] as? String == "because" && drain["grace_seconds"] as? Double == 3600)
            #expect(drain["deadline_seconds"] as? Double == 7200 && drain["stage"] as? String == "grace")
            #expect(try new.get("/readyz").status == 503)
            let limits = try new.get("/v1/limits").text
            #expect(limits.contains("\"put\"") && limits.contains("until the next reload"))
            // What is undone there is undone in the process that handed it over.
            #expect(try new.ask("DELETE", "/v1/drain").status == 200)
            #expect(try new.get("/readyz").status == 200)
            let last = try family.start("--takeover")
            try Scene.taken(new)
            #expect(try last.get("/v1/drain").text.contains("\"drains\":[]"))
            #expect(try last.get("/readyz").status == 200)
            #expect(try last.get("/v1/limits").text.contains("\"put\""))
            #expect(try last.stop() == .exited(0))
            for weir in [old, new] { #expect(try weir.process.wait() == .exited(0), "\(weir.process.errorText)") }
        }

        @Test("Connections and operations of all processes are listed, and calls on them are shown to viewers")
        func listed() throws {
            let scene = try Scene()
            let list = try #require(try scene.newest.get("/v1/connections").json as? [[String: Any]])
            let peers = list.compactMap { $0["peer"] as? String }
            #expect(try Set(peers) == Set(scene.connections.map { try $0.local.description }))
            #expect(list.allSatisfy { $0["protocol"] as? String == "dubbo" && $0["side"] as? String == "provider" })
            let operations = try #require(try scene.newest.get("/v1/operations").json as? [[String: Any]])
            let hello = operations.first { $0["method"] as? String == "hello" }
            #expect(hello?["calls"] as? Int == 2)
            let viewer = try Connection(to: scene.family.admin)
            try viewer.write(Array("GET /v1/calls?method=seen HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            var bytes: [UInt8] = []
            try eventually("calls of every process are seen") {
                #expect(try scene.statuses(method: "seen") == [20, 20])
                guard try viewer.readSome(into: &bytes) == nil else { throw Failure("the viewer was cut off") }
                let text = String(decoding: bytes, as: UTF8.self)
                return try scene.connections.allSatisfy { text.contains(try $0.local.description) }
            }
            #expect(!String(decoding: bytes, as: UTF8.self).contains("hello"))
            // However many there are, each costs what the first did: the stack of who hears of them is small.
            for number in 0..<6000 {
                #expect(try scene.status(scene.connections[number % 2], method: "seen") == 20)
                bytes.removeAll(keepingCapacity: true)
                guard try viewer.readSome(into: &bytes) == nil else { throw Failure("the viewer was cut off") }
            }
            try scene.stop()
        }

        @Test("One that is told to stop has the others stop, and waits for them within its own grace")
        func stops() throws {
            let scene = try Scene(["--set", "drain.deadline=60s"])
            scene.newest.process.send(SIGTERM)
            // Consumers are told on the connections of every process that the service goes.
            for connection in scene.connections {
                let event = try connection.readFrame()
                #expect(event[2] & 0x20 != 0, "\(event.prefix(16))")
                connection.close()
            }
            for weir in scene.old + [scene.newest] {
                #expect(try weir.process.wait() == .exited(0), "\(weir.process.errorText)")
            }
        }
    }
}
