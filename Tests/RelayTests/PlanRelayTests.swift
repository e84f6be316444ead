import Calls
import Foundation
import Inspection
import PlanModel
import Relay
import TestSupport
import Testing
import Wire

extension RelaySocketTests {
    @Suite("Plans over sockets", .timeLimit(.minutes(10)))
    struct PlanRelayTests {
        /// A relay whose one connection is edited.
        private struct Edited {
            let listener: TestListener
            let harness: Harness
            let editor: FrameEditor
            let requests: [[UInt8]]
            let replies: [[UInt8]]
            let up: [FrameAction]
            let down: [FrameAction]

            init(
                seed: UInt64,
                copies: Int = 1,
                isModelled: Bool = true,
                receiveBuffer: Int32? = nil,
                backlog: Int32 = 4096,
                _ choices: [FrameAction] = FrameAction.allCases
            ) throws {
                requests = (0..<copies).flatMap { _ in DubboFrames.requests }
                replies = (0..<copies).flatMap { _ in DubboFrames.replies }
                try #require(!requests.isEmpty)
                up = FrameAction.random(requests.count, seed: seed, from: choices)
                down = FrameAction.random(replies.count, seed: ~seed, from: choices)
                let editor = FrameEditor(up: up, down: down, seed: seed, isModelled: isModelled)
                self.editor = editor
                listener = try TestListener(backlog: backlog, receiveBuffer: receiveBuffer)
                harness = try Harness(to: listener, makeSession: { $0.open(side: $1, as: editor) })
            }

            /// What the peer at the end of a direction must get.
            func expected(_ direction: Direction) -> (frames: [[UInt8]], replies: [[UInt8]]) {
                direction == .toUpstream
                    ? FrameEditor.expected(requests, up, answered: down, direction)
                    : FrameEditor.expected(replies, down, answered: up, direction)
            }

            func expectedCount(_ direction: Direction) -> Int {
                let all = expected(direction)
                return (all.frames + all.replies).reduce(0) { $0 + $1.count }
            }

            /// Compares what a peer got with what was to be done to the frames, and with the model.
            func check(_ received: [UInt8], _ direction: Direction) {
                let (frames, rest) = DubboFrames.split(received)
                let expected = expected(direction)
                #expect(rest.isEmpty)
                #expect(frames.filter { !FrameAction.isReply($0) } == expected.frames)
                #expect(frames.filter { FrameAction.isReply($0) } == expected.replies)
                if isModelled { #expect(received == editor.modelled(direction).output) }
            }

            private var isModelled: Bool { editor.modelled(.toUpstream).output.isEmpty == false }
        }

        /// Writes in pieces of random size.
        private static func write(_ frames: [[UInt8]], to socket: TestSocket, seed: UInt64, upTo limit: Int) throws {
            var random = SeededRandom(seed: seed)
            let bytes = frames.flatMap { $0 }
            var at = 0
            while at < bytes.count {
                let end = min(bytes.count, at + Int.random(in: 1...limit, using: &random))
                try socket.write(bytes[at..<end])
                at = end
            }
        }

        @Test("both directions at once, in random pieces, are edited as the model says", arguments: 0..<12)
        func bothDirections(_ seed: Int) async throws {
            let seed = UInt64(seed)
            let edited = try Edited(seed: seed)
            let (client, server) = try edited.harness.pair(edited.listener)
            let limit = [3, 40, 700, 9000, 200_000][Int(seed) % 5]
            let writers = [
                Background { try Self.write(edited.requests, to: client, seed: seed, upTo: limit) },
                Background { try Self.write(edited.replies, to: server, seed: ~seed, upTo: limit) },
            ]
            let (atServer, atClient) = (edited.expectedCount(.toUpstream), edited.expectedCount(.toDownstream))
            let serverReads = Background { try server.read(exactly: atServer) }
            var toClient = try client.read(exactly: atClient)
            var toServer = try serverReads.value()
            for writer in writers { try writer.value() }
            client.shutdownWrite()
            let serverEnd = server.readToEnd()
            server.shutdownWrite()
            let clientEnd = client.readToEnd()
            #expect(serverEnd.end == .closed && clientEnd.end == .closed)
            toServer += serverEnd.bytes
            toClient += clientEnd.bytes
            edited.check(toServer, .toUpstream)
            edited.check(toClient, .toDownstream)
            await edited.harness.stop()
        }

        @Test("frames cut in two at every place are edited as the model says", arguments: FrameAction.allCases)
        func everyCut(_ action: FrameAction) async throws {
            let frames = DubboFrames.requests.filter { $0.count < 240 }.prefix(3)
            let bytes = frames.flatMap { $0 }
            let rounds = bytes.count - 1
            let actions = Array(repeating: [action, .pass, action], count: rounds).flatMap { $0 }
            let expected = zip(frames, actions).flatMap { $1.transform($0) }
            let editor = FrameEditor(up: actions, down: [], seed: 1, isModelled: false)
            let listener = try TestListener()
            let harness = try Harness(to: listener, makeSession: { $0.open(side: $1, as: editor) })
            let (client, server) = try harness.pair(listener)
            let replyBytes = (0..<rounds * 3).map {
                action.isAnswer && $0 % 3 != 1 ? FrameAction.reply(to: $0, .toUpstream).count : 0
            }
            for cut in 1...rounds {
                try client.write(bytes[..<cut])
                try #require(editor.waitUntilReceived((cut - 1) * bytes.count + cut, .toUpstream))
                try client.write(bytes[cut...])
                let received = try server.read(exactly: expected.count)
                try #require(received == expected, "cut at \(cut)")
                _ = try client.read(exactly: replyBytes[(cut - 1) * 3..<cut * 3].reduce(0, +))
            }
            client.close()
            #expect(server.readToEnd().bytes.isEmpty)
            await harness.stop()
        }

