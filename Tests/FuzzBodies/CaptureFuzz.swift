internal import Capture
internal import Wire

/// Checks what a reassembler promises its consumer.
private final class Checker: StreamConsumer {
    var open: [Int: [Bool]] = [:]
    var delivered: UInt64 = 0
    var missed: UInt64 = 0

    func opened(_ connection: Int, first: Endpoint, second: Endpoint, client: ClientKnowledge, time: UInt64) {
        precondition(open[connection] == nil && connection >= 0, "opened twice")
        open[connection] = [false, false]
    }

    func received(_ connection: Int, from role: EndpointRole, bytes: RawSpan, time: UInt64, packet: UInt64) {
        precondition(open[connection]?[Int(role.rawValue)] == false, "received on what is not open")
        precondition(bytes.byteCount > 0 && packet > 0, "received nothing")
        delivered += UInt64(bytes.byteCount)
    }

    func missed(_ connection: Int, from role: EndpointRole, byteCount: UInt64, time: UInt64) {
        precondition(open[connection]?[Int(role.rawValue)] == false, "missed on what is not open")
        precondition(byteCount > 0 && byteCount < 1 << 32, "missed nothing, or more than sequence numbers reach")
        missed += byteCount
    }

    func ended(_ connection: Int, from role: EndpointRole, time: UInt64) {
        precondition(open[connection]?[Int(role.rawValue)] == false, "ended twice")
        open[connection]?[Int(role.rawValue)] = true
    }

    func closed(_ connection: Int, reason: CloseReason, time: UInt64) {
        precondition(open.removeValue(forKey: connection) != nil, "closed what is not open")
    }
}

/// Feeds packets to a reassembler with small limits and checks what it says.
///
/// The first byte picks the link type; then come packets, each behind its length in two bytes, big-endian, the highest
/// bit of which says that the packet was longer on the wire. From 128 on it begins a script of pcapng blocks instead.
///
/// - Parameter bytes: Any bytes.
public func fuzzCapture(_ bytes: UnsafeRawBufferPointer) {
    guard let first = bytes.first else { return }
    if first >= 0x80 { return fuzzBlocks(bytes) }
    let links: [Int32] = [1, 0, 12, 108, 113, 228, 229, 276, 9, 50, 51, 104, 204, 239, 253, 147]
    let link = LinkType(rawValue: links[Int(first) % links.count])
    let limits = ReassemblyLimits(connections: 8, heldBytesPerConnection: 4096, heldBytes: 8192)
    let checker = Checker()
    let reassembler = Reassembler(limits: limits, consumer: checker)
    var offset = 1
    var fed: UInt64 = 0
    while offset + 2 <= bytes.count {
        let word = Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
        offset += 2
        let count = min(word & 0x7fff, bytes.count - offset)
        let packet = RawSpan(_unsafeBytes: bytes).extracting(offset..<offset + count)
        reassembler.packet(packet, linkType: link, time: fed, originalLength: word > 0x7fff ? count + 100 : count)
        fed += UInt64(count)
        offset += count
        precondition(reassembler.heldBytes >= 0 && reassembler.heldBytes <= limits.heldBytes, "kept too much")
        precondition(reassembler.rememberedConnections <= limits.connections, "too many connections")
    }
    reassembler.finish()
    let counters = reassembler.counters
    precondition(checker.open.isEmpty && reassembler.heldBytes == 0, "something is left")
    precondition(checker.delivered <= fed && checker.delivered == counters.deliveredBytes, "delivered more than came")
    precondition(checker.missed == counters.holeBytes, "holes are counted wrong")
}

