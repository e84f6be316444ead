internal import Wire

extension Reassembler {
    /// Processes a segment of an open connection.
    ///
    /// - Parameters:
    ///   - segment: Its header.
    ///   - payload: Its captured payload.
    ///   - slot: The connection.
    ///   - role: The sender of the segment.
    func take(_ segment: TCPSegment, payload: RawSpan, slot: Int, role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        if segment.flags.contains(.rst) {
            reset(segment, slot: slot, role: role)
            return
        }
        var sequence = segment.sequence
        if segment.flags.contains(.syn) {
            sequence &+= 1
            if table.directions[own].state != .open, table.directions[own].state != .ended {
                table.directions[own].open(at: sequence, withSYN: true)
            }
        }
        if segment.flags.contains(.ack) {
            acknowledge(segment, slot: slot, role: role)
        }
        let peer = 2 * slot + Int(role.opposite.rawValue)
        if !gates.isEmpty {
            // What this segment acknowledges may have moved the other stream past a hole.
            if table.directions[own].isGated { openGateIfReached(slot, role) }
            if table.directions[peer].isGated { openGate(behind: sequence, slot, role) }
        }
        if segment.declaredBytes > 0 {
            data(segment, at: sequence, payload: payload, slot: slot, role: role)
            if !gates.isEmpty, table.directions[peer].isGated { openGate(behind: sequence, slot, role) }
        } else if segment.flags.isDisjoint(with: [.syn, .fin]) {
            withoutData(sequence, own)
        }
        if segment.flags.contains(.fin) {
            finish(sequence &+ UInt32(truncatingIfNeeded: segment.declaredBytes), slot: slot, role: role)
        }
        closeIfEnded(slot)
    }

    /// Ends the connection for the consumer when both its streams have.
    ///
    /// - Parameter slot: The connection.
    func closeIfEnded(_ slot: Int) {
        if table.directions[2 * slot].state == .ended, table.directions[2 * slot + 1].state == .ended {
            close(slot, .fin)
        }
    }

    /// Delivers what is kept, with holes, and ends the connection for the consumer.
    ///
    /// - Parameters:
    ///   - slot: The connection; nothing happens if it is over already.
    ///   - reason: The reason.
    func close(_ slot: Int, _ reason: CloseReason) {
        guard !table.flows[slot].isClosed else { return }
        for role in EndpointRole.allCases {
            let index = 2 * slot + Int(role.rawValue)
            while !table.directions[index].held.isEmpty { giveUpHole(slot, role) }
            guard table.directions[index].finSeen, table.directions[index].state == .open else { continue }
            skip(to: table.directions[index].fin, slot, role)
        }
        table.setHolder(slot, false)
        table.markClosed(slot)
        consumer.closed(slot, reason: reason, time: now)
    }

    private func reset(_ segment: TCPSegment, slot: Int, role: EndpointRole) {
        let own = table.directions[2 * slot + Int(role.rawValue)]
        let isKnown = own.state == .open || own.state == .ended
        // A reset of an earlier connection between the same ports has another sequence number; one that answers a
        // segment for a forgotten connection has that segment's acknowledgment number, which is near too.
        guard !isKnown || abs(own.distance(to: segment.sequence)) <= ReassemblyLimits.nearBytes else {
            counters.straySegments &+= 1
            return
        }
        close(slot, .reset)
    }

    private func acknowledge(_ segment: TCPSegment, slot: Int, role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        let peer = 2 * slot + Int(role.opposite.rawValue)
        table.directions[own].acknowledge(segment.acknowledgment)
        if segment.flags.contains(.syn),
            table.directions[peer].state == .unseen || table.directions[peer].state == .hinted
        {
            // The SYN was not captured; its answer says where the stream begins.
            table.directions[peer].open(at: segment.acknowledgment, withSYN: true)
        }
        releaseAcknowledged(slot, role.opposite)
    }

    /// A segment that carries nothing may be a probe: one less than the stream's position, to provoke an answer.
    private func withoutData(_ sequence: UInt32, _ own: Int) {
        switch table.directions[own].state {
        case .unseen:
            table.directions[own].state = .hinted
            table.directions[own].next = sequence
        case .open, .ended:
            if table.directions[own].distance(to: sequence) == -1 { counters.keepAlives &+= 1 }
        case .hinted: break
        }
    }

    private func finish(_ end: UInt32, slot: Int, role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        if table.directions[own].state == .unseen || table.directions[own].state == .hinted {
            table.directions[own].open(at: end, withSYN: false)
        }
        guard table.directions[own].state == .open, !table.directions[own].finSeen else { return }
        let distance = table.directions[own].distance(to: end)
        guard distance >= 0, distance <= ReassemblyLimits.windowBytes else { return }
        table.directions[own].finSeen = true
        table.directions[own].fin = end
        endIfComplete(slot, role)
        releaseAcknowledged(slot, role)
    }

    // MARK: Data

