import Dubbo
import Foundation
import Testing

extension Integration {
    /// Drains as consumers meet them, over real sockets.
    @Suite(.serialized) struct DrainTests {
        private static let isThere = PeerProgram.drain.isThere

        @Test("The event is Dubbo Java's own, and the consumers of these tests take it as Java and dubbo-go do")
        func reactions() throws {
            let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
            let pcap = try Data(contentsOf: URL(fileURLWithPath: top + "/Goldens/java/dubbo-heartbeat-shutdown.pcap"))
            let start = try #require(pcap.firstRange(of: [0xda, 0xbb, 0xa2, 0x00]))
            let recorded = Array(pcap[start.lowerBound..<start.lowerBound + 18])
            let id = recorded[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            #expect(recorded == FrameWriter.event(.readonly, requestID: id))

            let hex = recorded.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            let run = try ChildProcess.run(PeerProgram.drain.command(["react", hex]))
            struct Reaction: Decodable {
                let available: Bool
                let written: String
            }
            let reactions = try JSONDecoder().decode([String: Reaction].self, from: Data(run.output))
            #expect(reactions["java"]?.available == false && reactions["java"]?.written == "")
            #expect(reactions["go"]?.available == true)
            #expect(reactions["go"]?.written == "dabb2214" + hex.dropFirst(8).prefix(16) + "000000024e4e")
            #expect(reactions["deaf"]?.available == true && reactions["deaf"]?.written == "")
        }

        @Test(
            "A drain under load loses no call of those who obey, and refuses the others so that they go elsewhere",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10))
        )
        func service() throws {
            let stage = try Stage(grace: "1s", deadline: "10m")
            let consumers = try stage.consumers(["java": 70, "go": 70, "deaf": 60])
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
                for (kind, counts) in late {
                    // Who hears nothing and is silent for a quarter of a second, as on a busy machine, is taken to be idle:
                    // its connection may be closed under its next call, which it makes elsewhere.
                    let isLossless = kind == "deaf" || (counts["lost"] == nil && counts["reset"] == nil)
                    #expect(counts["failed"] == nil && isLossless, "\(kind) \(counts)")
                }
                return late["go", default: [:]]["to_a"] == nil && late["deaf", default: [:]]["status_100"] ?? 0 > 0
            }
            // Asked for again it begins anew, with another deadline.
            #expect(try stage.drained.ask("POST", "/v1/drain?grace=0s&deadline=1s").status == 200)
            try eventually("the deadline has passed") { try stage.report()["stage"] == "ended" }
            Thread.sleep(forTimeInterval: 1.5)
            let last = try consumers.mark()
            // At the deadline those are cut who still send, between two calls if it can be.
            for (kind, counts) in last {
                let isLossless = kind == "deaf" || (counts["lost"] == nil && counts["reset"] == nil)
                #expect(counts["failed"] == nil && isLossless, "\(kind) \(counts)")
            }
            let metrics = try stage.drained.metrics()
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "readonly"]) >= 200)
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "closing"]) > 0)
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

        @Test(
            "One interface is drained: dubbo-go leaves, others are refused after the grace, other interfaces stay",
            .enabled(if: isThere, PeerProgram.missing(.drain)),
            .timeLimit(.minutes(10))
        )
        func interface() throws {
            let stage = try Stage(grace: "1s", deadline: "10m")
            let consumers = try stage.consumers(["java": 20, "go": 20])
            let other = try Connection(to: stage.drained.address)
            try other.call(1, interface: "demo.Other")
            #expect(try stage.drain("interface=demo.Greeter&reason=a%20new%20version") == 200)
            #expect(try stage.drained.get("/readyz").status == 200, "the service is not drained")
            try eventually("consumers are refused") {
                try stage.report()["stage"] == "reject" && stage.report()["in_flight"] == "0"
            }
            try other.call(2, interface: "demo.Other")
            try eventually("dubbo-go has left, and Java is refused") {
                Thread.sleep(forTimeInterval: 0.5)
                let late = try consumers.mark()
                for (kind, counts) in late {
                    #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
                }
                return late["go", default: [:]]["to_a"] == nil && late["java", default: [:]]["status_100"] ?? 0 > 0
            }
            let counts: DrainConsumers.Counts = try consumers.stop()
            for (kind, counts) in counts {
                #expect(counts["failed"] == nil && counts["lost"] == nil, "\(kind) \(counts)")
            }
            let metrics = try stage.drained.metrics()
            #expect(metrics.sum("weir_drain_signals_total", ["signal": "readonly"]) == 0)
            let refused = metrics.sum("weir_calls_total", ["outcome": "drained"])
            #expect(
                refused > 0 && metrics.sum("weir_calls_total", ["outcome": "drained", "interface": "demo.Other"]) == 0
            )
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
            #expect(try ask().body.contains("transport is closing"))
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

            init(grace: String, deadline: String) throws {
                providers = [try PeerServer(.drain, "20"), try PeerServer(.drain, "20")]
                drained = try WeirProcess(upstream: providers[0].address, "--workers", "2")
                other = try WeirProcess(upstream: providers[1].address, "--workers", "2")
                times = "grace=\(grace)&deadline=\(deadline)"
            }

            func consumers(_ kinds: [String: Int]) throws -> DrainConsumers {
                try DrainConsumers(drained.address, other.address, kinds)
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
