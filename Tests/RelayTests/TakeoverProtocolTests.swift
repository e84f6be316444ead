import Calls
import Foundation
import Relay
import Synchronization
import TestSupport
import Testing
import Wire

extension RelaySocketTests {
    /// What the two processes of a takeover do when the other one does not keep to the protocol.
    @Suite("Takeover protocol", .timeLimit(.minutes(10)))
    struct TakeoverProtocolTests {
        /// A server that offers a listener as often as said.
        final class Offer: Sendable {
            let listener: TestListener
            let server: TakeoverServer
            let events: Told

            final class Told: Sendable {
                let failures = Mutex<[TakeoverError]>([])
                let isTakenOver = Mutex(false)
            }

            init(_ count: Int = 1, silence: Int32 = 30_000) throws {
                let listener = try TestListener()
                let events = Told()
                var timeouts = TakeoverServer.Timeouts()
                timeouts.requestMilliseconds = silence
                timeouts.readyMilliseconds = silence
                self.listener = listener
                self.events = events
                server = try TakeoverServer(port: listener.endpoint.port, timeouts: timeouts) { () throws(RelayError) in
                    (0..<count).compactMap { _ in ListeningSocket(duplicating: listener.descriptor, kind: .admin) }
                } onEvent: { event in
                    switch event {
                    case .failed(let error): events.failures.withLock { $0.append(error) }
                    case .leaving: break
                    case .takenOver: events.isTakenOver.withLock { $0 = true }
                    }
                }
            }

            var port: UInt16 { listener.endpoint.port }
            var isTakenOver: Bool { events.isTakenOver.withLock { $0 } }
            var failures: [TakeoverError] { events.failures.withLock { $0 } }

            /// Whether one that keeps to the protocol is served.
            func isWell() throws -> Bool {
                guard let takeover = try Takeover.begin(port: port) else { return false }
                try takeover.finish()
                takeover.confirm()
                for _ in 0..<6000 where !isTakenOver { usleep(10_000) }
                return isTakenOver
            }
        }

        private static let hello = "weir-takeover 2"

        @Test("Nobody to take over from is no error")
        func nobody() throws {
            #expect(try Takeover.begin(port: TestListener().endpoint.port) == nil)
        }

        @Test("Many sockets come in several messages, and too many not at all", arguments: [1, 64, 65, 256, 257, 0])
        func many(_ count: Int) async throws {
            let before = try ThisProcess.openDescriptors()
            do {
                let offer = try Offer(count)
                if 1...256 ~= count {
                    let takeover = try #require(try Takeover.begin(port: offer.port))
                    #expect(takeover.sockets.count == count)
                    #expect(takeover.sockets.allSatisfy { $0.kind == .admin && $0.address == offer.listener.endpoint })
                    try takeover.finish()
                    #expect(try Takeover.begin(port: offer.port) == nil)
                    takeover.confirm()
                } else {
                    #expect(throws: TakeoverError.refused("sockets")) { try Takeover.begin(port: offer.port) }
                    try await eventually("an event") { offer.failures == [.tooManySockets(count)] }
                }
                await offer.server.stop()
            }
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
        }

        @Test("Every kind and side arrives as it was sent")
        func kinds() async throws {
            let listener = try TestListener(.loopback6())
            let kinds: [ListeningSocket.Kind] = [.relay(.provider), .relay(.consumer), .admin, .metrics]
            let server = try TakeoverServer(port: listener.endpoint.port) { () throws(RelayError) in
                kinds.compactMap { ListeningSocket(duplicating: listener.descriptor, kind: $0) }
            } onEvent: { _ in
            }
            let takeover = try #require(try Takeover.begin(port: listener.endpoint.port))
            #expect(takeover.sockets.map(\.kind) == kinds)
            #expect(takeover.sockets.allSatisfy { $0.address == listener.endpoint })
            // One that is being stopped has no need to be told.
            await server.stop()
            try takeover.finish()
        }

