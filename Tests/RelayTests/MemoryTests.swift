import Calls
import Foundation
import Inspection
import Relay
import Synchronization
import Telemetry
import Testing
import Wire

extension RelaySocketTests {
    /// Each in a process of its own, whose memory is the relay's and little else's.
    @Suite("Memory", .timeLimit(.minutes(10)), .enabled(if: !ThisProcess.isSanitized))
    struct MemoryTests {
        @Test("64 MiB each way past slow readers take little memory")
        func slowReaders() async {
            await #expect(processExitsWith: .success) {
                let (up, down) = (Pattern(seed: 1), Pattern(seed: 2))
                let total = 64 << 20
                let listener = try TestListener(receiveBuffer: 65_536)
                let harness = try Harness(to: listener)
                let client = try harness.connect(receiveBuffer: 65_536)
                let server = try listener.accept()
                try client.write([1])
                _ = try server.read(exactly: 1)
                let before = ThisProcess.residentBytes()
                let highest = Mutex(0)
                let jobs = [(client, up, server), (server, down, client)].flatMap { source, pattern, sink in
                    [
                        Background {
                            var at = 0
                            while at < total {
                                let piece = pattern.bytes(at: at, count: total - at)
                                try source.write(piece)
                                at += piece.count
                            }
                        },
                        Background {
                            var at = 0
                            while at < total {
                                let bytes = try sink.readSome(100_000)
                                guard !bytes.isEmpty, pattern.matches(bytes, at: at) else {
                                    throw SocketError("other bytes at \(at)", 0)
                                }
                                // Slow: the writer is always ahead.
                                if at >> 20 != (at + bytes.count) >> 20 {
                                    usleep(5000)
                                    let resident = ThisProcess.residentBytes()
                                    highest.withLock { $0 = max($0, resident) }
                                }
                                at += bytes.count
                            }
                        },
                    ]
                }
                for job in jobs { try job.value() }
                let growth = highest.withLock { $0 } - before
                // Two reads in queues, and what the four threads of this test need.
                #expect(growth < 8 << 20, "grew by \(growth)")
                await harness.stop()
            }
        }

        @Test("10,000 idle connections, half of which carried calls, take at most 2 KiB each")
        func idleConnections() async throws {
            // The relay is alone in a process; the peers are here, so that each side needs two descriptors a pair.
            let limit = ThisProcess.wantDescriptors(20_200)
            let count = min(10_000, (Int(limit) - 200) / 2)
            let upstream = try TestListener()
            let control = try TestListener()
            let peers = Background { try Self.playPeers(count, upstream, control) }
            let ports = [upstream.endpoint.port, control.endpoint.port]
            await #expect(processExitsWith: .success) { [ports = ports as [UInt16]] in
                _ = ThisProcess.wantDescriptors(20_200)
                let harness = try Harness(to: .fixed(.loopback(ports[0])))
                let control = try TestSocket.connect(to: .loopback(ports[1]))
                let port = harness.address.port
                try control.write([UInt8(port >> 8), UInt8(port & 0xff)])
                // One byte asks for a look at the memory; the end ends.
                while case let asked = try control.readSome(1), let expected = asked.first {
                    try await eventually("connections") {
                        let open = await harness.metrics().connections.reduce(0) { $0 + $1.open }
                        return expected == 0 ? open <= 1 : open > 1
                    }
                    _ = await harness.metrics()
                    let text = String(ThisProcess.residentBytes())
                    try control.write(Array((text + "\n").utf8))
                }
                await harness.stop()
            }
            let (perPair, left) = try peers.value()
            print(
                "memory of an idle connection pair: \(perPair) bytes (\(count) pairs); left afterwards: \(left) bytes"
            )
            #expect(perPair <= 2048)
        }

        /// Opens the connections and asks the relay's process for its memory: what a pair takes, and what stays.
        private static func playPeers(
            _ count: Int,
            _ upstream: TestListener,
            _ control: TestListener
        ) throws -> (perPair: Int, left: Int) {
            let relay = try control.accept()
            let port = try relay.read(exactly: 2).reduce(0) { $0 << 8 | UInt16($1) }
            let call = DubboFrames.call
            func memory(open: Bool) throws -> Int {
                try relay.write([open ? 1 : 0])
                var text: [UInt8] = []
                while text.last != 10 { text += try relay.read(exactly: 1) }
                return Int(String(decoding: text.dropLast(), as: UTF8.self)) ?? 0
            }
            func open(withCall: Bool) throws -> (TestSocket, TestSocket) {
                let client = try TestSocket.connect(to: .loopback(port))
                let server = try upstream.accept()
                guard withCall else { return (client, server) }
                try client.write(call.request)
                _ = try server.read(exactly: call.request.count)
                try server.write(call.reply)
                _ = try client.read(exactly: call.reply.count)
                return (client, server)
            }
            // What the first connection of a process brings with it is not a matter of pairs.
            _ = try open(withCall: true)
            let before = try memory(open: false)
            var pairs = try (0..<count).map { try open(withCall: $0 % 2 == 0) }
            let after = try memory(open: true)
            for (client, server) in pairs {
                client.reset()
                server.reset()
            }
            pairs = []
            let left = try memory(open: false) - before
            relay.close()
            return ((after - before) / count, left)
        }

        @Test("connections that come and go leave nothing behind")
        func comeAndGo() async {
            await #expect(processExitsWith: .success) {
                let listener = try TestListener()
                let harness = try Harness(to: listener)
                let call = DubboFrames.call
                func round() async throws {
                    for _ in 0..<4 {
                        var pairs: [(client: TestSocket, server: TestSocket)] = []
                        for number in 0..<250 {
                            let pair = try harness.pair(listener)
                            pairs.append(pair)
                            guard number % 2 == 0 else { continue }
                            try pair.client.write(call.request)
                            _ = try pair.server.read(exactly: call.request.count)
                            // Some are left without an answer.
                            guard number % 3 != 0 else { continue }
                            try pair.server.write(call.reply)
                            _ = try pair.client.read(exactly: call.reply.count)
                        }
                        for (number, pair) in pairs.enumerated() {
                            if number % 5 == 0 { pair.client.close() } else { pair.client.reset() }
                            pair.server.reset()
                        }
                        try await harness.waitForConnections(0)
                    }
                }
                for _ in 0..<10 { try await round() }
                let before = ThisProcess.residentBytes()
                for _ in 0..<90 { try await round() }
                let growth = ThisProcess.residentBytes() - before
                #expect(growth < 1 << 20, "grew by \(growth)")
                let open = await harness.metrics().connections.reduce(0) { $0 + $1.open }
                #expect(open == 0)
                await harness.stop()
            }
        }
    }
}