/// A pcapng file, made of a script: most of its blocks are well formed as a whole, whatever is in them.
private struct BlockScript {
    let bytes: UnsafeRawBufferPointer
    var offset = 3
    var isBig: Bool
    var file: [UInt8] = []

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        isBig = bytes.count > 1 && bytes[1] & 1 != 0
        section()
        add(1, half(1) + half(0) + word(0))
    }

    func half(_ value: Int) -> [UInt8] { swapped([UInt8(value & 0xff), UInt8(value >> 8 & 0xff)]) }
    func word(_ value: Int) -> [UInt8] { swapped((0..<4).map { UInt8(value >> (8 * $0) & 0xff) }) }
    func swapped(_ bytes: [UInt8]) -> [UInt8] { isBig ? bytes.reversed() : bytes }

    mutating func section() { add(0x0a0d_0d0a, word(0x1a2b_3c4d) + half(1) + half(0) + word(-1) + word(-1)) }

    mutating func add(_ type: Int, _ body: [UInt8], length wrong: Int? = nil) {
        let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
        file += word(type) + word(wrong ?? padded.count + 12) + padded + word(padded.count + 12)
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let taken = min(count, max(bytes.count - offset, 0))
        defer { offset += taken }
        return Array(bytes[offset..<offset + taken])
    }

    /// One block of each step: what it is, how long, and its bytes.
    mutating func run() {
        while offset + 2 <= bytes.count {
            let (step, count) = (bytes[offset], Int(bytes[offset + 1]))
            offset += 2
            switch step % 10 {
            case 0:
                isBig.toggle()
                section()
            case 1: add(1, take(count))
            case 2: add(2, take(count))
            case 3: add(3, take(count))
            case 4: add(6, take(count))
            case 5: add(Int(step), take(count))
            case 6: add(6, take(count), length: Int(step) * count)
            case 7: file += take(count)
            // A packet whose lengths are right, of the interface that the step picks.
            case 8, 9:
                let packet = take(count)
                let stamp = word(Int(step) / 64) + word(0) + word(Int(step))
                add(6, stamp + word(packet.count) + word(count + Int(step) / 128) + packet)
            default: break
            }
        }
    }
}

/// What was read of a file: as much of every packet as shows that it is the same one.
private func packets(_ file: [UInt8], pieceBytes: Int, filter: String, into reassembler: Reassembler) -> [[UInt64]] {
    var seen: [[UInt64]] = []
    do throws(CaptureError) {
        var capture = try CaptureFile(contents: file, pieceBytes: pieceBytes, filter: filter)
        while let packet = try capture.next().packet {
            precondition(packet.bytes.byteCount <= file.count, "a packet larger than its file")
            let last = packet.bytes.byteCount > 0 ? packet.bytes.byte(at: packet.bytes.byteCount - 1) : 0
            let lengths = [UInt64(packet.bytes.byteCount), UInt64(packet.originalLength), UInt64(last)]
            seen.append(lengths + [packet.time, UInt64(UInt32(bitPattern: packet.linkType.rawValue))])
            reassembler.packet(
                packet.bytes,
                linkType: packet.linkType,
                time: packet.time,
                originalLength: packet.originalLength
            )
        }
        precondition(capture.counts.passed == seen.count && capture.counts.read >= capture.counts.passed, "miscounted")
    } catch {
        precondition(!error.message.isEmpty && !error.message.contains("\n"), "an error is one line")
        seen.append([UInt64(error.message.utf8.count)])
    }
    reassembler.finish()
    return seen
}

/// Reads a file of blocks whole and in pieces.
private func fuzzBlocks(_ bytes: UnsafeRawBufferPointer) {
    var script = BlockScript(bytes)
    script.run()
    let limits = ReassemblyLimits(connections: 8, heldBytesPerConnection: 4096, heldBytes: 8192)
    let filter = bytes[0] & 1 == 0 ? "" : "tcp port 20880"
    let pieceBytes = bytes.count > 2 ? 1 + Int(bytes[2]) : 1
    let (whole, split) = (Checker(), Checker())
    let first = packets(
        script.file,
        pieceBytes: script.file.count,
        filter: filter,
        into: Reassembler(limits: limits, consumer: whole)
    )
    let second = packets(
        script.file,
        pieceBytes: pieceBytes,
        filter: filter,
        into: Reassembler(limits: limits, consumer: split)
    )
    precondition(first == second, "what is read depends on the pieces")
    precondition(whole.delivered == split.delivered && whole.open.isEmpty && split.open.isEmpty, "something is left")
}
