import Foundation
import Testing

extension Integration {
    /// Programs that speak HTTP and know nothing of calls; needs `h2load`, `nghttpd`, `nghttpx`, `curl`.
    ///
    /// With WEIR_LARGE=1 the requests go into the millions; a release binary should be in WEIR_BINARY then.
    @Suite struct HTTPLoadTests {
        private static let isLarge = ProcessInfo.processInfo.environment["WEIR_LARGE"] == "1"
        private static let canLoad = isInstalled("h2load") && isInstalled("nghttpd")
        private static let canUpgrade = isInstalled("curl") && isInstalled("nghttpx") && isInstalled("nghttpd")

        /// A folder with two files that look like methods.
        private static func files() throws -> TemporaryFolder {
            let folder = try TemporaryFolder()
            guard mkdir(folder.path + "/demo.Files", 0o755) == 0 else { throw Failure(call: "mkdir") }
            _ = try folder.file("demo.Files/small", text: "12345")
            _ = try folder.file("demo.Files/large", (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            return folder
        }

        private static let paths = ["/demo.Files/small", "/demo.Files/large", "/demo.Files/missing"]

        /// How h2load is to go about it.
        struct Load: CustomTestStringConvertible, Sendable {
            let requests: Int
            let connections: Int
            let streams: Int
            /// What each request sends.
            var body = 0
            var isGRPC = true

            var testDescription: String {
                let kind = isGRPC ? "calls" : "plain requests"
                return "\(requests) \(kind), \(connections) x \(streams) at once, \(body) bytes each"
            }

            func arguments(_ server: Address, _ folder: TemporaryFolder) throws -> [String] {
                var arguments = ["-n", "\(requests)", "-c", "\(connections)", "-m", "\(streams)"]
                if isGRPC { arguments += ["-H", "content-type: application/grpc"] }
                if body > 0 {
                    let length = (0..<4).map { UInt8(truncatingIfNeeded: (body - 5) >> (24 - 8 * $0)) }
                    let message = [0] + length + [UInt8](repeating: 0x61, count: body - 5)
                    arguments += ["-d", try folder.file("body", message)]
                }
                return arguments + HTTPLoadTests.paths.map { "http://\(server)\($0)" }
            }
        }

        // Multiples of paths and connections, so that each path has a third: every connection takes them in turn.
        private static let factor = isLarge ? 100 : 1
        static let loads = [
            Load(requests: 24_000 * factor, connections: 4, streams: 100),
            Load(requests: 12_000 * factor, connections: 1, streams: 2000),
            Load(requests: 6000 * factor, connections: 200, streams: 10),
            Load(requests: 600 * factor, connections: 2, streams: 20, body: 100_000),
            Load(requests: 12_000 * factor, connections: 4, streams: 100, isGRPC: false),
        ]

        @Test(
            "h2load gets what it gets without Weir, and each of its requests is a call if it says that it is gRPC",
            .enabled(if: canLoad, "not tested: no h2load or no nghttpd"),
            .timeLimit(.minutes(10)),
            arguments: loads
        )
        func load(_ load: Load) throws {
            let folder = try Self.files()
            let server = try HTTPServer(files: folder)
            let weir = try WeirProcess(upstream: server.address, "--workers", "2")
            let relayed = try LoadReport(load.arguments(weir.address, folder))
            #expect(try relayed == LoadReport(load.arguments(server.address, folder)))
            #expect(relayed.numbers["done"] == load.requests)
            #expect(relayed.numbers["2xx"] == load.requests / 3 * 2)
            #expect(relayed.numbers["4xx"] == load.requests / 3)
            let metrics = try weir.settledMetrics()
            expectNoTrouble(metrics)
            #expect(metrics.connections == [load.isGRPC ? "triple" : "http": load.connections])
            // The file that is not there has a page that says so, and behind it the trailer that says OK.
            let calls = ["small", "large", "missing"].map { CallKey("demo.Files", $0, "ok", "OK") }
            let counted = Dictionary(uniqueKeysWithValues: calls.map { ($0, load.isGRPC ? load.requests / 3 : 0) })
            #expect(differences(metrics.calls(), counted) == [])
            #expect(metrics.sum("weir_call_duration_seconds_count") == (load.isGRPC ? load.requests : 0))
            if load.isGRPC {
                #expect(metrics.sum("weir_request_bytes_total") > load.requests * load.body)
                #expect(metrics.sum("weir_response_bytes_total") > relayed.dataBytes)
            }
            #expect(try weir.stop() == .exited(0))
        }

        @Test(
            "curl comes to HTTP/2 by an upgrade, and the calls that follow are counted",
            .enabled(if: canUpgrade, "not tested: no curl, no nghttpx or no nghttpd"),
            .timeLimit(.minutes(10))
        )
        func upgrade() throws {
            let folder = try Self.files()
            let files = try HTTPServer(files: folder)
            let server = try HTTPServer(before: files.address)
            let weir = try WeirProcess(upstream: server.address)
            for version in ["--http2", "--http1.1"] {
                let runs = try [server.address, weir.address].map { address in
                    let urls = (0..<4).flatMap { _ in Self.paths }.map { "http://\(address)\($0)" }
                    let head = ["curl", "--silent", version, "-H", "content-type: application/grpc"]
                    let said = ["-w", " %{http_version} %{http_code} %{num_connects}\n"]
                    return try ChildProcess.run(head + said + urls)
                }
                #expect(runs[0].end == .exited(0))
                #expect(runs[1].end == .exited(0))
                #expect(runs[0].output == runs[1].output)
                let http = version == "--http2" ? " 2 200 1\n" : " 1.1 200 1\n"
                #expect(runs[1].outputText.contains("12345" + http), "\(version)")
            }
            let metrics = try weir.settledMetrics()
            expectNoTrouble(metrics)
            // The first request of the upgraded connection came as HTTP/1.1, which is no gRPC; so did all of the
            // other's.
            let counted = ["small": 3, "large": 4, "missing": 4].map { (CallKey("demo.Files", $0, "ok", "OK"), $1) }
            #expect(differences(metrics.calls(), Dictionary(uniqueKeysWithValues: counted)) == [])
            #expect(metrics.connections == ["http": 2, "triple": 1])
        }

        @Test(
            "Pipelined HTTP/1.1 of every kind comes back in order, and the calls in it are counted",
            .enabled(if: PeerProgram.jsonrpc.isThere, PeerProgram.missing(.jsonrpc)),
            .timeLimit(.minutes(10))
        )
        func pipelines() throws {
            let server = try PeerServer(.jsonrpc)
            let weir = try WeirProcess(upstream: server.address)
            let rounds = Self.isLarge ? 200 : 20
            var requests = ""
            for number in 0..<rounds {
                let call = #"{"jsonrpc":"2.0","method":"echo","params":["\#(number)"],"id":\#(number)}"#
                let note = #"{"jsonrpc":"2.0","method":"echo","params":[]}"#
                requests += "GET /health HTTP/1.1\r\nHost: a\r\n\r\nHEAD /health HTTP/1.1\r\nHost: a\r\n\r\n"
                for body in [call, note] {
                    requests += "POST /demo.Echo HTTP/1.1\r\nHost: a\r\n"
                    requests += "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
                }
            }
            requests += "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            let answers = try [server.address, weir.address].map { address in
                let connection = try Connection(to: address)
                try connection.write(Array(requests.utf8))
                return try connection.readToEnd().bytes
            }
            #expect(answers[0] == answers[1])
            #expect(answers[0].count > rounds * 200)
            let metrics = try weir.settledMetrics()
            expectNoTrouble(metrics)
            let (ok, oneway) = (CallKey("demo.Echo", "echo", "ok", "OK"), CallKey("demo.Echo", "echo", "oneway", ""))
            #expect(metrics.calls() == [ok: rounds, oneway: rounds])
            #expect(metrics.connections == ["http": 1, "jsonrpc": 1])
        }
    }
}
