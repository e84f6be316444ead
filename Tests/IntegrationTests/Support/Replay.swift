import Foundation
import TestSupport
import Testing

/// How the bytes of a send are cut into writes.
enum Segmentation: String, CaseIterable, CustomTestStringConvertible {
    case bytewise
    case random
    case frames
    case atOnce
    /// All requests of a connection in one write before the first reply.
    case requestsFirst

    var testDescription: String { rawValue }
}

/// Plays both sides of a capture through a proxy.
final class Replay {
    /// Both ends of one conversation.
    private struct Ends {
        var client: Connection
        var server: Connection
        /// How far each peer has got, and where the frames in what it says end.
        var clientSent = 0
        var serverSent = 0
        let clientFrames: [Int]
        let serverFrames: [Int]
    }

    private let listener: Listener
    private let proxy: Address
    private let script: Script
    private let segmentation: Segmentation
    private var random: SeededRandom
    private var ends: [Int: Ends] = [:]
    /// Bytes that arrived, both directions together.
    private(set) var relayedBytes = 0

    init(_ script: Script, through proxy: Address, to listener: Listener, _ segmentation: Segmentation, seed: UInt64) {
        self.script = script
        self.proxy = proxy
        self.listener = listener
        self.segmentation = segmentation
        random = SeededRandom(seed: seed)
    }

    /// Plays the script.
    ///
    /// - Parameter before: Called before each step, to wait for what must have happened by then.
    func run(before: (Script.Step) throws -> Void) throws {
        for step in script.steps {
            try before(step)
            switch step.action {
            case .open: try open(step.connection)
            case .send(let peer, let bytes): try send(bytes, from: peer, on: step.connection)
            case .finish(let peer): try finish(peer, on: step.connection)
            }
        }
    }

    /// Ends what is still open, as peers do that are killed.
    func abandon() {
        for pair in ends.values {
            pair.client.reset()
            pair.server.reset()
        }
    }

    private func open(_ number: Int) throws {
        let client = try Connection(to: proxy)
        ends[number] = Ends(
            client: client,
            server: try listener.accept(),
            clientFrames: DubboBytes.frameEnds(script.stream(number, .client)),
            serverFrames: DubboBytes.frameEnds(script.stream(number, .server))
        )
    }

    private func finish(_ peer: Script.Peer, on number: Int) throws {
        guard let pair = ends[number] else { return }
        let (sender, receiver) = peer == .client ? (pair.client, pair.server) : (pair.server, pair.client)
        sender.finish()
        let (rest, end) = try receiver.readToEnd()
        guard rest.isEmpty, end == .closed else { throw Failure("\(rest.count) bytes too many, then \(end)") }
    }

    /// Writes in pieces and reads at the other end what has come; all of it has to come, unchanged.
    private func send(_ bytes: [UInt8], from peer: Script.Peer, on number: Int) throws {
        guard let pair = ends[number] else { return }
        let (sender, receiver) = peer == .client ? (pair.client, pair.server) : (pair.server, pair.client)
        var received: [UInt8] = []
        var sent = 0
        for end in cuts(bytes.count, peer, pair) {
            while sent < end {
                sent += try sender.writeSome(bytes[sent..<end])
                if sent < end { _ = receiver.isReady(POLLIN, milliseconds: 10) }
                try read(receiver, &received)
            }
            // Each piece should be seen by itself; a proxy may yet hold a part of a frame.
            if received.count < sent, receiver.isReady(POLLIN, milliseconds: 2) { try read(receiver, &received) }
        }
        let deadline = ContinuousClock.now + .seconds(patience)
        while received.count < bytes.count {
            guard ContinuousClock.now < deadline else {
                throw Failure("\(received.count) of \(bytes.count) bytes came")
            }
            _ = receiver.isReady(POLLIN, milliseconds: 100)
            try read(receiver, &received)
        }
        guard received == bytes else { throw Failure("other bytes came out than went in") }
        relayedBytes += received.count
        if peer == .client { ends[number]?.clientSent += bytes.count } else { ends[number]?.serverSent += bytes.count }
    }

    private func read(_ receiver: Connection, _ received: inout [UInt8]) throws {
        if let end = try receiver.readSome(into: &received) { throw Failure("the connection ended: \(end)") }
    }

    /// Where the pieces of a send end.
    private func cuts(_ count: Int, _ peer: Script.Peer, _ pair: Ends) -> [Int] {
        switch segmentation {
        case .bytewise: return Array(1...count)
        case .random:
            var cuts: [Int] = []
            var at = 0
            while at < count {
                // Mostly inside headers and names, sometimes far on.
                at = min(count, at + Int.random(in: 1...(random.next() % 4 == 0 ? 4000 : 200), using: &random))
                cuts.append(at)
            }
            return cuts
        case .frames:
            let start = peer == .client ? pair.clientSent : pair.serverSent
            let ends = (peer == .client ? pair.clientFrames : pair.serverFrames).map { $0 - start }
            return ends.filter { $0 > 0 && $0 < count } + [count]
        case .atOnce, .requestsFirst: return [count]
        }
    }
}