        @Test("edits under backpressure lose nothing", arguments: [0, 1, 2])
        func backpressure(_ seed: Int) async throws {
            let edited = try Edited(seed: UInt64(seed), copies: 240, isModelled: false, receiveBuffer: 32_768)
            let client = try edited.harness.connect(receiveBuffer: 32_768)
            let server = try edited.listener.accept()
            let writers = [
                Background { try client.write(edited.requests.flatMap { $0 }) },
                Background { try server.write(edited.replies.flatMap { $0 }) },
            ]
            // Nobody reads until the relay takes no more of either.
            var before: [UInt64] = []
            try await eventually("both directions are held back") {
                let all = await edited.harness.relay.connections()
                let now = all.flatMap { [$0.bytesToUpstream, $0.bytesToDownstream] }
                defer { before = now }
                try await Task.sleep(nanoseconds: 20_000_000)
                return now == before && now.allSatisfy { $0 > 0 }
            }
            #expect(before[0] < edited.requests.reduce(0) { $0 + UInt64($1.count) })
            #expect(before[1] < edited.replies.reduce(0) { $0 + UInt64($1.count) })
            let (atServer, atClient) = (edited.expectedCount(.toUpstream), edited.expectedCount(.toDownstream))
            let serverReads = Background { try server.read(exactly: atServer) }
            let toClient = try client.read(exactly: atClient)
            let toServer = try serverReads.value()
            for writer in writers { try writer.value() }
            edited.check(toServer, .toUpstream)
            edited.check(toClient, .toDownstream)
            client.close()
            #expect(server.readToEnd().end == .closed)
            await edited.harness.stop()
        }

        @Test("what was said before a reset arrives as the model says, and then the reset", arguments: 0..<10)
        func reset(_ seed: Int) async throws {
            var random = SeededRandom(seed: UInt64(seed))
            let edited = try Edited(seed: UInt64(seed))
            let (client, server) = try edited.harness.pair(edited.listener)
            let isClient = seed % 2 == 0
            let direction: Direction = isClient ? .toUpstream : .toDownstream
            let (source, sink) = isClient ? (client, server) : (server, client)
            let bytes = (isClient ? edited.requests : edited.replies).flatMap { $0 }
            let cut = Int.random(in: 1...bytes.count, using: &random)
            try source.write(bytes[..<cut])
            #expect(edited.editor.waitUntilReceived(cut, direction))
            source.reset()
            let (received, end) = sink.readToEnd()
            #expect(end == .reset)
            #expect(received == edited.editor.modelled(direction).output, "seed \(seed), cut at \(cut)")
            try await edited.harness.waitForConnections(0)
            await edited.harness.stop()
        }

        @Test("a half-close drops what is undecided and is passed on after the rest", arguments: 0..<10)
        func halfClose(_ seed: Int) async throws {
            var random = SeededRandom(seed: UInt64(seed))
            let edited = try Edited(seed: UInt64(seed))
            let (client, server) = try edited.harness.pair(edited.listener)
            let bytes = edited.requests.flatMap { $0 }
            let cut = Int.random(in: 1...bytes.count, using: &random)
            try client.write(bytes[..<cut])
            client.shutdownWrite()
            let (received, end) = server.readToEnd()
            #expect(end == .closed)
            #expect(received == edited.editor.modelled(.toUpstream).output, "seed \(seed), cut at \(cut)")
            // The other direction goes on.
            let replies = edited.replies.flatMap { $0 }
            try server.write(replies)
            server.close()
            let (atClient, clientEnd) = client.readToEnd()
            #expect(clientEnd == .closed)
            #expect(atClient == edited.editor.modelled(.toDownstream).output)
            await edited.harness.stop()
        }

        @Test("bytes that come before upstream accepts are edited once it does")
        func pendingConnect() async throws {
            let edited = try Edited(seed: 7, backlog: 0)
            // The queue holds one; the kernel leaves the relay's connection unanswered until there is room.
            let filler = try TestSocket.connect(to: edited.listener.endpoint)
            let client = try edited.harness.connect()
            let bytes = edited.requests.flatMap { $0 }
            try client.write(bytes)
            client.shutdownWrite()
            try await eventually("a pending connection") {
                await edited.harness.relay.connections().first?.isConnecting == true
            }
            #expect(edited.editor.modelled(.toUpstream).output.isEmpty)
            _ = try edited.listener.accept()
            filler.close()
            let server = try edited.listener.accept()
            let (received, end) = server.readToEnd()
            #expect(end == .closed)
            #expect(received == edited.expected(.toUpstream).frames.flatMap { $0 })
            server.close()
            let answers = client.readToEnd()
            #expect(answers.end == .closed)
            #expect(answers.bytes == edited.expected(.toDownstream).replies.flatMap { $0 })
            await edited.harness.stop()
        }
    }
}

extension FrameAction {
    var isAnswer: Bool { self == .answer || self == .answerWhole }
}
