import Foundation
import Relay
import Testing
import Wire

extension RelaySocketTests {
    /// What is handed over besides sockets.
    @Suite("Takeover of a state", .timeLimit(.minutes(10)))
    struct TakeoverStateTests {
        private static func server(
            _ listener: TestListener,
            _ state: @escaping @Sendable () -> TakeoverState
        ) throws -> TakeoverServer {
            try TakeoverServer(port: listener.endpoint.port) { () throws(RelayError) in
                [ListeningSocket(duplicating: listener.descriptor, kind: .admin)].compactMap { $0 }
            } state: {
                state()
            } onEvent: { _ in
            }
        }

        private static func node(_ descriptor: Int32) -> UInt64 {
            var status = stat()
            return fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : 0
        }

        @Test("Texts of any size and any number of descriptors arrive", arguments: [0, 1, 64, 65, 320])
        func whole(_ count: Int) async throws {
            let before = try ThisProcess.openDescriptors()
            do {
                let listener = try TestListener()
                let pipes = Pipe()
                let descriptor = pipes.fileHandleForReading.fileDescriptor
                let large = (0..<200_001).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                let texts: [String: [UInt8]] = ["limits": large, "drains": [], "one": [0x0a]]
                let server = try Self.server(listener) {
                    TakeoverState(texts: texts, duplicating: Array(repeating: descriptor, count: count))
                }
                let takeover = try #require(try Takeover.begin(port: listener.endpoint.port))
                let state = try #require(takeover.state)
                #expect(state.texts == texts)
                let descriptors = state.takeDescriptors()
                #expect(descriptors.count == count && !state.hasDescriptors)
                #expect(descriptors.allSatisfy { Self.node($0) == Self.node(descriptor) })
                for descriptor in descriptors { close(descriptor) }
                try takeover.finish()
                await server.stop()
                try pipes.fileHandleForReading.close()
                try pipes.fileHandleForWriting.close()
            }
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
        }

        @Test("A successor of version 1 gets sockets alone, and takes over")
        func oldSuccessor() async throws {
            let listener = try TestListener()
            let server = try Self.server(listener) { TakeoverState(texts: ["limits": [1]]) }
            let peer = try LocalSocket.connect(port: listener.endpoint.port)
            peer.send("weir-takeover 1")
            #expect(try peer.receive() == "sockets 1 0\nadmin \(listener.endpoint)")
            peer.send("ready")
            #expect(try peer.receive() == "bye")
            await server.stop()
        }

        @Test("A predecessor of version 1 is asked for sockets alone")
        func oldPredecessor() throws {
            let listener = try TestListener()
            let fake = try LocalSocket.listen(port: listener.endpoint.port)
            let answer = Background {
                let refused = try fake.accept()
                #expect(try refused.receive() == "weir-takeover 2")
                refused.send("refused version")
                let peer = try fake.accept()
                #expect(try peer.receive() == "weir-takeover 1")
                peer.send("sockets 1 0\nadmin \(listener.endpoint)", [listener.descriptor])
                #expect(try peer.receive() == "ready")
                peer.send("bye")
            }
            let takeover = try #require(try Takeover.begin(port: listener.endpoint.port))
            #expect(takeover.state == nil && takeover.sockets.count == 1)
            try takeover.finish()
            try answer.value()
        }

        @Test(
            "A state that is none is not believed, and descriptors that come with it are closed",
            arguments: [
                ["memory 1 0"], ["memory 0 1"], ["memory 2 0"], ["memory 1 500"], ["memory 1 -1"], ["memory one 0"],
                ["state"],
                ["memory 1 0", "state 0 a 5 0\nab", "state 0 b 5 2\ncde"], ["memory 1 0", "state 0 a 5 1\nab"],
                ["memory 1 0", "state 0 a 99999999999 0\nab"], ["memory 1 0", "ask 0 a 2 0\nab"],
                ["memory 1 0"] + (0..<9).map { "state 0 w\($0) 1 0\nx" }, ["memory 1 0", "bye"], ["memory 1 0", "x"],
                ["memory 1 0", "state 0 a 1 0\nx", "state 0 a 1 0\nx"],
            ]
        )
        func nonsense(_ packets: [String]) async throws {
            let before = try ThisProcess.openDescriptors()
            do {
                let listener = try TestListener()
                let fake = try LocalSocket.listen(port: listener.endpoint.port)
                let answer = Background {
                    let peer = try fake.accept()
                    #expect(try peer.receive() == "weir-takeover 2")
                    peer.send("sockets 1 0\nadmin \(listener.endpoint)", [listener.descriptor])
                    for packet in packets {
                        let withDescriptor = packet.hasPrefix("memory 1") || packet == "memory 2 0"
                        peer.send(packet, withDescriptor ? [listener.descriptor] : [])
                    }
                }
                let expected: [TakeoverError] = [.protocolViolation, .ended]
                do throws(TakeoverError) {
                    _ = try Takeover.begin(port: listener.endpoint.port)
                    Issue.record("believed")
                } catch {
                    #expect(expected.contains(error))
                }
                try answer.value()
            }
            try await eventually("all descriptors closed") { try ThisProcess.openDescriptors() <= before }
        }
    }
}
