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
/// bit of which says that the packet was longer on the wire.
///
/// - Parameter bytes: Any bytes.
public func fuzzCapture(_ bytes: UnsafeRawBufferPointer) {
    guard let first = bytes.first else { return }
    let links: [Int32] = [1, 0, 12, 108, 113, 228, 229, 276]
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
