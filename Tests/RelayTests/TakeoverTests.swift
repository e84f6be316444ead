import Calls
import Foundation
import Relay
import Synchronization
import Testing
import Wire

/// One process's part in a series of takeovers: a relay, and the server that hands over its sockets.
private final class Generation: Sendable {
    let harness: Harness
    private let server: Mutex<TakeoverServer?>
    let isTakenOver = Mutex(false)

    init(_ configuration: RelayConfiguration, inherited: [ListeningSocket] = []) throws {
        harness = try Harness(configuration, inherited: inherited)
        server = Mutex(nil)
    }

    /// The first of its kind, or one whose predecessor has given up the name.
    func offer(port: UInt16) throws {
        let relay = harness.relay
        let made = try TakeoverServer(port: port) { () throws(RelayError) in
            try relay.listeningSockets()
        } onEvent: { [weak self] event in
            guard case .takenOver = event else { return }
            relay.leave(within: nil)
            Task { await relay.drain(within: 20_000_000_000) }
            self?.isTakenOver.withLock { $0 = true }
        }
        server.withLock { $0 = made }
    }

    var counts: TakeoverServer.Counts? { server.withLock { $0?.counts } }

    /// Waits until it has drained, or ends it.
    func end() async throws {
        if isTakenOver.withLock({ $0 }) { await harness.relay.ended() } else { await harness.stop() }
        await server.withLock { $0 }?.stop()
    }
}

/// Connections that each ask one question; counts the ones that got no answer.
private final class ShortConnections: Sendable {
    private let endpoint: Endpoint
    private let isOver = Atomic<Bool>(false)
    let answered = Atomic<Int>(0)
    private let failures = Mutex<[String]>([])
    private let threads = Mutex<[Background<Void>]>([])

    init(to endpoint: Endpoint, threads count: Int) {
        self.endpoint = endpoint
        threads.withLock { threads in
            threads = (0..<count).map { _ in
                Background { [self] in
                    while !isOver.load(ordering: .relaxed) { ask() }
                }
            }
        }
    }

    private func ask() {
        do {
            let socket = try TestSocket.connect(to: endpoint)
            try socket.write([1, 2, 3, 4])
            guard try socket.read(exactly: 4) == [1, 2, 3, 4] else { throw SocketError("answer", 0) }
            answered.add(1, ordering: .relaxed)
        } catch {
            failures.withLock { $0.append("\(error)") }
        }
    }

    func end() throws -> [String] {
        isOver.store(true, ordering: .relaxed)
        for thread in threads.withLock({ $0 }) { try thread.value() }
        return failures.withLock { $0 }
    }
}

/// An application that gives back the first four bytes of a connection.
private final class EchoApplication: Sendable {
    let listener: TestListener
    private let threads: [Background<Void>]

    init(threads count: Int) throws {
        let listener = try TestListener()
        self.listener = listener
        threads = (0..<count).map { _ in
            Background {
                while let socket = try? listener.accept(milliseconds: 1_000_000) {
                    guard let bytes = try? socket.read(exactly: 4) else { continue }
                    try? socket.write(bytes)
                    _ = socket.readToEnd()
                }
            }
        }
    }

    func end() throws {
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
        for thread in threads { try thread.value() }
    }
}

extension RelaySocketTests {
    @Suite("Takeover", .timeLimit(.minutes(10)))
    struct TakeoverTests {
        private static func configuration(
            to endpoint: Endpoint,
            at addresses: [Endpoint] = [.loopback()],
            workers: Int
        ) -> RelayConfiguration {
            var configuration = RelayConfiguration(
                listeners: addresses.map {
                    ListenerConfiguration(
                        side: .provider,
                        address: $0,
                        isDualStack: false,
                        destination: .fixed(endpoint)
                    )
                }
            )
            configuration.workers = workers
            return configuration
        }

