import Calls
import Foundation
import Inspection
import Relay
import Synchronization
import Telemetry
import Testing
import Wire

extension Integration {
    /// Requests of a real client that are refused or changed on their way to a real server.
    @Suite(.serialized) struct GovernedPeerTests {
        @Test(
            "gRPC calls are refused and changed at random, and nothing else is disturbed",
            .enabled(if: PeerProgram.grpc.isThere, PeerProgram.missing(.grpc)),
            .timeLimit(.minutes(10))
        )
        func grpc() async throws {
            let server = try PeerServer(.governed)
            let (governor, relay, counted) = try Self.relay(to: server.address)
            let client = try PeerProgram.governed.client(.loopback(relay.addresses[0].port), ["4000"])
            let end = try client.wait(within: 4 * patience)
            #expect(end == .exited(0), "\(client.outputText) \(client.errorText)")
            let summary = try JSONDecoder().decode(Summary.self, from: Data(client.output))
            let metrics = await counted()
            await relay.drain(within: 0)
            let served = try server.stop()
            let asked = governor.counts.withLock { $0 }
            #expect(summary.problems == [])
            // What was cancelled may have been refused at the same time, or never sent.
            let cancelled = summary.results["cancelled"] ?? 0
            let refused = summary.results["refused"] ?? 0
            #expect(refused > 500 && (refused...refused + cancelled).contains(asked.refused))
            #expect(served["calls"] == asked.asked - asked.refused && served["marked"] == asked.marked)
            #expect(asked.marked > 300)
            #expect(metrics.decodeErrors.isEmpty && metrics.verdictsPartial == 0)
            let limited = metrics.operations.flatMap(\.results).reduce(0) {
                $0 + ($1.outcome == .limited ? $1.count : 0)
            }
            #expect(limited == UInt64(asked.refused))
        }

        @Test(
            "nghttp2 finds nothing wrong with what is refused and changed between its client and its server",
            .enabled(if: isInstalled("h2load") && isInstalled("nghttpd"), "not tested: no h2load or no nghttpd"),
            .timeLimit(.minutes(10)),
            arguments: [
                ["-w", "10", "-W", "11"], ["--header-table-size", "256", "--encoder-header-table-size", "4096"],
            ]
        )
        func nghttp2(_ options: [String]) async throws {
            let folder = try TemporaryFolder()
            guard mkdir(folder.path + "/demo.Files", 0o755) == 0 else { throw Failure(call: "mkdir") }
            _ = try folder.file("demo.Files/get", text: String(repeating: "x", count: 700))
            let server = try HTTPServer(files: folder)
            let (governor, relay, counted) = try Self.relay(to: server.address)
            let message: [UInt8] = [0, 0, 0, 0x1f, 0x40] + [UInt8](repeating: 0x61, count: 8000)
            let body = try folder.file("body", message)
            let large = "x-large: " + String(repeating: "v", count: 2000)
            let report = try LoadReport(
                ["-n", "6000", "-c", "3", "-m", "50", "-d", body, "-H", "content-type: application/grpc", "-H", large]
                    + options + ["http://127.0.0.1:\(relay.addresses[0].port)/demo.Files/get"]
            )
            // A refusal is a whole response of status 200, too, without the file.
            let asked = governor.counts.withLock { $0 }
            #expect(report.numbers["succeeded"] == 6000 && report.numbers["2xx"] == 6000)
            #expect(asked.asked == 6000 && asked.refused > 1000)
            #expect(report.dataBytes == (6000 - asked.refused) * 700)
            let metrics = await counted()
            await relay.drain(within: 0)
            #expect(metrics.decodeErrors.isEmpty && metrics.verdictsPartial == 0)
            let results = metrics.operations.flatMap(\.results).filter { $0.count > 0 }
            #expect(results.map(\.outcome).allSatisfy { $0 == .ok || $0 == .limited })
            #expect(results.reduce(0) { $0 + $1.count } == 6000)
        }

        /// A relay that refuses and changes requests at random, and what asks it for its numbers.
        private static func relay(
            to server: Address
        ) throws -> (RandomGovernor, Relay, @Sendable () async -> MetricsSnapshot) {
            let governor = RandomGovernor()
            var hooks = RelayHooks()
            hooks.makeSession = { inspector, side in
                inspector.rules = governor
                return inspector.open(side: side)
            }
            let listener = ListenerConfiguration(
                side: .provider,
                address: Endpoint(ipv4: 0x7f00_0001, port: 0),
                isDualStack: false,
                destination: .fixed(Endpoint(ipv4: 0x7f00_0001, port: server.port))
            )
            var configuration = RelayConfiguration(listeners: [listener])
            configuration.workers = 1
            let registry = OperationRegistry(capacity: 100)
            let labels = SeriesLabels()
            let relay = try Relay(configuration: configuration, registry: registry, labels: labels, hooks: hooks)
            return (
                governor, relay,
                { MetricsSnapshot(merging: await relay.snapshots().snapshots, registry: registry, labels: labels) }
            )
        }

        private struct Summary: Decodable {
            let results: [String: Int]
            let problems: [String]
        }
    }
}

/// Refuses a third of all requests and marks a fifth, at random but always the same.
private final class RandomGovernor: RequestStage, Sendable {
    struct Counts {
        var asked = 0
        var refused = 0
        var marked = 0
        var state: UInt64 = 7
    }

    let counts = Mutex(Counts())

    func decide(on request: CallRequest) -> Decision {
        counts.withLock { counts in
            counts.asked += 1
            counts.state = counts.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            switch counts.state >> 33 % 15 {
            case 0..<5:
                counts.refused += 1
                return .reply(LocalReply(text: "over the limit: 100 %"))
            case 5..<8:
                counts.marked += 1
                return .insert(key: "X-Weir-Mark", value: "1")
            default: return .forward
            }
        }
    }
}