    private func data(
        _ segment: TCPSegment,
        at sequence: UInt32,
        payload: RawSpan,
        slot: Int,
        role: EndpointRole
    ) {
        let own = 2 * slot + Int(role.rawValue)
        if payload.byteCount == segment.declaredBytes, !waits(segment, slot: slot, role: role),
            table.directions[own].takesNext(at: sequence, byteCount: payload.byteCount)
        {
            counters.deliveredBytes &+= UInt64(payload.byteCount)
            consumer.received(slot, from: role, bytes: payload, time: now, packet: counters.packets)
            return
        }
        if !begin(segment, at: sequence, own) { return }
        var declared = segment.declaredBytes
        if table.directions[own].finSeen {
            declared = min(declared, Int(Int32(bitPattern: table.directions[own].fin &- sequence)))
        }
        let distance = table.directions[own].distance(to: sequence)
        guard declared > 0, abs(distance) <= ReassemblyLimits.windowBytes else {
            return outsideWindow(segment, at: sequence, payload: payload, slot: slot, role: role)
        }
        table.directions[own].noteData()
        let known = max(-distance, 0)
        guard known < declared else { return nothingNew(segment, declared: declared, distance: distance) }
        counters.retransmittedBytes &+= UInt64(known)
        let captured = min(payload.byteCount, declared)
        let fresh = payload.extracting(min(known, captured)..<captured)
        if table.directions[own].isBehindHeld(distance) { counters.outOfOrderSegments &+= 1 }
        let isFree = (gates.isEmpty || !table.directions[own].isGated) && !waits(segment, slot: slot, role: role)
        if distance <= 0, isFree, firstHeldDistance(own) >= declared - known {
            deliver(fresh, lengthBytes: declared - known, time: now, packet: counters.packets, slot: slot, role: role)
            if !table.directions[own].held.isEmpty { deliverReady(slot, role) }
            endIfComplete(slot, role)
            return
        }
        hold(
            fresh,
            lengthBytes: declared - known,
            at: sequence &+ UInt32(known),
            acknowledging: segment.flags.contains(.ack) ? segment.acknowledgment : nil,
            slot: slot,
            role: role
        )
    }

    /// Begins a stream at its first data if no handshake was seen.
    ///
    /// - Returns: True if the segment carries data of the stream.
    private func begin(_ segment: TCPSegment, at sequence: UInt32, _ own: Int) -> Bool {
        switch table.directions[own].state {
        case .open, .ended: return true
        case .hinted:
            // After a probe without data the stream stands one byte further than the probe said.
            let stood = table.directions[own].next
            let ahead = table.directions[own].distance(to: sequence)
            let isUsable = ahead != 1 && ahead >= 0 && ahead <= ReassemblyLimits.windowBytes
            table.directions[own].open(at: isUsable ? stood : sequence, withSYN: false)
        case .unseen:
            table.directions[own].open(at: sequence, withSYN: false)
            // A single byte that is not pushed is a probe with a byte that the other end has already.
            if segment.declaredBytes == 1, segment.flags.isDisjoint(with: [.psh, .fin, .syn]) {
                counters.keepAlives &+= 1
                table.directions[own].open(at: sequence &+ 1, withSYN: false)
                return false
            }
        }
        return true
    }

    private func nothingNew(_ segment: TCPSegment, declared: Int, distance: Int) {
        // A probe is not pushed, a repeated byte of real data is.
        if segment.declaredBytes == 1, distance == -1, !segment.flags.contains(.psh) {
            counters.keepAlives &+= 1
        } else {
            counters.retransmittedSegments &+= 1
            counters.retransmittedBytes &+= UInt64(declared)
        }
    }

    /// After a run of segments far from the stream (a long pause of the capture) it is taken up where they are.
    private func outsideWindow(
        _ segment: TCPSegment,
        at sequence: UInt32,
        payload: RawSpan,
        slot: Int,
        role: EndpointRole
    ) {
        let own = 2 * slot + Int(role.rawValue)
        counters.outsideWindowSegments &+= 1
        guard !table.directions[own].finSeen else { return }
        table.directions[own].strays &+= 1
        guard table.directions[own].strays >= ReassemblyLimits.strayRun else { return }
        while !table.directions[own].held.isEmpty { giveUpHole(slot, role) }
        skip(to: sequence, slot, role)
        deliver(
            payload,
            lengthBytes: segment.declaredBytes,
            time: now,
            packet: counters.packets,
            slot: slot,
            role: role
        )
    }

    /// The distance of the first kept byte from the next one to be delivered.
    @inline(__always)
    private func firstHeldDistance(_ own: Int) -> Int {
        guard let first = table.directions[own].held.first else { return .max }
        return Int(first.sequence &- table.directions[own].next)
    }

    private func hold(
        _ payload: RawSpan,
        lengthBytes: Int,
        at sequence: UInt32,
        acknowledging number: UInt32?,
        slot: Int,
        role: EndpointRole
    ) {
        let own = 2 * slot + Int(role.rawValue)
        let before = table.directions[own].heldCharge
        let known = table.directions[own].hold(
            sequence: sequence,
            lengthBytes: lengthBytes,
            payload: payload,
            time: now,
            packet: counters.packets,
            acknowledgment: number
        )
        heldBytes += table.directions[own].heldCharge - before
        counters.retransmittedBytes &+= UInt64(known)
        if known == lengthBytes { counters.retransmittedSegments &+= 1 }
        deliverReady(slot, role)
        endIfComplete(slot, role)
        releaseAcknowledged(slot, role)
        keepWithinLimits(slot, role)
    }
}
