internal import Calls
internal import Telemetry

/// Which callers' spans lately called an operation and failed, so that calling it again is known for a retry.
///
/// A table of fixed size in which newer ones push out older ones: a retry may go unnoticed, and none is made up but by
/// two pairs of ids with the same 64-bit mixture.
struct FailedAttempts {
    private static let count = 256

    private struct Slot: BitwiseCopyable {
        var key: UInt64 = 0
        var attempts: UInt16 = 0
    }

    private var slots = [Slot](repeating: Slot(), count: FailedAttempts.count)
    private var isEmpty = true

    /// How often the caller's span called the operation before, each time in vain.
    func attempts(_ start: Tracer.Start, _ operation: OperationID) -> UInt16 {
        guard !isEmpty, start.parentSpanID != 0 else { return 0 }
        let key = Self.key(start, operation)
        let slot = slots[Int(key % UInt64(Self.count))]
        return slot.key == key ? slot.attempts : 0
    }

    /// The caller's span called the operation in vain.
    mutating func note(_ start: Tracer.Start, operation: OperationID, before: UInt16) {
        guard start.parentSpanID != 0 else { return }
        let key = Self.key(start, operation)
        slots[Int(key % UInt64(Self.count))] = Slot(key: key, attempts: before == .max ? .max : before + 1)
        isEmpty = false
    }

    private static func key(_ start: Tracer.Start, _ operation: OperationID) -> UInt64 {
        var key = start.traceID.low ^ start.traceID.high &* 0x9e37_79b9_7f4a_7c15
        key = (key ^ start.parentSpanID) &* 0xbf58_476d_1ce4_e5b9
        key = (key ^ UInt64(operation.rawValue)) &* 0x94d0_49bb_1331_11eb
        key ^= key >> 29
        return key == 0 ? 1 : key
    }
}