        /// Has as many connections served as there are to be, whoever accepts them.
        private func serve(_ clients: [TestSocket], _ listener: TestListener) throws {
            for _ in clients {
                let server = try listener.accept()
                try server.write([7])
                server.shutdownWrite()
            }
            for client in clients { #expect(client.readToEnd().bytes == [7]) }
        }

        @Test("Twenty takeovers under load lose no connection and no descriptor")
        func load() async throws {
            let application = try EchoApplication(threads: 4)
            let before = try ThisProcess.openDescriptors()
            try await takeOver(twentyTimes: application)
            try application.end()
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
        }

        private func takeOver(twentyTimes application: EchoApplication) async throws {
            let start = Self.configuration(to: application.listener.endpoint, workers: 2)
            var current = try Generation(start)
            let address = current.harness.address
            try current.offer(port: address.port)
            let load = ShortConnections(to: address, threads: 4)
            for round in 0..<20 {
                let goal = load.answered.load(ordering: .relaxed) + 400
                try await eventually("answers") { load.answered.load(ordering: .relaxed) >= goal }
                let takeover = try #require(try Takeover.begin(port: address.port))
                let configuration = Self.configuration(
                    to: application.listener.endpoint,
                    at: [address],
                    workers: [1, 3, 2, 4][round % 4]
                )
                let successor = try Generation(configuration, inherited: takeover.sockets)
                try takeover.finish()
                try successor.offer(port: address.port)
                #expect(!current.isTakenOver.withLock { $0 })
                takeover.confirm()
                let before = current
                try await eventually("it is taken over") { before.isTakenOver.withLock { $0 } }
                try await current.end()
                current = successor
            }
            #expect(try current.harness.relay.listeningSockets().count == 4)
            #expect(try load.end() == [])
            #expect(load.answered.load(ordering: .relaxed) >= 8000)
            try await current.end()
        }

        @Test("Connections that nobody accepted before, during or after it are served by the successor")
        func waiting() async throws {
            let application = try TestListener()
            let predecessor = try TestListener(isShared: true)
            let server = try TakeoverServer(port: predecessor.endpoint.port) { () throws(RelayError) in
                (0..<1).compactMap { _ in
                    ListeningSocket(duplicating: predecessor.descriptor, kind: .relay(.provider))
                }
            } onEvent: { _ in
            }
            var clients = try (0..<10).map { _ in try TestSocket.connect(to: predecessor.endpoint) }
            let takeover = try #require(try Takeover.begin(port: predecessor.endpoint.port))
            clients += try (0..<10).map { _ in try TestSocket.connect(to: predecessor.endpoint) }
            let configuration = Self.configuration(
                to: application.endpoint,
                at: [predecessor.endpoint],
                workers: 1
            )
            let successor = try Harness(configuration, inherited: takeover.sockets)
            clients += try (0..<10).map { _ in try successor.connect() }
            try takeover.finish()
            takeover.confirm()
            clients += try (0..<10).map { _ in try successor.connect() }
            try serve(clients, application)
            await server.stop()
            await successor.stop()
        }

        @Test("A successor may have fewer workers, and more", arguments: [(3, 1), (3, 2), (1, 4), (2, 2)])
        func workers(_ before: Int, _ after: Int) async throws {
            let application = try TestListener()
            let old = try Harness(Self.configuration(to: application.endpoint, workers: before))
            let inherited = try old.relay.listeningSockets()
            #expect(inherited.count == before)
            let configuration = Self.configuration(to: application.endpoint, at: [old.address], workers: after)
            let new = try Harness(configuration, inherited: inherited)
            #expect(new.relay.addresses == [old.address])
            #expect(try new.relay.listeningSockets().count == max(before, after))
            await old.stop()
            // So many that none of the sockets is left out.
            try serve((0..<100).map { _ in try new.connect() }, application)
            await new.stop()
            #expect(throws: SocketError.self) { try new.connect() }
        }

        @Test(
            "Workers share a socket that another user opened, whose port nobody else can",
            .enabled(if: getuid() == 0)
        )
        func otherUser() async throws {
            let predecessor = try Background {
                // The owner of a socket is its thread's user for files, which is this thread's alone.
                let setUser = unsafeBitCast(dlsym(nil, "setfsuid"), to: (@convention(c) (UInt32) -> Int32).self)
                _ = setUser(65534)
                defer { _ = setUser(0) }
                return try TestListener(isShared: true)
            }.value()
            #expect(throws: SocketError.self) { try TestListener(predecessor.endpoint, isShared: true) }
            let application = try TestListener()
            let socket = ListeningSocket(duplicating: predecessor.descriptor, kind: .relay(.consumer))
            let harness = try Harness(
                Self.configuration(to: application.endpoint, at: [predecessor.endpoint], workers: 3),
                inherited: [try #require(socket)]
            )
            #expect(try harness.relay.listeningSockets().count == 3)
            try serve((0..<40).map { _ in try harness.connect() }, application)
            await harness.stop()
        }

        @Test("One that dies before it is ready changes nothing")
        func deadSuccessor() async throws {
            let application = try TestListener()
            let generation = try Generation(Self.configuration(to: application.endpoint, workers: 2))
            let address = generation.harness.address
            try generation.offer(port: address.port)
            let before = try ThisProcess.openDescriptors()
            for isStarted in [false, true, false, true] {
                let takeover = try #require(try Takeover.begin(port: address.port))
                #expect(takeover.sockets.map(\.address) == [address, address])
                #expect(takeover.sockets.allSatisfy { $0.kind == .relay(.provider) })
                guard isStarted else { continue }
                let configuration = Self.configuration(to: application.endpoint, at: [address], workers: 1)
                await (try Harness(configuration, inherited: takeover.sockets)).stop()
            }
            try await eventually("four have died") { generation.counts?.dropped == 4 }
            #expect(generation.counts?.handedOver == 4)
            #expect(!generation.isTakenOver.withLock { $0 })
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
            try serve((0..<20).map { _ in try generation.harness.connect() }, application)
            try await generation.end()
        }

        @Test("What it is not configured for is closed, and what it was not given is opened")
        func otherAddresses() async throws {
            let application = try TestListener()
            let old = try Generation(
                Self.configuration(to: application.endpoint, at: [.loopback(), .loopback()], workers: 2)
            )
            let addresses = old.harness.relay.addresses
            #expect(addresses.count == 2)
            try old.offer(port: addresses[0].port)
            let takeover = try #require(try Takeover.begin(port: addresses[0].port))
            #expect(takeover.sockets.count == 4)
            let new = try Generation(
                Self.configuration(to: application.endpoint, at: [.loopback6(), addresses[0]], workers: 2),
                inherited: takeover.sockets
            )
            try takeover.finish()
            takeover.confirm()
            try await eventually("it is taken over") { old.isTakenOver.withLock { $0 } }
            try await old.end()
            #expect(new.harness.relay.addresses[1] == addresses[0])
            #expect(throws: SocketError.self) { try TestSocket.connect(to: addresses[1]) }
            for address in new.harness.relay.addresses {
                try serve([TestSocket.connect(to: address)], application)
            }
            try await new.end()
        }

        @Test("A relay that has stopped accepting rests, whatever waits in sockets that live on elsewhere")
        func rest() async throws {
            let application = try TestListener()
            let harness = try Harness(Self.configuration(to: application.endpoint, workers: 2))
            let open = try harness.pair(application)
            let sockets = try harness.relay.listeningSockets()
            harness.relay.leave(within: nil)
            try await eventually("no listener") { try harness.relay.listeningSockets().isEmpty }
            let waiting = try (0..<8).map { _ in try harness.connect() }
            #expect(application.isIdle(milliseconds: 50))
            try await eventually("rest") { try await WorkerClock().isAtRest() }
            // Open connections are relayed all the same.
            try open.client.write([1])
            #expect(try open.server.read(exactly: 1) == [1])
            for socket in sockets { socket.close() }
            for client in waiting { #expect(client.readToEnd().end == .reset) }
            await harness.stop()
        }

        @Test("A taken socket belongs to the one who took it")
        func ownership() throws {
            let listener = try TestListener()
            let socket = try #require(ListeningSocket(duplicating: listener.descriptor, kind: .admin))
            #expect(socket.address == listener.endpoint)
            let descriptor = try #require(socket.take())
            #expect(socket.take() == nil)
            socket.close()
            #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
            close(descriptor)
            let connected = try TestSocket.connect(to: listener.endpoint)
            #expect(ListeningSocket(duplicating: connected.descriptor, kind: .admin) == nil)
            #expect(ListeningSocket(duplicating: -1, kind: .admin) == nil)
        }
    }
}
