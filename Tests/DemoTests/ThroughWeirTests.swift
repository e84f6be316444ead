import Calls
import Foundation
import Relay
import Telemetry
import TestSupport
import Testing
import Wire

@testable import Demo

/// The demo as `weir demo` runs it, without the command around it: consumers, the relay, the provider.
@Suite(.timeLimit(.minutes(10)), .serialized) struct ThroughWeirTests {
    /// What was called, under the names that both sides know, and what became of it.
    private struct Key: Hashable, CustomStringConvertible {
        let method: DemoCounts.Method
        let outcome: Outcome

        var description: String {
            "\(method.callProtocol.label) \(method.interface) \(method.method) \(outcome.label)"
        }
    }

    private static func relay(to port: UInt16) throws -> (Relay, OperationRegistry, SeriesLabels) {
        let (registry, labels) = (OperationRegistry(capacity: 1000), SeriesLabels())
        let loopback: UInt32 = 0x7f00_0001
        var configuration = RelayConfiguration(listeners: [
            ListenerConfiguration(
                side: .provider,
                address: Endpoint(ipv4: loopback, port: 0),
                isDualStack: false,
                destination: .fixed(Endpoint(ipv4: loopback, port: port))
            )
        ])
        configuration.workers = 1
        return (try Relay(configuration: configuration, registry: registry, labels: labels), registry, labels)
    }

    @Test("the metrics are what the consumers count, for each protocol, method and outcome", arguments: [300, 900])
    func metrics(callsPerSecond: Int) async throws {
        let provider = try DemoProvider(seed: 5)
        let (relay, registry, labels) = try Self.relay(to: provider.port)
        let port = try #require(relay.addresses.first?.port)
        let consumers = DemoConsumers(address: "127.0.0.1", port: port, callsPerSecond: callsPerSecond, seed: 5)
        consumers.start()
        // Long enough for everything rare to have happened.
        for _ in 0..<12_000 where !CallProtocol.allCases.allSatisfy({ consumers.counts.totalSent(in: $0) > 200 }) {
            try await Task.sleep(nanoseconds: 10_000_000)
        }
        consumers.stop()
        let counts = consumers.counts
        let snapshot = try await Self.lastSnapshot(relay, registry, labels)

        var counted: [Key: UInt64] = [:]
        for report in snapshot.operations {
            let names = report.operation
            let method = DemoCounts.Method(names.callProtocol, interface: names.interface, method: names.method)
            for result in report.results {
                counted[Key(method: method, outcome: result.outcome), default: 0] += result.count
            }
            #expect(report.inFlight == 0, "\(method)")
        }
        var sent: [Key: UInt64] = [:]
        for (method, results) in counts.results {
            for (outcome, count) in results { sent[Key(method: method, outcome: outcome)] = count }
        }
        for key in Set(counted.keys).union(sent.keys) {
            #expect(counted[key] ?? 0 == sent[key] ?? 0, "\(key)")
        }
        #expect(counts.unexpected == 0)
        #expect(counts.connections == 8)
        #expect(snapshot.decodeErrors.allSatisfy { $0.count == 0 })
        #expect(snapshot.uninspectedBytes.allSatisfy { $0.count == 0 })
        for callProtocol in CallProtocol.allCases { #expect(counts.totalSent(in: callProtocol) > 100) }
        let exceptions = snapshot.operations.flatMap { $0.exceptions.map(\.className) }
        #expect(exceptions.contains("com.example.ship.AddressException"))
        #expect(snapshot.operations.contains { $0.operation.method == "follow" && $0.streamedResponses > 20 })
        provider.stop()
        await relay.drain(within: 0)
    }

    /// The numbers when all connections have ended.
    private static func lastSnapshot(
        _ relay: Relay,
        _ registry: OperationRegistry,
        _ labels: SeriesLabels
    ) async throws -> MetricsSnapshot {
        for _ in 0..<24_000 {
            let (recorders, stale) = await relay.snapshots()
            let snapshot = MetricsSnapshot(merging: recorders, registry: registry, labels: labels)
            if stale == 0, snapshot.connections.allSatisfy({ $0.open == 0 }) { return snapshot }
            try await Task.sleep(nanoseconds: 5_000_000)
        }
        throw CancellationError()
    }
}
