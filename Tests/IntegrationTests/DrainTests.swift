import Dubbo
import Foundation
import Testing

extension Integration {
    /// Drains as consumers meet them, over real sockets.
    @Suite(.serialized) struct DrainTests {
        private static let isThere = PeerProgram.drain.isThere

        @Test("The event is Dubbo Java's own, and the consumers of these tests do with each signal what real ones do")
        func reactions() throws {
            let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
            let pcap = try Data(contentsOf: URL(fileURLWithPath: top + "/Goldens/java/dubbo-heartbeat-shutdown.pcap"))
            let start = try #require(pcap.firstRange(of: [0xda, 0xbb, 0xa2, 0x00]))
            let recorded = Array(pcap[start.lowerBound..<start.lowerBound + 18])
            let id = recorded[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            #expect(recorded == FrameWriter.event(.readonly, requestID: id))

            let left = try Reaction.of(recorded)
            #expect(left.filter { !$1.available }.keys.sorted() == ["java", "java27"])
            let answer = "dabb2214" + Reaction.hex(recorded).dropFirst(8).prefix(16) + "000000024e4e"
            #expect(left.filter { $1.written == answer }.keys.sorted() == ["go", "go331"])
            let back = try Reaction.of(recorded, FrameWriter.event(.writeable, requestID: 5))
            #expect(back.filter { !$1.available }.keys.sorted() == ["java27"])

            // Of dubbo-go 3.3.2 everything else in flight is lost.
            let signals = [
                DubboBytes.closingReply(2), DubboBytes.failure(2, "client: Transport is closing"),
                DubboBytes.failure(2, "this provider is being drained"),
            ]
            for (place, signal) in signals.enumerated() {
                let gone = try Reaction.of(signal).filter { !$1.available || $1.lost > 0 || $1.closed }
                #expect(gone.keys.sorted() == (place < 2 ? ["go"] : []))
                #expect(gone["go"].map { $0.lost == 2 && $0.closed } ?? true)
            }
        }

        private struct Reaction: Decodable {
            let available: Bool
            let written: String
            let closed: Bool
            let lost: Int

            /// What a consumer of each kind makes of frames.
            static func of(_ frames: [UInt8]...) throws -> [String: Reaction] {
                let run = try ChildProcess.run(PeerProgram.drain.command(["react"] + frames.map(hex)))
                return try JSONDecoder().decode([String: Reaction].self, from: Data(run.output))
            }

            static func hex(_ bytes: [UInt8]) -> String {
                bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            }
        }

        @Test(
            "A drain under load loses no call of those who obey, and refuses the others so that they go elsewhere",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10))
        )
        func service() throws {
            let stage = try Stage(grace: "1s", deadline: "10m")
            let consumers = try stage.consumers(["java": 40, "java27": 40, "go": 60, "go331": 60])
            try eventually("all connections are in use") {
                try stage.drained.metrics().sum("weir_open_connections", ["protocol": "dubbo"]) == 200
            }
            let before = try consumers.mark()
            for (kind, counts) in before {
                #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
                #expect(counts["to_a", default: 0] > 20, "\(kind) \(counts)")
            }
            #expect(try stage.drain() == 200)
            #expect(try stage.drained.get("/readyz").status == 503)
            try eventually("the grace is over") { try stage.report()["stage"] == "reject" }
            // Who hears nothing is refused, and goes elsewhere; who obeys has left, sooner or later.
            try eventually("those who obey have left") {
                Thread.sleep(forTimeInterval: 1)
                let late = try consumers.mark()
                for (kind, counts) in late { Self.expectNoFailure(kind, counts) }
                let hasJavaLeft = ["java", "java27"].allSatisfy { late[$0, default: [:]]["to_a"] == nil }
                return hasJavaLeft && ["go", "go331"].allSatisfy { late[$0, default: [:]]["status_100"] ?? 0 > 0 }
            }
            // Asked for again it begins anew, with another deadline.
            #expect(try stage.drained.ask("POST", "/v1/drain?grace=0s&deadline=1s").status == 200)
            try eventually("the deadline has passed") { try stage.report()["stage"] == "ended" }
            Thread.sleep(forTimeInterval: 1.5)
            // At the deadline those are cut who still send, between two calls if it can be.
            for (kind, counts) in try consumers.mark() { Self.expectNoFailure(kind, counts) }
            let metrics = try stage.drained.metrics()
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "readonly"]) >= 200)
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "closing"]) == 0)
            #expect(metrics.sum("weir_drain_state") == 3)
            #expect(metrics.sum("weir_calls_total", ["outcome": "unanswered"]) == 0)
            #expect(metrics.sum("weir_decode_errors_total") == 0)

            #expect(try stage.undrain() == 200)
            _ = try consumers.mark()
            try eventually("those who ask again are served again") {
                try stage.drained.metrics().sum("weir_calls_in_flight") > 0
            }
            let after: DrainConsumers.Counts = try consumers.stop()
            for (kind, counts) in after {
                #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
            }
        }

        /// Nothing failed. Who hears nothing and is silent for a quarter of a second, as on a busy machine, is taken to be
        /// idle: its connection may be closed under its next call, which it makes elsewhere.
        private static func expectNoFailure(_ kind: String, _ counts: [String: Int]) {
            let isLossless = kind.hasPrefix("go") || (counts["lost"] == nil && counts["reset"] == nil)
            #expect(counts["failed"] == nil && isLossless, "\(kind) \(counts)")
        }

        @Test(
            "dubbo-go leaves by closing where that is switched on, and nothing in flight is lost",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10)),
            arguments: ["", "interface=demo.Greeter"]
        )
        func closing(_ target: String) throws {
            let stage = try Stage(grace: "10m", deadline: "20m", "--set", "drain.closing=on")
            let consumers = try stage.consumers(["go": 60, "go331": 10])
            try eventually("all connections are in use") {
                try stage.drained.metrics().sum("weir_open_connections", ["protocol": "dubbo"]) == 70
            }
            #expect(try stage.drain("interface=demo.Greeter&method=hello") == 200)
            _ = try consumers.mark()
            Thread.sleep(forTimeInterval: 0.5)
            let ofMethod = try stage.drained.metrics().sum("weir_drain_signals_total", ["signal": "closing"])
            #expect(try ofMethod == 0 && consumers.mark()["go", default: [:]]["to_a", default: 0] > 0)
            #expect(try stage.drain(target) == 200)
            try eventually("dubbo-go 3.3.2 has left, and 3.3.1 is served") {
                Thread.sleep(forTimeInterval: 0.5)
                let counts = try consumers.mark()
                return counts["go", default: [:]]["to_a"] == nil && counts["go331", default: [:]]["to_a"] ?? 0 > 0
            }
            for (kind, counts) in try consumers.stop() as DrainConsumers.Counts {
                #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
            }
            let metrics = try stage.drained.metrics()
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "closing"]) >= 60)
            #expect(metrics.sum("weir_calls_total", ["outcome": "unanswered"]) == 0)
        }

        @Test(
            "One interface is drained: all are refused after the grace and go elsewhere, other interfaces stay",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10)),
            arguments: ["", "&method=hello"]
        )
        func interface(_ method: String) throws {
            let stage = try Stage(grace: "1s", deadline: "10m")
            let consumers = try stage.consumers(["java": 20, "go": 20])
            let other = try Connection(to: stage.drained.address)
            try other.call(1, interface: "demo.Other")
            #expect(try stage.drain("interface=demo.Greeter&reason=a%20new%20version" + method) == 200)
            #expect(try stage.drained.get("/readyz").status == 200, "the service is not drained")
            try eventually("consumers are refused") {
                try stage.report()["stage"] == "reject" && stage.report()["in_flight"] == "0"
            }
            try other.call(2, interface: "demo.Other")
            try eventually("all are refused") {
                Thread.sleep(forTimeInterval: 0.5)
                let late = try consumers.mark()
                for (kind, counts) in late {
                    #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
                }
                return ["java", "go"].allSatisfy { late[$0, default: [:]]["status_100"] ?? 0 > 0 }
            }
            let counts: DrainConsumers.Counts = try consumers.stop()
            for (kind, counts) in counts {
                #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
            }
            let metrics = try stage.drained.metrics()
            #expect(metrics.sum("weir_drain_signals_total") == 0)
            let refused = metrics.sum("weir_calls_total", ["outcome": "drained"])
            #expect(
                refused > 0 && metrics.sum("weir_calls_total", ["outcome": "drained", "interface": "demo.Other"]) == 0
            )
        }

        @Test(
            "The only provider: a drain that tells nothing keeps its grace, where one that tells is an outage at once",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10))
        )
        func sole() throws {
            let stage = try Stage(grace: "10m", deadline: "20m", "--set", "drain.signal=none")
            let consumers = try DrainConsumers([stage.drained.address], ["java": 10, "java27": 10, "go": 10])
            func failures() throws -> [String] {
                Thread.sleep(forTimeInterval: 1)
                return try consumers.mark().filter { $1["failed"] != nil }.keys.sorted()
            }
            try eventually("all connections are in use") {
                try stage.drained.metrics().sum("weir_open_connections", ["protocol": "dubbo"]) == 30
            }
            #expect(try stage.drain() == 200)
            #expect(try failures() == [] && failures() == [])
            #expect(try stage.report()["signal"] == "none")
            #expect(try stage.drained.metrics().sum("weir_drain_signals_total") == 0)
            // As is known of it: this is what the setting is for.
            #expect(try stage.drain("signal=auto") == 200)
            try eventually("Java 3.3.1 has nobody to go to") { try failures() == ["java"] }
            #expect(try stage.drained.ask("POST", "/v1/drain?signal=none&grace=0s&deadline=20m").status == 200)
            try eventually("all are refused") { try failures() == ["go", "java", "java27"] }
            #expect(try stage.undrain() == 200)
            try eventually("all are served again") { try failures() == [] }
        }

        @Test(
            "Undone, a drain has all consumers back: Java from 3.2.1 on by WRITEABLE, older ones on new connections",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10))
        )
        func undone() throws {
            let stage = try Stage(grace: "10m", deadline: "20m")
            let consumers = try stage.consumers(["java": 20, "java27": 20, "go": 10])
            func called() throws -> [String] {
                Thread.sleep(forTimeInterval: 1)
                let counts = try consumers.mark()
                for (kind, counts) in counts { Self.expectNoFailure(kind, counts) }
                return counts.filter { $1["to_a"] != nil }.keys.sorted()
            }
            try eventually("all connections are in use") { try called() == ["go", "java", "java27"] }
            // Once within the grace, on old connections, and once when these have been closed.
            for parameters in ["", "grace=0s"] {
                #expect(try stage.drain(parameters) == 200)
                try eventually("Java has left") { try !called().contains { $0.hasPrefix("java") } }
                let report = try stage.drained.get("/v1/drain").json as? [String: Any]
                let expected = (report?["expected"] as? [[String: String]])?.map { $0["consumers"] ?? "" }
                #expect(
                    expected == ["Dubbo Java from 3.2.1 on", "Dubbo Java before 3.2.1", "other Dubbo consumers"]
                )
                let consumer = try #require((report?["consumers"] as? [[String: Any]])?.first)
                #expect(consumer["address"] as? String == "127.0.0.1" && consumer["application"] as? String != "")
                #expect((consumer["calls_per_second_before"] as? Double ?? 0) > 20, "\(consumer)")
                #expect(
                    consumer["implementation"] as? String == "dubbo-go",
                    "one of those there: they share an address"
                )
                #expect(try stage.undrain() == 200)
                try eventually("all are back") {
                    let kinds = try called()
                    // Of java those whose connections were closed while they were marked look again after a minute.
                    return kinds == ["go", "java", "java27"] || (parameters != "" && kinds == ["go", "java27"])
                }
            }
            let report = try stage.drained.get("/v1/drain").json as? [String: Any]
            #expect(
                report?["recalled_connections"] as? Int ?? 0 > 0 && (report?["consumers"] as? [Any])?.isEmpty == true
            )
            for (kind, counts) in try consumers.stop() as DrainConsumers.Counts { Self.expectNoFailure(kind, counts) }
        }

        @Test(
            "gRPC: calls in flight end well behind GOAWAY, new connections are turned away, health says what is drained",
            .enabled(if: PeerProgram.drained.isThere, PeerProgram.missing(.drained)),
            .timeLimit(.minutes(10))
        )
        func grpc() throws {
            typealias Results = [String: Int]
            let server = try PeerServer(.drained)
            let weir = try WeirProcess(upstream: server.address)
            let client = try LineProgram(.drained, ["call", "\(weir.address.port)"])
            func health() throws -> [Int] {
                let answer: [String: [Int]] = try client.ask("health")
                return answer["health"] ?? []
            }
            #expect(try client.ask("call 20") as Results == ["OK": 20])
            try eventually("healthy") { try health() == [1] }
            #expect(try weir.ask("POST", "/v1/drain", "interface=demo.Other").status == 200)
            #expect(try weir.ask("POST", "/v1/drain", "interface=demo.Drained").status == 200)
            try eventually("not healthy") { try health() == [1, 2] }
            #expect(try client.ask("call 5") as Results == ["OK": 5], "Triple is served all the same")
            #expect(try weir.ask("DELETE", "/v1/drain", "interface=demo.Drained").status == 200)
            try eventually("healthy again") { try health() == [1, 2, 1] }

            #expect(try weir.ask("POST", "/v1/drain", "grace=10m&deadline=20m").status == 200)
            try eventually("it was told") {
                try weir.metrics().sum("weir_drain_signals_total", ["signal": "goaway"]) >= 1
            }
            for _ in 0..<20 { #expect(try client.ask("call 5") as Results == ["OK": 5], "the grace is kept") }
            #expect(try weir.metrics().sum("weir_drain_signals_total", ["signal": "goaway"]) == 1, "a new one")
            #expect(try weir.ask("DELETE", "/v1/drain").status == 200)

            #expect(try client.ask("begin 30") as Results == ["begun": 30])
            try eventually("calls are in flight") { try weir.metrics().sum("weir_calls_in_flight") == 30 }
            #expect(try weir.ask("POST", "/v1/drain", "grace=200ms&deadline=20s").status == 200)
            #expect(try client.ask("end") as Results == ["OK": 30])
            try eventually("new connections are turned away") {
                try client.ask("call 5") as Results == ["UNAVAILABLE": 5]
            }
            #expect(try weir.ask("DELETE", "/v1/drain").status == 200)
            try eventually("it is served again") { try client.ask("call 5") as Results == ["OK": 5] }
            let metrics = try weir.metrics()
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "goaway"]) >= 1)
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "not_serving"]) >= 1)
            #expect(metrics.sum("weir_calls_total", ["outcome": "ok"]) >= 60)
            #expect(metrics.sum("weir_calls_total", ["outcome": "unanswered"]) == 0)
            #expect(metrics.sum("weir_decode_errors_total") == 0)
        }

        @Test(
            "nghttp2's client finds nothing wrong when it is told to go during its load",
            .enabled(if: isInstalled("h2load") && isInstalled("nghttpd"), "not tested: no h2load or no nghttpd"),
            .timeLimit(.minutes(10))
        )
        func nghttp2() throws {
            let folder = try TemporaryFolder()
            _ = try folder.file("file", text: String(repeating: "x", count: 700))
            let server = try HTTPServer(files: folder)
            let weir = try WeirProcess(upstream: server.address)
            let admin = weir.admin
            let drain = Thread {
                for _ in 0..<10 {
                    Thread.sleep(forTimeInterval: 0.1)
                    _ = try? HTTPAnswer.ask("POST", "/v1/drain?grace=20s&deadline=30s", from: admin)
                    _ = try? HTTPAnswer.ask("DELETE", "/v1/drain", from: admin)
                }
            }
            drain.start()
            let report = try LoadReport(
                ["-D", "2", "-c", "4", "-m", "20", "http://127.0.0.1:\(weir.address.port)/file"]
            )
            // A client that was told to go does not come back here; what it had asked for until then was answered. Now and
            // then h2load gives up all that a connection waits for once it may ask for no more; it does so with nghttpx's
            // own graceful end, too.
            let numbers = report.numbers
            #expect(numbers["succeeded", default: 0] > 100 && numbers["2xx"] == numbers["succeeded"], "\(numbers)")
            let givenUp = numbers["failed", default: 0]
            #expect(givenUp <= 80 && givenUp.isMultiple(of: 20) && givenUp == numbers["errored"], "\(numbers)")
            #expect(try weir.metrics().sum("weir_drain_signals_total", ["signal": "goaway"]) >= 4)
            #expect(try weir.metrics().sum("weir_decode_errors_total") == 0)
        }

        @Test(
            "curl is told to close by the answer it gets, and is refused after the grace",
            .enabled(if: isInstalled("curl"), "not tested: no curl")
        )
        func curl() throws {
            let server = try PeerServer(.jsonrpc)
            let weir = try WeirProcess(upstream: server.address)
            func ask() throws -> (headers: String, body: String) {
                let call = #"{"jsonrpc":"2.0","id":1,"method":"echo","params":["x"]}"#
                let url = "http://\(weir.address)/demo"
                let run = try ChildProcess.run(["curl", "-si", "-m", "10", "-d", call, url, url])
                let parts = run.outputText.components(separatedBy: "\r\n\r\n")
                return (parts.first ?? "", parts.dropFirst().first ?? "")
            }
            #expect(try !ask().headers.lowercased().contains("connection: close"))
            #expect(try weir.ask("POST", "/v1/drain", "grace=2s&deadline=20s").status == 200)
            let told = try ask()
            #expect(told.headers.hasPrefix("HTTP/1.1 200") && told.headers.contains("Connection: close"), "\(told)")
            try eventually("refused") { try ask().headers.hasPrefix("HTTP/1.1 503") }
            #expect(try ask().body.contains("this provider is being drained"))
            #expect(try ask().headers.contains("Connection: close"))
        }

        @Test("weir drain waits until nothing is in flight, and says by its exit code when that was not so in time")
        func waits() throws {
            let listener = try Listener()
            let weir = try WeirProcess(upstream: listener.address)
            let client = try Connection(to: weir.address)
            let server = try listener.accept()
            try client.write(DubboBytes.request(7))
            #expect(DubboBytes.id(try server.readFrame()) == 7)
            func run(_ arguments: String...) throws -> (end: ChildProcess.End?, text: String) {
                let run = try ChildProcess.run([WeirBinary.path] + arguments + ["--admin", weir.admin.description])
                return (run.end, run.outputText + run.errorText)
            }
            let late = try run("drain", "--wait", "--grace", "0s", "--deadline", "300ms", "--interface", "demo.Greeter")
            #expect(late.end == .exited(75) && late.text.contains("\"in_flight\":1"), "\(late)")
            try server.write(DubboBytes.reply(7))
            #expect(DubboBytes.id(try client.readFrame()) == 7)
            let inTime = try run("drain", "--status", "--wait")
            #expect(inTime.end == .exited(0) && inTime.text.contains("\"idle\":true"), "\(inTime)")
            #expect(try run("undrain", "--interface", "demo.Greeter").end == .exited(0))
            let again = try run("undrain", "--interface", "demo.Greeter")
            #expect(again.end == .exited(64) && again.text.contains("nothing of that name is drained"), "\(again)")
            #expect(try run("drain", "--method", "hello").end == .exited(64))
            #expect(try run("drain", "--grace", "soon").end == .exited(64))
            #expect(try run("drain", "--signal", "loud").end == .exited(64))
            let forbidden = try run("drain", "--interface", "demo.Greeter", "--reason", "Transport is CLOSING")
            #expect(forbidden.end == .exited(64) && forbidden.text.contains("must not contain"), "\(forbidden)")
        }

        @Test("the application's QOS is asked first, and its answer reported")
        func qos() throws {
            let listener = try Listener()
            let weir = try WeirProcess(
                upstream: listener.address,
                "--set",
                "drain.qos=\(listener.address)"
            )
            let answered = Thread {
                guard let application = try? listener.accept() else { return }
                var head: [UInt8] = []
                while head.suffix(4) != Array("\r\n\r\n".utf8)[...], let next = try? application.read(1) {
                    head += next
                }
                let target = String(decoding: head, as: UTF8.self).split(separator: " ").dropFirst().first ?? ""
                let body = "OK \(target)\n"
                let text = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                try? application.write(Array(text.utf8))
            }
            answered.start()
            #expect(try weir.ask("POST", "/v1/drain", "interface=demo.Greeter").status == 200)
            let report = try weir.get("/v1/drain").text
            #expect(
                report.contains("OK /offline?service=%28.%2A%2F%29%3F%5CQdemo.Greeter%5CE%28%3A.%2A%29%3F"),
                "\(report)"
            )
        }

        /// Two providers, each behind a Weir; the first is drained.
        private final class Stage {
            let providers: [PeerServer]
            let drained: WeirProcess
            let other: WeirProcess
            private let times: String

            init(grace: String, deadline: String, _ arguments: String...) throws {
                providers = [try PeerServer(.drain, "20"), try PeerServer(.drain, "20")]
                drained = try WeirProcess(["--upstream", "\(providers[0].address)", "--workers", "2"] + arguments)
                other = try WeirProcess(upstream: providers[1].address, "--workers", "2")
                times = "grace=\(grace)&deadline=\(deadline)"
            }

            func consumers(_ kinds: [String: Int]) throws -> DrainConsumers {
                try DrainConsumers([drained.address, other.address], kinds)
            }

            func drain(_ parameters: String = "") throws -> Int {
                try drained.ask("POST", "/v1/drain?\(times)&\(parameters)").status
            }

            func undrain(_ parameters: String = "") throws -> Int {
                try drained.ask("DELETE", "/v1/drain?\(parameters)").status
            }

            /// The fields of the first drain.
            func report() throws -> [String: String] {
                let object = try drained.get("/v1/drain").json as? [String: Any]
                let first = (object?["drains"] as? [[String: Any]])?.first ?? [:]
                return first.mapValues { "\($0)" }
            }
        }
    }
}
