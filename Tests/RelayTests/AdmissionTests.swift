import Calls
import Foundation
import Inspection
import Relay
import Synchronization
import Telemetry
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Admission", .timeLimit(.minutes(10)))
    struct AdmissionTests {
        /// Connects and expects to be refused with a reset, counted under the reason.
        private static func expectRefusal(_ harness: Harness, _ reason: ConnectionRejectReason, times: Int = 3)
            async throws
        {
            for _ in 0..<times {
                // The reset may come before connect() returns.
                guard let client = try? harness.connect() else { continue }
                #expect(client.readToEnd().end == .reset)
            }
            let refused = await harness.refused(reason)
            #expect(refused == UInt64(times))
            #expect(harness.told.refusals.withLock { $0 } == Array(repeating: reason, count: times))
            try await harness.waitForConnections(0)
        }

        @Test("an upstream that refuses is passed on as a reset and counted")
        func refused() async throws {
            let closed = try TestListener().endpoint
            let harness = try Harness(to: .fixed(closed))
            try await Self.expectRefusal(harness, .connectFailed)
            await harness.stop()
        }

        @Test("an upstream that cannot be reached is passed on as a reset and counted")
        func unreachable() async throws {
            // 255.255.255.255 is no address to connect to: connect() itself fails.
            let harness = try Harness(to: .fixed(Endpoint(ipv4: 0xffff_ffff, port: 9)))
            try await Self.expectRefusal(harness, .connectFailed)
            await harness.stop()
        }

        @Test("an upstream that does not answer is given up after the connect timeout")
        func connectTimeout() async throws {
            let listener = try TestListener(backlog: 0)
            let filler = try TestSocket.connect(to: listener.endpoint)
            let harness = try Harness(to: listener) { $0.connectTimeoutNanoseconds = 200_000_000 }
            let start = Date()
            try await Self.expectRefusal(harness, .connectTimeout, times: 1)
            #expect(Date().timeIntervalSince(start) >= 0.2)
            filler.close()
            await harness.stop()
        }

        @Test("connections above the limit are refused, counted, and welcome again later", arguments: [1, 3])
        func limit(_ workers: Int) async throws {
            let listener = try TestListener()
            let harness = try Harness(to: listener) {
                $0.workers = workers
                $0.maxConnections = 2
            }
            let pairs = try [harness.pair(listener), harness.pair(listener)]
            try await harness.waitForConnections(2)
            for _ in 0..<2 {
                guard let client = try? harness.connect() else { continue }
                #expect(client.readToEnd().end == .reset)
            }
            #expect(await harness.refused(.limit) == 2)
            #expect(listener.isIdle(milliseconds: 0))
            pairs[0].client.close()
            pairs[0].server.close()
            try await harness.waitForConnections(1)
            let (client, server) = try harness.pair(listener)
            try client.write([5])
            #expect(try server.read(exactly: 1) == [5])
            // An optimised build would close them after their last use.
            withExtendedLifetime(pairs) {}
            await harness.stop()
        }

        @Test("a connection made to the listener itself has no original destination")
        func noDestination() async throws {
            for address in [Endpoint.loopback(), .loopback6()] {
                let harness = try Harness(to: .original, at: address)
                try await Self.expectRefusal(harness, .noDestination)
                await harness.stop()
            }
            let harness = try Harness(to: .original, at: Endpoint(high: 0, low: 0, port: 0), isDualStack: true)
            for endpoint in [Endpoint.loopback(harness.address.port), .loopback6(harness.address.port)] {
                guard let client = try? TestSocket.connect(to: endpoint) else { continue }
                #expect(client.readToEnd().end == .reset)
            }
            #expect(await harness.refused(.noDestination) == 2)
            await harness.stop()
        }

        // MARK: Ports

        /// What is on a port already.
        enum Occupant: CaseIterable, Sendable {
            case plain
            case shared
            case relay
            case relayOfSeveralWorkers
        }

        @Test("a port in use cannot be listened on, whoever uses it and however", arguments: Occupant.allCases, [1, 3])
        func portInUse(_ occupant: Occupant, _ workers: Int) async throws {
            let upstream = try TestListener()
            var other: Harness?
            var listener: TestListener?
            switch occupant {
            case .plain: listener = try TestListener()
            case .shared: listener = try TestListener(isShared: true)
            case .relay: other = try Harness(to: upstream)
            case .relayOfSeveralWorkers: other = try Harness(to: upstream) { $0.workers = 3 }
            }
            let address = try #require(listener?.endpoint ?? other?.address)
            #expect(throws: RelayError.cannotListen(address, "Address already in use")) {
                try Harness(to: .fixed(upstream.endpoint), at: address) { $0.workers = workers }
            }
            await other?.stop()
            guard occupant == .relay || occupant == .relayOfSeveralWorkers else { return }
            // Once it has ended the port is free.
            let next = try Harness(to: .fixed(upstream.endpoint), at: address) { $0.workers = workers }
            let (client, server) = try next.pair(upstream)
            client.close()
            #expect(server.readToEnd().end == .closed)
            await next.stop()
        }

        @Test("a relay that cannot have one of its ports leaves the others free")
        func secondPortInUse() async throws {
            let upstream = try TestListener()
            let (taken, free) = (try TestListener(), try TestListener().endpoint)
            var configuration = RelayConfiguration(
                listeners: [free, taken.endpoint].map {
                    ListenerConfiguration(
                        side: .provider,
                        address: $0,
                        isDualStack: false,
                        destination: .fixed(upstream.endpoint)
                    )
                }
            )
            configuration.workers = 3
            #expect(throws: RelayError.cannotListen(taken.endpoint, "Address already in use")) {
                try Harness(configuration)
            }
            #expect(try TestListener(free).endpoint == free)
        }

        @Test("an address that is not ours cannot be listened on")
        func foreignAddress() throws {
            let address = Endpoint(ipv4: 0xc000_0201, port: 0)
            #expect(throws: RelayError.cannotListen(address, "Cannot assign requested address")) {
                try Harness(to: .fixed(.loopback(1)), at: address)
            }
        }

        @Test("two listeners have their own upstreams and sides")
        func twoListeners() async throws {
            let upstreams = try [TestListener(), TestListener()]
            let sides: [Side] = [.provider, .consumer]
            var configuration = RelayConfiguration(
                listeners: zip(upstreams, sides).map {
                    ListenerConfiguration(
                        side: $1,
                        address: .loopback(),
                        isDualStack: false,
                        destination: .fixed($0.endpoint)
                    )
                }
            )
            configuration.workers = 2
            let harness = try Harness(configuration)
            for (number, upstream) in upstreams.enumerated() {
                let client = try TestSocket.connect(to: harness.relay.addresses[number])
                let server = try upstream.accept()
                try client.write([UInt8(number)])
                #expect(try server.read(exactly: 1) == [UInt8(number)])
                let reports = await harness.relay.connections()
                #expect(reports.map(\.side) == [sides[number]])
                client.close()
                #expect(server.readToEnd().end == .closed)
                server.close()
                try await harness.waitForConnections(0)
            }
            await harness.stop()
        }

        // MARK: Descriptors

        @Test("short of descriptors accepting pauses, does not spin, and goes on when there are enough")
        func outOfDescriptors() async {
            await #expect(processExitsWith: .success) {
                _ = ThisProcess.wantDescriptors(400)
                let listener = try TestListener()
                let harness = try Harness(to: listener)
                let (client, server) = try harness.pair(listener)
                let clock = WorkerClock()
                // A few are left below those that the relay keeps free.
                var fillers: [Int32] = []
                while case let filler = dup(listener.descriptor), filler >= 0, filler < 400 - 64 - 4 {
                    fillers.append(filler)
                }
                var waiting: [TestSocket] = []
                while harness.told.pauses.withLock({ $0.isEmpty }) {
                    let next = try harness.connect()
                    try next.write([UInt8(waiting.count)])
                    waiting.append(next)
                    _ = await harness.relay.connections()
                    try #require(waiting.count < 10)
                }
                #expect(harness.told.pauses.withLock { $0 } == ["Too many open files"])
                for _ in 0..<5 {
                    let next = try harness.connect()
                    try next.write([UInt8(waiting.count)])
                    waiting.append(next)
                }
                // It looks again ten times a second; that is all. Who is connected is served.
                #expect(try await clock.isAtRest())
                #expect(await harness.relay.connections().count == waiting.count - 5 + 1)
                try client.write([7])
                #expect(try server.read(exactly: 1) == [7])
                #expect(harness.told.refusals.withLock { $0.isEmpty })
                for filler in fillers { close(filler) }
                var heard: Set<UInt8> = []
                for _ in waiting { heard.formUnion(try listener.accept().read(exactly: 1)) }
                #expect(heard.count == waiting.count)
                await harness.stop()
            }
        }
    }
}
