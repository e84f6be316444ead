import Foundation

/// A capture of TCP over IPv4 over Ethernet, read without any of Weir's code.
struct PcapFile {
    /// One TCP segment.
    struct Segment {
        /// Nanoseconds since 1970.
        let time: UInt64
        let source: Address
        let destination: Address
        let sequence: UInt32
        let flags: UInt8
        let payload: ArraySlice<UInt8>

        var isSYN: Bool { flags & 0x02 != 0 }
        var isACK: Bool { flags & 0x10 != 0 }
        var isFIN: Bool { flags & 0x01 != 0 }
    }

    let segments: [Segment]

    init(_ file: [UInt8]) throws {
        guard file.count >= 24, Self.little(file, 0) == 0xa1b2_c3d4 || Self.little(file, 0) == 0xa1b2_3c4d else {
            throw Failure("no little-endian pcap file")
        }
        guard Self.little(file, 20) == 1 else { throw Failure("not Ethernet") }
        let fraction: UInt64 = Self.little(file, 0) == 0xa1b2_c3d4 ? 1000 : 1
        var segments: [Segment] = []
        var at = 24
        while at + 16 <= file.count {
            let time = UInt64(Self.little(file, at)) * 1_000_000_000 + UInt64(Self.little(file, at + 4)) * fraction
            let count = Int(Self.little(file, at + 8))
            guard at + 16 + count <= file.count else { throw Failure("a packet is cut off") }
            if let segment = Self.segment(file[at + 16..<at + 16 + count], time) { segments.append(segment) }
            at += 16 + count
        }
        self.segments = segments
    }

    private static func segment(_ packet: ArraySlice<UInt8>, _ time: UInt64) -> Segment? {
        let ip = packet.startIndex + 14
        guard packet.count >= 54, big16(packet, ip - 2) == 0x0800, packet[ip + 9] == 6 else { return nil }
        let tcp = ip + Int(packet[ip] & 0x0f) * 4
        let total = Int(big16(packet, ip + 2))
        // Segmentation offload leaves the length out.
        let end = total == 0 ? packet.endIndex : min(packet.endIndex, ip + total)
        let payload = tcp + Int(packet[tcp + 12] >> 4) * 4
        guard payload <= end else { return nil }
        return Segment(
            time: time,
            source: Address(host(packet, ip + 12), big16(packet, tcp)),
            destination: Address(host(packet, ip + 16), big16(packet, tcp + 2)),
            sequence: UInt32(big16(packet, tcp + 4)) << 16 | UInt32(big16(packet, tcp + 6)),
            flags: packet[tcp + 13],
            payload: packet[payload..<end]
        )
    }

    private static func host(_ bytes: ArraySlice<UInt8>, _ at: Int) -> String {
        bytes[at..<at + 4].map { String($0) }.joined(separator: ".")
    }

    private static func big16(_ bytes: ArraySlice<UInt8>, _ at: Int) -> UInt16 {
        UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
    }

    private static func little(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
    }
}

/// What the peers of a capture did, in the order in which it was captured.
struct Script {
    /// Who does something.
    enum Peer {
        case client
        case server
    }

    enum Action {
        case open
        case send(Peer, [UInt8])
        case finish(Peer)
    }

    /// One step on one of the connections.
    struct Step {
        let time: UInt64
        let connection: Int
        var action: Action
    }

    private(set) var steps: [Step] = []
    private(set) var connections = 0

    /// One direction of a connection: what comes next, and what came too early.
    private struct Half {
        var next: UInt32?
        var early: [UInt32: ArraySlice<UInt8>] = [:]
        var finish: UInt32?
        var isFinished = false

        /// Takes a segment; the bytes that are next in order.
        mutating func take(_ segment: PcapFile.Segment) -> [UInt8] {
            let start = segment.sequence &+ (segment.isSYN ? 1 : 0)
            if segment.isSYN || next == nil { next = start }
            if segment.isFIN { finish = start &+ UInt32(segment.payload.count) }
            if !segment.payload.isEmpty { early[start] = segment.payload }
            var bytes: [UInt8] = []
            while let expected = next, let key = early.keys.first(where: { expected &- $0 < 0x8000_0000 }) {
                let payload = early.removeValue(forKey: key) ?? []
                let fresh = payload.dropFirst(Int(expected &- key))
                bytes += fresh
                next = expected &+ UInt32(fresh.count)
            }
            return bytes
        }
    }

    /// What a capture shows; all its connections must begin in it.
    init(_ file: PcapFile) throws {
        var numbers: [String: Int] = [:]
        var halves: [[Half]] = []
        var clients: [Address] = []
        for segment in file.segments {
            if segment.isSYN, !segment.isACK {
                numbers["\(segment.source)-\(segment.destination)"] = halves.count
                numbers["\(segment.destination)-\(segment.source)"] = halves.count
                clients.append(segment.source)
                steps.append(Step(time: segment.time, connection: halves.count, action: .open))
                halves.append([Half(), Half()])
            }
            guard let number = numbers["\(segment.source)-\(segment.destination)"] else {
                throw Failure("a connection without its beginning")
            }
            let peer: Peer = segment.source == clients[number] ? .client : .server
            let half = peer == .client ? 0 : 1
            let bytes = halves[number][half].take(segment)
            if !bytes.isEmpty { steps.append(Step(time: segment.time, connection: number, action: .send(peer, bytes))) }
            let end = halves[number][half].finish
            if end != nil, end == halves[number][half].next, !halves[number][half].isFinished {
                halves[number][half].isFinished = true
                steps.append(Step(time: segment.time, connection: number, action: .finish(peer)))
            }
        }
        connections = halves.count
        guard halves.allSatisfy({ $0.allSatisfy { $0.early.isEmpty } }) else { throw Failure("the capture has a hole") }
    }

    /// Everything one peer says on a connection.
    func stream(_ connection: Int, _ peer: Peer) -> [UInt8] {
        steps.flatMap { step -> [UInt8] in
            guard step.connection == connection, case .send(peer, let bytes) = step.action else { return [] }
            return bytes
        }
    }

    /// The same with sends of a peer that follow each other made one, unless `isBreak` wants the later one apart.
    func joined(isBreak: (Step) -> Bool) -> Script {
        var result = self
        result.steps = []
        for step in steps {
            if case .send(let peer, let bytes) = step.action, let last = result.steps.last,
                last.connection == step.connection, case .send(peer, let before) = last.action, !isBreak(step)
            {
                result.steps[result.steps.count - 1].action = .send(peer, before + bytes)
            } else {
                result.steps.append(step)
            }
        }
        return result
    }

    /// The same with each connection's requests first and all at once, then the replies; for calls of clients only.
    func requestsFirst() -> Script {
        var result = self
        result.steps = []
        let last = steps.last?.time ?? 0
        for connection in 0..<connections {
            let actions: [Action] = [
                .open, .send(.client, stream(connection, .client)), .send(.server, stream(connection, .server)),
                .finish(.client), .finish(.server),
            ]
            result.steps += actions.map { Step(time: last, connection: connection, action: $0) }
        }
        return result
    }
}
