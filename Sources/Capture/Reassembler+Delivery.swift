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
        table.directions[2 * slot + Int(role.rawValue)].next &+= UInt32(truncatingIfNeeded: lengthBytes)
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
        guard !table.directions[own].isGated else { return table.setHolder(slot, true) }
        let before = table.directions[own].heldCharge
        // Of two streams one waits at most.
        let isFree = table.directions[own ^ 1].isGated
        let ready = table.directions[own].takeReady(isFree ? nil : table.directions[own ^ 1])
        if table.directions[own].isGated { closeGate(slot, role) }
        heldBytes -= before - table.directions[own].heldCharge
        table.setHolder(slot, !(table.directions[own].held.isEmpty && table.directions[own ^ 1].held.isEmpty))
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
        guard !table.directions[own].isGated else { return openGate(slot, role) }
        guard let first = table.directions[own].held.first else { return }
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
        let gap = sequence &- table.directions[own].next
        table.directions[own].next = sequence
        table.directions[own].strays = 0
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
        guard table.directions[own ^ 1].hasAcknowledged, table.directions[own].state == .open else { return }
        guard !table.directions[own].isGated else { return }
        if table.directions[own].held.isEmpty, !table.directions[own].finSeen { return }
        let acknowledged = table.directions[own ^ 1].acknowledged
        while let first = table.directions[own].held.first {
            let covered = table.directions[own].distance(to: acknowledged)
            guard covered <= ReassemblyLimits.windowBytes else { return }
            guard covered >= Int(first.sequence &- table.directions[own].next) else { return }
            giveUpHole(slot, role)
        }
        guard table.directions[own].finSeen, table.directions[own].state == .open else { return }
        let fin = table.directions[own].fin
        let covered = table.directions[own].distance(to: acknowledged)
        if covered >= table.directions[own].distance(to: fin), covered <= ReassemblyLimits.windowBytes {
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
        guard table.directions[own].finSeen, table.directions[own].state == .open else { return }
        guard table.directions[own].distance(to: table.directions[own].fin) <= 0 else { return }
        table.directions[own].state = .ended
        // Data after the FIN is none.
        heldBytes -= table.directions[own].heldCharge
        table.directions[own].dropHeld()
        table.directions[own].isGated = false
        table.setHolder(slot, !table.directions[own ^ 1].held.isEmpty)
        consumer.ended(slot, from: role, time: now)
    }

    /// Passes over gaps until what is kept is within the limits again.
    ///
    /// - Parameters:
    ///   - slot: The connection that has just kept something.
    ///   - role: The sender of the stream.
    func keepWithinLimits(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        while table.directions[own].heldCharge + table.directions[own ^ 1].heldCharge > limits.heldBytesPerConnection {
            giveUpHole(slot, table.directions[own].held.isEmpty ? role.opposite : role)
        }
        while heldBytes > limits.heldBytes, table.oldestHolder >= 0 {
            let holder = Int(table.oldestHolder)
            for side in EndpointRole.allCases {
                while !table.directions[2 * holder + Int(side.rawValue)].held.isEmpty { giveUpHole(holder, side) }
            }
            closeIfEnded(holder)
        }
    }
}
