internal import Wire

/// The reassembly of TCP byte streams from captured packets, for a consumer.
///
/// Bytes in order are passed on as a view of the packet, without a copy. Early bytes are kept, within limits, until the
/// gap in front of them is filled, or until it is certain that it will not be: the receiver has acknowledged it, the
/// limits are passed, or the connection or the capture ends. The consumer is then told of a hole. The first copy of
/// repeated bytes counts. Not for use by two threads at a time.
public final class Reassembler {
    /// The bounds of its memory.
    public let limits: ReassemblyLimits
    /// The counters so far.
    public internal(set) var counters = CaptureCounters()
    /// The size of all early bytes that are kept: never above `limits.heldBytes` between two calls.
    public internal(set) var heldBytes = 0

    let consumer: any StreamConsumer
    var table = FlowTable()
    /// Streams that wait for the other one of their connection, the oldest first, from `firstGate` on.
    var gates: [Gate] = []
    var firstGate = 0
    /// The time of the last packet.
    var now: UInt64 = 0

    /// A reassembler that has seen nothing.
    ///
    /// - Parameters:
    ///   - limits: The bounds of its memory.
    ///   - consumer: The receiver of the streams.
    public init(limits: ReassemblyLimits = ReassemblyLimits(), consumer: any StreamConsumer) {
        self.limits = limits
        self.consumer = consumer
    }

    /// The number of remembered connections, those that have ended included.
    public var rememberedConnections: Int { table.count }

    /// Processes one packet.
    ///
    /// - Parameters:
    ///   - bytes: The captured bytes.
    ///   - linkType: The link type of the packet.
    ///   - time: The time, in nanoseconds since 1970.
    ///   - originalLength: The length of the packet, in bytes.
    public func packet(_ bytes: RawSpan, linkType: LinkType, time: UInt64, originalLength: Int) {
        counters.packets &+= 1
        counters.bytes &+= UInt64(bytes.byteCount)
        now = time
        if !gates.isEmpty { expireGates() }
        var decoder = PacketDecoder(bytes, originalLength: originalLength)
        var isTruncated = bytes.byteCount < originalLength
        switch decoder.decode(linkType) {
        case .segment(let segment):
            counters.segments &+= 1
            if segment.capturedBytes < segment.declaredBytes { isTruncated = true }
            let start = min(segment.payloadOffset, bytes.byteCount)
            take(segment, payload: bytes.extracting(start..<start + segment.capturedBytes))
        case .nonIP: counters.nonIP &+= 1
        case .nonTCP: counters.nonTCP &+= 1
        case .fragment: counters.fragments &+= 1
        case .headersCut: isTruncated = true
        case .unsupported(let kind):
            counters.count(unsupported: kind)
            if linkType == .netlink { counters.count(unknown: linkType) }
        case .malformed(let reason):
            counters.count(malformed: reason)
            if reason == .unknownLinkType { counters.count(unknown: linkType) }
        }
        if isTruncated { counters.truncated &+= 1 }
    }

    /// Ends the capture: delivers what is kept and closes every connection, the longest idle one first.
    public func finish() {
        while table.oldest >= 0 {
            let slot = Int(table.oldest)
            close(slot, .endOfCapture)
            table.remove(slot)
        }
    }

    /// Feeds every packet of a file, then ends the capture.
    ///
    /// - Parameter file: The file; it is read to its end, whatever the waits.
    /// - Throws: ``CaptureError/broken(_:)`` where the file's structure breaks, after everything before was delivered
    ///   and the capture ended.
    public func read(_ file: inout CaptureFile) throws(CaptureError) {
        defer { finish() }
        while true {
            switch try file.next() {
            case .packet(let next):
                packet(next.bytes, linkType: next.linkType, time: next.time, originalLength: next.originalLength)
            case .timeout: continue
            case .end: return
            }
        }
    }

    // MARK: Which connection

    private func take(_ segment: TCPSegment, payload: RawSpan) {
        var found = table.find(segment.source, segment.destination)
        if let (slot, role) = found, beginsAnew(segment, slot: slot, role: role) {
            close(slot, .reused)
            table.remove(slot)
            found = nil
        }
        if let (slot, role) = found {
            table.touch(slot)
            guard !table.flows[slot].isClosed else {
                counters.straySegments &+= 1
                return
            }
            take(segment, payload: payload, slot: slot, role: role)
        } else if segment.flags.contains(.rst) {
            counters.straySegments &+= 1
        } else {
            take(segment, payload: payload, slot: open(segment), role: .first)
        }
    }

    /// True if a segment between known endpoints belongs to a new connection.
    private func beginsAnew(_ segment: TCPSegment, slot: Int, role: EndpointRole) -> Bool {
        let isClosed = table.flows[slot].isClosed
        let isHandshake = segment.flags.contains(.syn)
        guard isHandshake || isClosed, !segment.flags.contains(.rst) else { return false }
        let own = table.directions[2 * slot + Int(role.rawValue)]
        let isPlaced = own.state == .open || own.state == .ended
        guard isHandshake else {
            // The handshake may not be in the capture: data far from where a connection ended is no late segment of it.
            let isNear = isPlaced && abs(own.distance(to: segment.sequence)) <= ReassemblyLimits.nearBytes
            return segment.declaredBytes > 0 && !isNear
        }
        let isRepeated = own.beganWithSYN && own.start == segment.sequence &+ 1
        // A client that was refused may try again with the same sequence number.
        if isClosed { return !(isRepeated && (segment.flags.contains(.ack) || own.state == .ended)) }
        if isPlaced { return !isRepeated }
        // The two packets of a handshake may have been captured in the wrong order, or may cross.
        let isAnswer =
            segment.flags.contains(.ack) || table.directions[2 * slot + Int(role.opposite.rawValue)].beganWithSYN
        return own.state == .hinted || !isAnswer
    }

    private func open(_ segment: TCPSegment) -> Int {
        if table.count >= limits.connections {
            let slot = Int(table.oldest)
            if !table.flows[slot].isClosed { counters.evictedConnections &+= 1 }
            close(slot, .evicted)
            table.remove(slot)
        }
        let slot = table.insert(first: segment.source, second: segment.destination)
        counters.connections &+= 1
        var client = ClientKnowledge.unknown
        if segment.flags.contains(.syn) {
            client = .known(segment.flags.contains(.ack) ? .second : .first)
        }
        consumer.opened(slot, first: segment.source, second: segment.destination, client: client, time: now)
        return slot
    }
}
