import Wire
import Capture
import Testing

/// One thing that a reassembler said; text is easier to compare and to read than cases.
typealias Event = String

/// Keeps everything a reassembler says, and checks the order of it.
final class Recorder: StreamConsumer {
    struct Stream {
        var bytes: [UInt8] = []
        /// Position in the stream, missing bytes included, and length of each hole; neighbours are one.
        var holes: [[UInt64]] = []
        var position: UInt64 = 0
        var chunks: [(count: Int, time: UInt64, packet: UInt64)] = []
        var hasEnded = false
    }
    struct Connection {
        var first: Endpoint
        var second: Endpoint
        var client: ClientKnowledge
        var streams = [Stream(), Stream()]
        var reason: CloseReason?
    }

    var connections: [Connection] = []
    var events: [Event] = []
    var mostOpen = 0
    var problems: [String] = []
    var keepsEvents = true
    private var current: [Int: Int] = [:]

    func opened(_ connection: Int, first: Endpoint, second: Endpoint, client: ClientKnowledge, time: UInt64) {
        if current[connection] != nil { problems.append("opened twice") }
        current[connection] = connections.count
        mostOpen = max(mostOpen, current.count)
        connections.append(Connection(first: first, second: second, client: client))
        say("open \(client == .unknown ? "unknown" : client == .known(.first) ? "first" : "second")")
    }

    func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64) {
        if bytes.byteCount == 0 { problems.append("received nothing") }
        let copy = bytes.withUnsafeBytes { Array($0) }
        change(connection, role) { stream in
            stream.bytes += copy
            stream.position += UInt64(copy.count)
            stream.chunks.append((copy.count, time, packet))
        }
        if keepsEvents { say("\(mark(role))\(String(decoding: copy, as: UTF8.self))") }
    }

    func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64) {
        if byteCount == 0 { problems.append("missed nothing") }
        change(connection, role) { stream in
            if let last = stream.holes.last, last[0] + last[1] == stream.position {
                stream.holes[stream.holes.count - 1][1] += byteCount
            } else {
                stream.holes.append([stream.position, byteCount])
            }
            stream.position += byteCount
        }
        say("\(mark(role))hole \(byteCount)")
    }

    func ended(_ connection: Int, from role: EndpointRole, time: UInt64) {
        change(connection, role) { $0.hasEnded = true }
        say("\(mark(role))end")
    }

    func closed(_ connection: Int, reason: CloseReason, time: UInt64) {
        guard let index = current.removeValue(forKey: connection) else {
            problems.append("closed what was not open")
            return
        }
        connections[index].reason = reason
        say("close \(reason)")
    }

    private func change(_ connection: Int, _ role: EndpointRole, _ body: (inout Stream) -> Void) {
        guard let index = current[connection] else {
            problems.append("said of what was not open")
            return
        }
        if connections[index].streams[Int(role.rawValue)].hasEnded { problems.append("said after the end") }
        body(&connections[index].streams[Int(role.rawValue)])
    }

    private func mark(_ role: EndpointRole) -> String { role == .first ? "> " : "< " }
    private func say(_ event: Event) { if keepsEvents { events.append(event) } }
}

/// A reassembler with its recorder, and a made-up connection over Ethernet and IPv4.
struct Harness {
    let recorder = Recorder()
    let reassembler: Reassembler

    init(limits: ReassemblyLimits = ReassemblyLimits()) {
        reassembler = Reassembler(limits: limits, consumer: recorder)
    }

    /// A segment from the client.
    func c(_ seq: UInt32, _ flags: UInt8, ack: UInt32 = 0, _ text: String = "", time: UInt64 = 1) {
        send(.client, .server, seq, flags, ack, text, time)
    }

    /// Data from the client; without `ack` the segment acknowledges nothing.
    func c(_ seq: UInt32, ack: UInt32? = nil, _ text: String, time: UInt64 = 1) {
        send(.client, .server, seq, ack == nil ? Flag.psh : Flag.psh | Flag.ack, ack ?? 0, text, time)
    }

    /// A segment from the server.
    func s(_ seq: UInt32, _ flags: UInt8, ack: UInt32 = 0, _ text: String = "", time: UInt64 = 1) {
        send(.server, .client, seq, flags, ack, text, time)
    }

    /// Data from the server; without `ack` the segment acknowledges nothing.
    func s(_ seq: UInt32, ack: UInt32? = nil, _ text: String, time: UInt64 = 1) {
        send(.server, .client, seq, ack == nil ? Flag.psh : Flag.psh | Flag.ack, ack ?? 0, text, time)
    }

    private func send(
        _ from: Peer,
        _ to: Peer,
        _ seq: UInt32,
        _ flags: UInt8,
        _ ack: UInt32,
        _ text: String,
        _ time: UInt64
    ) {
        let segment = tcp(from, to, seq: seq, ack: ack, flags: flags, Array(text.utf8))
        reassembler.feed(ethernet(ipv4(from, to, segment)), time: time)
    }

    /// Client at 100, server at 500; the next bytes are 101 and 501.
    func handshake() {
        c(100, Flag.syn)
        s(500, Flag.syn | Flag.ack, ack: 101)
        c(101, Flag.ack, ack: 501)
    }

    /// What was said since the last call.
    func said() -> [Event] {
        defer { recorder.events = [] }
        return recorder.events
    }
}
