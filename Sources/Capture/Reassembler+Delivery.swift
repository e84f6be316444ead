internal import Wire

extension Reassembler {
    /// Passes the next bytes of a stream to the consumer and advances the stream.
    ///
    /// - Parameters:
    ///   - bytes: The captured ones; what is missing from `lengthBytes` was cut off by the snap length.
    ///   - lengthBytes: The number of the stream's bytes that they stand for.
    ///   - time: The time of their packet.
    ///   - packet: The number of their packet.
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    @inline(__always)
    func deliver(
        _ bytes: RawSpan,
        lengthBytes: Int,
        time: UInt64,
        packet: UInt64,
        slot: Int,
        role: EndpointRole
    ) {
        table.halves[2 * slot + Int(role.rawValue)].next &+= UInt32(truncatingIfNeeded: lengthBytes)
        let count = bytes.byteCount
        if count > 0 {
            counters.deliveredBytes &+= UInt64(count)
            consumer.received(slot, from: role, bytes: bytes, time: time, packet: packet)
        }
        if count < lengthBytes { miss(UInt64(lengthBytes - count), slot: slot, role: role) }
    }

    /// Reports a hole to the consumer.
    private func miss(_ byteCount: UInt64, slot: Int, role: EndpointRole) {
        counters.holes &+= 1
        counters.holeBytes &+= byteCount
        consumer.missed(slot, from: role, byteCount: byteCount, time: now)
    }

    /// Delivers the kept segments that follow on the stream without a gap.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func deliverReady(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        guard !table.halves[own].isGated else { return table.setHolder(slot, true) }
        let before = table.halves[own].heldCharge
        // Of two streams one waits at most.
        let isFree = table.halves[own ^ 1].isGated
        let ready = table.halves[own].takeReady(isFree ? nil : table.halves[own ^ 1])
        if table.halves[own].isGated { closeGate(slot, role) }
        heldBytes -= before - table.halves[own].heldCharge
        table.setHolder(slot, !(table.halves[own].held.isEmpty && table.halves[own ^ 1].held.isEmpty))
        for segment in ready {
            let bytes = segment.bytes.byteSpan
            let lengthBytes = Int(segment.lengthBytes)
            deliver(bytes, lengthBytes: lengthBytes, time: segment.time, packet: segment.packet, slot: slot, role: role)
        }
    }

    /// Passes over the gap in front of the first kept segment, or over what it waits for, and delivers what follows.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func giveUpHole(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        guard !table.halves[own].isGated else { return openGate(slot, role) }
        guard let first = table.halves[own].held.first else { return }
        skip(to: first.sequence, slot, role)
        deliverReady(slot, role)
        endIfComplete(slot, role)
    }

    /// Passes over the stream up to `sequence`.
    ///
    /// - Parameters:
    ///   - sequence: The position at which it continues.
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func skip(to sequence: UInt32, _ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        let gap = sequence &- table.halves[own].next
        table.halves[own].next = sequence
        table.halves[own].strays = 0
        if gap > 0 { miss(UInt64(gap), slot: slot, role: role) }
        endIfComplete(slot, role)
    }

    /// Passes over gaps that the receiver has acknowledged: what it has it was sent, and the capture lacks it.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func releaseAcknowledged(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        guard table.halves[own ^ 1].hasAcknowledged, table.halves[own].state == .open else { return }
        guard !table.halves[own].isGated else { return }
        if table.halves[own].held.isEmpty, !table.halves[own].finSeen { return }
        let acknowledged = table.halves[own ^ 1].acknowledged
        while let first = table.halves[own].held.first {
            let covered = table.halves[own].distance(to: acknowledged)
            guard covered <= ReassemblyLimits.windowBytes else { return }
            guard covered >= Int(first.sequence &- table.halves[own].next) else { return }
            giveUpHole(slot, role)
        }
        guard table.halves[own].finSeen, table.halves[own].state == .open else { return }
        let fin = table.halves[own].fin
        let covered = table.halves[own].distance(to: acknowledged)
        if covered >= table.halves[own].distance(to: fin), covered <= ReassemblyLimits.windowBytes {
            skip(to: fin, slot, role)
        }
    }

    /// Reports to the consumer that a stream has reached its FIN, once.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func endIfComplete(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        guard table.halves[own].finSeen, table.halves[own].state == .open else { return }
        guard table.halves[own].distance(to: table.halves[own].fin) <= 0 else { return }
        table.halves[own].state = .ended
        // Data after the FIN is none.
        heldBytes -= table.halves[own].heldCharge
        table.halves[own].dropHeld()
        table.halves[own].isGated = false
        table.setHolder(slot, !table.halves[own ^ 1].held.isEmpty)
        consumer.ended(slot, from: role, time: now)
    }

    /// Passes over gaps until what is kept is within the limits again.
    ///
    /// - Parameters:
    ///   - slot: The connection that has just kept something.
    ///   - role: The sender of the stream.
    func keepWithinLimits(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        while table.halves[own].heldCharge + table.halves[own ^ 1].heldCharge > limits.heldBytesPerConnection {
            giveUpHole(slot, table.halves[own].held.isEmpty ? role.opposite : role)
        }
        while heldBytes > limits.heldBytes, table.oldestHolder >= 0 {
            let holder = Int(table.oldestHolder)
            for side in EndpointRole.allCases {
                while !table.halves[2 * holder + Int(side.rawValue)].held.isEmpty { giveUpHole(holder, side) }
            }
            closeIfEnded(holder)
        }
    }
}
