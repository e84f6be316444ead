import Calls
import Foundation
import Inspection
import Policy
import Relay
import Telemetry
import TestSupport
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Drain signals", .timeLimit(.minutes(10)))
    struct DrainSignalTests {
        private static let grace: UInt64 = 60_000_000_000

        /// The service is drained from now on.
        private func drain(_ drains: DrainRegistry, _ harness: Harness, grace: UInt64 = grace) {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let now = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
            drains.begin(DrainOrder(target: .service, now: now, grace: grace, deadline: grace + Self.grace))
            harness.relay.drainsChanged()
        }

        @Test("the signals are those of the metric") func metric() {
            let metric = MetricCatalog.all.first { $0.family.name == "weir_drain_signals" }
            #expect(metric?.labels.first?.values == DrainSignal.allCases.map(\.label.description))
        }

        @Test("HTTP/1: the next response says that it is the last, and both ends are closed in order")
        func http() async throws {
            let listener = try TestListener()
            let drains = DrainRegistry()
            let harness = try Harness(to: listener, drains: drains)
            let (client, server) = try harness.pair(listener)
            let request = Array("GET /a HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            let response = Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".utf8)
            try client.write(request)
            #expect(try server.read(exactly: request.count) == request)
            try server.write(response)
            #expect(try client.read(exactly: response.count) == response)
            drain(drains, harness)
            try client.write(request)
            #expect(try server.read(exactly: request.count) == request)
            try await eventually("the worker has heard of the drain") {
                // It hears of it before it is asked for its connections.
                await harness.relay.connections().count == 1
            }
            try server.write(response)
            let end = client.readToEnd()
            let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
            #expect(String(decoding: end.bytes, as: UTF8.self) == last && end.end == .closed)
            client.close()
            #expect(server.readToEnd().bytes.isEmpty)
            try await harness.waitForConnections(0)
            #expect(drains.count(of: .connectionClose) == 1)
            await harness.stop()
        }

        @Test("Dubbo: open and new connections are told, the answer goes no further, and the undoing is told")
        func dubbo() async throws {
            let listener = try TestListener()
            let drains = DrainRegistry()
            let harness = try Harness(to: listener, drains: drains)
            let call = DubboFrames.call
            let (client, server) = try harness.pair(listener)
            try client.write(call.request)
            #expect(try server.read(exactly: call.request.count) == call.request)
            drain(drains, harness)
            let event = try client.read(exactly: 18)
            #expect(event[..<4] == [0xda, 0xbb, 0xa2, 0] && event[11] & 1 == 1)
            #expect(event[12...] == [0, 0, 0, 2, 1, 0x52])
            // What dubbo-go says to it.
            try client.write([0xda, 0xbb, 0x22, 20] + event[4..<12] + [0, 0, 0, 2, 0x4e, 0x4e])
            try client.write(call.request)
            #expect(try server.read(exactly: call.request.count) == call.request)
            let newcomer = try harness.pair(listener)
            try newcomer.client.write(call.request)
            #expect(try newcomer.server.read(exactly: call.request.count) == call.request)
            #expect(try newcomer.client.read(exactly: 18).suffix(2) == [1, 0x52])
            drains.end(.service)
            harness.relay.drainsChanged()
            for socket in [client, newcomer.client] {
                #expect(try socket.read(exactly: 18).suffix(2) == [1, 0x57])
            }
            #expect(!server.poll(POLLIN, milliseconds: 50))
            await harness.stop()
        }

        @Test("Dubbo: undone, who stays away is closed in order, and who calls again or never called is left alone")
        func recalled() async throws {
            let listener = try TestListener()
            let drains = DrainRegistry()
            let harness = try Harness(to: listener, drains: drains)
            let call = DubboFrames.call
            func exchange(_ pair: (client: TestSocket, server: TestSocket)) throws {
                try pair.client.write(call.request)
                #expect(try pair.server.read(exactly: call.request.count) == call.request)
                try pair.server.write(call.reply)
                #expect(try pair.client.read(exactly: call.reply.count) == call.reply)
            }
            let (away, back, silent) = (
                try harness.pair(listener), try harness.pair(listener), try harness.pair(listener)
            )
            try exchange(away)
            try exchange(back)
            let heartbeat: [UInt8] = [0xda, 0xbb, 0xe2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0x4e]
            try silent.client.write(heartbeat)
            #expect(try silent.server.read(exactly: heartbeat.count) == heartbeat)
            drain(drains, harness)
            for pair in [away, back, silent] { #expect(try pair.client.read(exactly: 18).suffix(2) == [1, 0x52]) }
            drains.end(.service)
            harness.relay.drainsChanged()
            for pair in [away, back, silent] { #expect(try pair.client.read(exactly: 18).suffix(2) == [1, 0x57]) }
            try exchange(back)
            let end = away.client.readToEnd()
            #expect(end.bytes.isEmpty && end.end == .closed)
            #expect(away.server.readToEnd().end == .closed)
            away.client.close()
            #expect(drains.recalledConnections == 1)
            try exchange(back)
            #expect(!silent.client.poll(POLLIN, milliseconds: 1))
            try await harness.waitForConnections(2)
            await harness.stop()
        }

        @Test("a relay that is to end takes new connections in the grace, though none is left, and none later")
        func newcomers() async throws {
            let listener = try TestListener()
            let drains = DrainRegistry()
            let harness = try Harness(to: listener, drains: drains)
            let relay = harness.relay
            let call = DubboFrames.call
            let first = try harness.pair(listener)
            try await harness.waitForConnections(1)
            drain(drains, harness)
            // The workers have heard of it before the connection ends: what is asked of them is answered in order.
            let drained = Task.immediate { await relay.drain(within: Self.grace) }
            try await harness.waitForConnections(1)
            first.client.close()
            first.server.close()
            try await harness.waitForConnections(0)
            for _ in 0..<3 {
                let (client, server) = try harness.pair(listener)
                try client.write(call.request)
                #expect(try server.read(exactly: call.request.count) == call.request)
                client.close()
                server.close()
                try await harness.waitForConnections(0)
            }
            drain(drains, harness, grace: 0)
            await drained.value
            #expect(throws: SocketError.self) { try harness.connect() }
        }

        @Test("who asks something while its connection is ended is reset, and who does not is not")
        func unheard() async throws {
            let listener = try TestListener()
            let drains = DrainRegistry()
            let harness = try Harness(to: listener, drains: drains)
            let call = DubboFrames.call
            let pairs = try (0..<2).map { _ in try harness.pair(listener) }
            for pair in pairs {
                try pair.client.write(call.request)
                #expect(try pair.server.read(exactly: call.request.count) == call.request)
                try pair.server.write(call.reply)
                #expect(try pair.client.read(exactly: call.reply.count) == call.reply)
            }
            drain(drains, harness, grace: 0)
            for pair in pairs { #expect(pair.client.readToEnd().end == .closed) }
            try pairs[0].client.write(call.request)
            // Errors and the end of both directions are told without being asked for.
            try await eventually("a reset") { pairs[0].client.poll(0, milliseconds: 1) }
            try await harness.waitForConnections(0)
            #expect(!pairs[1].client.poll(0, milliseconds: 1))
            await harness.stop()
        }

        @Test("Dubbo: what comes after the grace is refused, and what is idle then is closed")
        func rejected() async throws {
            let listener = try TestListener()
            let drains = DrainRegistry()
            let harness = try Harness(to: listener, drains: drains)
            let call = DubboFrames.call
            let (client, server) = try harness.pair(listener)
            try client.write(call.request)
            #expect(try server.read(exactly: call.request.count) == call.request)
            drain(drains, harness, grace: 0)
            #expect(try client.read(exactly: 18).suffix(2) == [1, 0x52])
            var other = call.request
            other[11] ^= 2
            try client.write(other)
            let refusal = try client.read(exactly: 16)
            #expect(refusal[2...3] == [2, 100] && refusal[4..<12] == other[4..<12])
            _ = try client.read(exactly: Int(refusal[15]))
            try server.write(call.reply)
            // The call in flight is answered first.
            let end = client.readToEnd()
            #expect(
                end.end == .closed && end.bytes.suffix(1) == call.reply.suffix(1) && end.bytes.count >= call.reply.count
            )
            #expect(server.readToEnd().bytes.isEmpty)
            await harness.stop()
        }
    }
}
