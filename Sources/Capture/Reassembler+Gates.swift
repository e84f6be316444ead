internal import Wire

/// Data that acknowledges missing bytes of the other end.
///
/// The receiver had them, so the capture either lacks them or has them further on: packets of two interfaces, or of
/// two files that were merged, come in the wrong order. A reply must not be delivered before the end of its request
/// that is still to come, nor wait for one that never will. So it is kept, and delivered as soon as
///
/// - the bytes are there, or
/// - a segment from behind them shows that they are missing: within one direction they would have come before it, or
/// - half a second of the capture, or 10,000 packets, have passed, or 1,024 other streams wait, or the limits are
///   passed.
///
/// Bytes still missing then are a hole, which the consumer is told of before it gets the reply. Acknowledgments alone
/// deliver nothing and make no hole, and data that acknowledges a stream without captured data does not wait: the
/// capture has one direction only.
extension Reassembler {
    /// A stream that waits for the other one of its connection.
    struct Gate: BitwiseCopyable {
        var slot: Int32
        var role: EndpointRole
        /// The packet that began the wait; its number tells if it is still the same.
        var packet: UInt64
        var time: UInt64
    }

    /// True if data has to wait for bytes of the other stream.
    ///
    /// - Parameters:
    ///   - segment: A segment of an open connection that carries data.
    ///   - slot: The connection.
    ///   - role: The sender of the segment.
    /// - Returns: True if it acknowledges bytes that have not come.
    @inline(__always)
    func waits(_ segment: TCPSegment, slot: Int, role: EndpointRole) -> Bool {
        let peer = 2 * slot + Int(role.opposite.rawValue)
        // First what is so nearly always, of one field.
        guard segment.flags.contains(.ack), segment.acknowledgment != table.directions[peer].next else { return false }
        return table.directions[peer].lacks(segment.acknowledgment) && !table.directions[peer].isGated
    }

    /// Notes that a stream began to wait.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func closeGate(_ slot: Int, _ role: EndpointRole) {
        let direction = table.directions[2 * slot + Int(role.rawValue)]
        let time = direction.held.first?.time ?? now
        gates.append(Gate(slot: Int32(slot), role: role, packet: direction.gatePacket, time: time))
    }

    /// Delivers what waited; what the other stream lacks of what it waited for is a hole.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the stream.
    func openGate(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        let peer = 2 * slot + Int(role.opposite.rawValue)
        guard table.directions[own].isGated else { return }
        // Behind what comes free there may be more that waits, for bytes that are there meanwhile.
        repeat {
            let (gate, packet) = (table.directions[own].gate, table.directions[own].gatePacket)
            // While this one waits the other does not: two that wait for each other would do so for ever.
            passOver(to: gate, slot, role.opposite)
            if table.directions[own].gatePacket == packet { table.directions[own].isGated = false }
            deliverReady(slot, role)
            endIfComplete(slot, role)
            releaseAcknowledged(slot, role)
            deliverReady(slot, role.opposite)
            endIfComplete(slot, role.opposite)
        } while table.directions[own].isGated && table.directions[peer].distance(to: table.directions[own].gate) <= 0
    }

    /// Checks if the other stream has reached the position that this one waits for.
    ///
    /// - Parameters:
    ///   - slot: The connection.
    ///   - role: The sender of the waiting stream.
    func openGateIfReached(_ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        let peer = 2 * slot + Int(role.opposite.rawValue)
        guard table.directions[peer].distance(to: table.directions[own].gate) <= 0 else { return }
        openGate(slot, role)
    }

    /// Checks if the other end's stream waits for a segment, or for bytes before it.
    ///
    /// - Parameters:
    ///   - sequence: The segment's sequence number.
    ///   - slot: The connection.
    ///   - role: The sender of the segment.
    func openGate(behind sequence: UInt32, _ slot: Int, _ role: EndpointRole) {
        let peer = 2 * slot + Int(role.opposite.rawValue)
        let own = 2 * slot + Int(role.rawValue)
        while table.directions[peer].isGated {
            let isBehind = Int32(bitPattern: sequence &- table.directions[peer].gate) >= 0
            guard isBehind || table.directions[own].distance(to: table.directions[peer].gate) <= 0 else { return }
            openGate(slot, role.opposite)
        }
    }

    /// Ends waits that have lasted long enough.
    func expireGates() {
        while firstGate < gates.count {
            let gate = gates[firstGate]
            let isOld = now > gate.time && now - gate.time >= ReassemblyLimits.gateNanoseconds
            let isFar = counters.packets - gate.packet >= ReassemblyLimits.gatePackets
            guard isOld || isFar || gates.count - firstGate > ReassemblyLimits.gates else { break }
            firstGate += 1
            let slot = Int(gate.slot)
            let direction = table.directions[2 * slot + Int(gate.role.rawValue)]
            guard direction.isGated, direction.gatePacket == gate.packet else { continue }
            openGate(slot, gate.role)
            closeIfEnded(slot)
        }
        guard firstGate == gates.count || firstGate > ReassemblyLimits.gates else { return }
        gates.removeFirst(firstGate)
        firstGate = 0
    }

    /// Delivers what is kept of a stream before `sequence`, with holes, and passes over the rest.
    private func passOver(to sequence: UInt32, _ slot: Int, _ role: EndpointRole) {
        let own = 2 * slot + Int(role.rawValue)
        while let first = table.directions[own].held.first, Int32(bitPattern: first.sequence &- sequence) < 0 {
            giveUpHole(slot, role)
        }
        guard table.directions[own].state == .open else { return }
        var end = table.directions[own].distance(to: sequence)
        if table.directions[own].finSeen {
            end = min(end, table.directions[own].distance(to: table.directions[own].fin))
        }
        if end > 0 { skip(to: table.directions[own].next &+ UInt32(end), slot, role) }
    }
}
