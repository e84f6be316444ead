import Calls
import Capture
import Inspection
import Wire

/// A capture's connections as a relay would read them: what one peer says in a row comes in as few reads as there is
/// room for.
final class CaptureReads: StreamConsumer {
    /// What one peer has said without the other saying anything.
    private struct Turn {
        var connection: Int
        var direction: Direction
        var bytes: [UInt8]
        var time: UInt64
    }

    private var clients: [EndpointRole] = []
    /// By the reassembler's numbers: the connection's own number.
    private var numbers: [Int: Int] = [:]
    private var turns: [Turn] = []
    private var lastTurns: [Int: Int] = [:]

    /// The turns of a capture that begins with its connections.
    static func read(_ path: String) throws -> CaptureReads {
        let reads = CaptureReads()
        let reassembler = Reassembler(consumer: reads)
        var capture = try CaptureFile(path: path)
        try reassembler.read(&capture)
        reassembler.finish()
        return reads
    }

    /// Gives everything to a bench's sessions, at most `limit` bytes a read.
    func replay(into bench: Bench, limit: Int) {
        let sessions = clients.map { _ in bench.open() }
        var now: UInt64 = 0
        for turn in turns {
            now = max(now, turn.time)
            bench.inspector.tick(now: now)
            var rest = turn.bytes[...]
            while !rest.isEmpty {
                bench.give(sessions[turn.connection], Array(rest.prefix(limit)), turn.direction, now)
                rest = rest.dropFirst(limit)
            }
        }
        for session in sessions { bench.inspector.close(session, now: now) }
    }

    func opened(_ connection: Int, first: Endpoint, second: Endpoint, client: ClientKnowledge, time: UInt64) {
        numbers[connection] = clients.count
        clients.append(client == .known(.second) ? .second : .first)
    }

    func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64) {
        guard let number = numbers[connection] else { return }
        let direction: Direction = role == clients[number] ? .toUpstream : .toDownstream
        if let last = lastTurns[number], turns[last].direction == direction {
            turns[last].bytes += bytes.array
        } else {
            lastTurns[number] = turns.count
            turns.append(Turn(connection: number, direction: direction, bytes: bytes.array, time: time))
        }
    }

    func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64) {}
    func ended(_ connection: Int, from role: EndpointRole, time: UInt64) {}
    func closed(_ connection: Int, reason: CloseReason, time: UInt64) {}
}