        @Test("A version that is not known is refused by name")
        func version() async throws {
            let offer = try Offer()
            let peer = try LocalSocket.connect(port: offer.port)
            peer.send("weir-takeover 3")
            #expect(try peer.receive() == "refused version")
            #expect(try peer.receive() == "")
            try await eventually("it is counted") { offer.server.counts.dropped == 1 }
            #expect(try offer.isWell())
        }

        @Test("A peer that is silent before or after its request is dropped")
        func silence() async throws {
            let offer = try Offer(silence: 50)
            let mute = try LocalSocket.connect(port: offer.port)
            #expect(try mute.receive() == "")
            let idle = try LocalSocket.connect(port: offer.port)
            idle.send(Self.hello)
            #expect(try idle.receive() == "sockets 1 0\nadmin \(offer.listener.endpoint)")
            #expect(try idle.receive() == "memory 0 0" && idle.receive() == "state 0 end 0 0\n")
            #expect(try idle.receive() == "")
            try await eventually("two events") { offer.failures == [.timedOut, .timedOut] }
            await offer.server.stop()
        }

        @Test("Garbage is dropped and counted, and descriptors in it are closed")
        func garbage() async throws {
            let before = try ThisProcess.openDescriptors()
            do {
                let offer = try Offer()
                var random = SeededRandom(seed: 11)
                for round in 0..<200 {
                    let peer = try LocalSocket.connect(port: offer.port)
                    if round % 3 == 0 { peer.send(Self.hello) }
                    let length = [0, 1, 5, 15, 300, 7000, 60_000].randomElement(using: &random) ?? 0
                    let count = [0, 0, 1, 64, 100].randomElement(using: &random) ?? 0
                    let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                    peer.send(bytes, Array(repeating: offer.listener.descriptor, count: count))
                }
                try await eventually("all dropped") { offer.server.counts.dropped == 200 }
                #expect(offer.server.counts.foreign == 0)
                #expect(try offer.isWell())
                await offer.server.stop()
            }
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
        }

        @Test(
            "A predecessor that talks nonsense is not believed",
            arguments: [
                "", "sockets", "sockets 1", "sockets 1 0", "sockets 0 0", "sockets 1 -1\nadmin @",
                "sockets 1 257\nadmin @", "sockets 2 0\nadmin @\nadmin @", "sockets 1 0\nadmin @\n",
                "sockets 1 0\nadmin 127.0.0.1:1", "sockets 1 0\nroot @", "sockets 1 0\nrelay @",
                "sockets 1 0\nrelay provider", "sockets 1 0\nrelay provider @ @", "sockets 1 0\n@", "sockets 1 0\n",
                "sockets one 0\nadmin @", "ready", "bye", String(repeating: "x", count: 10_000),
            ]
        )
        func nonsense(_ text: String) async throws {
            let before = try ThisProcess.openDescriptors()
            do {
                let listener = try TestListener()
                let fake = try LocalSocket.listen(port: listener.endpoint.port)
                let answer = Background {
                    let peer = try fake.accept()
                    #expect(try peer.receive() == Self.hello)
                    let text = text.replacingOccurrences(of: "@", with: "\(listener.endpoint)")
                    peer.send(text, [listener.descriptor])
                }
                #expect(throws: text.isEmpty ? TakeoverError.ended : .protocolViolation) {
                    try Takeover.begin(port: listener.endpoint.port)
                }
                try answer.value()
            }
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
        }

        @Test("Descriptors that are no listening TCP sockets are not taken")
        func wrongDescriptors() throws {
            let listener = try TestListener()
            let fake = try LocalSocket.listen(port: listener.endpoint.port)
            let connected = try TestSocket.connect(to: listener.endpoint)
            for descriptor in [connected.descriptor, fake.descriptor, 0] {
                let answer = Background {
                    let peer = try fake.accept()
                    #expect(try peer.receive() == Self.hello)
                    peer.send("sockets 1 0\nadmin \(listener.endpoint)", [descriptor])
                }
                #expect(throws: TakeoverError.protocolViolation) { try Takeover.begin(port: listener.endpoint.port) }
                try answer.value()
            }
        }

