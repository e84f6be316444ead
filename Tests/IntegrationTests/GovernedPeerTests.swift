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
            .timeLimit(.minutes(2))
        )
        func grpc() async throws {
            let server = try PeerServer(.governed)
            let governor = RandomGovernor()
            var hooks = RelayHooks()
            hooks.makeSession = { inspector, side in
                inspector.governor = governor
                return inspector.open(side: side)
            }
            let listener = ListenerConfiguration(
                side: .provider,
                address: Endpoint(ipv4: 0x7f00_0001, port: 0),
                isDualStack: false,
                destination: .fixed(Endpoint(ipv4: 0x7f00_0001, port: server.address.port))
            )
            var configuration = RelayConfiguration(listeners: [listener])
            configuration.workers = 1
            let registry = OperationRegistry(capacity: 100)
            let labels = SeriesLabels()
            let relay = try Relay(configuration: configuration, registry: registry, labels: labels, hooks: hooks)
            let client = try PeerProgram.governed.client(.loopback(relay.addresses[0].port), ["4000"])
            let end = try client.wait(within: 100)
            #expect(end == .exited(0), "\(client.outputText) \(client.errorText)")
            let summary = try JSONDecoder().decode(Summary.self, from: Data(client.output))
            let (snapshots, _) = await relay.snapshots()
            let metrics = MetricsSnapshot(merging: snapshots, registry: registry, labels: labels)
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

        private struct Summary: Decodable {
            let results: [String: Int]
            let problems: [String]
        }
    }
}

/// Refuses a third of all requests and marks a fifth, at random but always the same.
private final class RandomGovernor: RequestGovernor, Sendable {
    struct Counts {
        var asked = 0
        var refused = 0
        var marked = 0
        var state: UInt64 = 7
    }

    let counts = Mutex(Counts())

    func verdict(on request: RequestFacts) -> Verdict {
        counts.withLock { counts in
            counts.asked += 1
            counts.state = counts.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            switch counts.state >> 33 % 15 {
            case 0..<5:
                counts.refused += 1
                return .refuse(Refusal(text: "over the limit: 100 %"))
            case 5..<8:
                counts.marked += 1
                return .insert(key: "X-Weir-Mark", value: "1")
            default: return .admit
            }
        }
    }
}