        @Test("A predecessor that gives without end is left", .timeLimit(.minutes(10)))
        func endless() throws {
            let listener = try TestListener()
            let fake = try LocalSocket.listen(port: listener.endpoint.port)
            let answer = Background {
                let peer = try fake.accept()
                #expect(try peer.receive() == Self.hello)
                let text = "sockets 1 1\nadmin \(listener.endpoint)"
                var count = 0
                while count < 1000, peer.send(text, [listener.descriptor]) { count += 1 }
                return count
            }
            #expect(throws: TakeoverError.protocolViolation) { try Takeover.begin(port: listener.endpoint.port) }
            #expect(try answer.value() < 1000)
        }

        @Test("One that dies after its successor is ready has gone; one that only hangs up goes on")
        func lastWord() throws {
            for isDead in [true, false] {
                let listener = try TestListener()
                let port = listener.endpoint.port
                let fake = Mutex<LocalSocket?>(try LocalSocket.listen(port: port))
                let answer = Background {
                    guard let peer = try fake.withLock({ try $0?.accept() }) else { return }
                    peer.send("sockets 1 0\nadmin \(listener.endpoint)", [listener.descriptor])
                    peer.send("memory 0 0")
                    peer.send("state 0 end 0 0\n")
                    #expect(try peer.receive() == Self.hello && peer.receive() == "ready")
                    if isDead { fake.withLock { $0 = nil } }
                }
                let takeover = try #require(try Takeover.begin(port: port))
                if isDead {
                    try takeover.finish()
                } else {
                    #expect(throws: TakeoverError.ended) { try takeover.finish() }
                }
                try answer.value()
            }
        }

        @Test("Nobody else can have the name")
        func name() async throws {
            let offer = try Offer()
            #expect(throws: TakeoverError.self) {
                try TakeoverServer(port: offer.port) { () throws(RelayError) in
                    []
                } onEvent: { _ in
                }
            }
            await offer.server.stop()
            _ = try LocalSocket.listen(port: offer.port)
        }

        // MARK: Other users

        private static let canBeSomebodyElse =
            getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/env") && (try? python("pass")) == ""

        /// What a Python program prints.
        private static func python(_ program: String) throws -> String {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["python3", "-c", program]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw SocketError("python3", 0) }
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }

        @Test("Another user is given nothing", .enabled(if: canBeSomebodyElse))
        func foreignSuccessor() async throws {
            let offer = try Offer()
            let answer = try Self.python(
                """
                import os, socket
                os.setuid(65534)
                peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                peer.connect(b"\\0weir-takeover-\(offer.port)")
                try:
                    peer.send(b"\(Self.hello)")
                    print(peer.recv(100))
                except OSError as error:
                    print("gone")
                """
            )
            #expect(answer == "gone" || answer == "b''")
            #expect(offer.server.counts.foreign == 1 && offer.server.counts.dropped == 0)
            #expect(offer.failures == [.foreignPeer(user: 65534)])
            #expect(try offer.isWell())
        }

        @Test("Nothing is taken from another user", .enabled(if: canBeSomebodyElse))
        func foreignPredecessor() async throws {
            let port = try TestListener().endpoint.port
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [
                "python3", "-c",
                """
                import os, socket, sys
                os.setuid(65534)
                server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                server.bind(b"\\0weir-takeover-\(port)")
                server.listen()
                sys.stdin.read()
                """,
            ]
            let input = Pipe()
            process.standardInput = input
            try process.run()
            defer { process.waitUntilExit() }
            defer { try? input.fileHandleForWriting.close() }
            try await eventually("a refusal") {
                do {
                    return try Takeover.begin(port: port) != nil
                } catch {
                    #expect(error as? TakeoverError == .foreignPeer(user: 65534))
                    return true
                }
            }
        }
    }
}
