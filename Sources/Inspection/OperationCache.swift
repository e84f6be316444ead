internal import Calls
internal import Hessian
internal import Wire

/// A worker's own memory of which names mean which operation, so that the registry is asked only at first sight.
///
/// Open addressing over the hash of the names' bytes as they are on the wire. At most ``capacity`` names are
/// remembered; when more come, all are forgotten and learnt anew, so that a peer that makes names up costs time and
/// not memory.
struct OperationCache {
    /// The most names remembered.
    static let capacity = 4096
    /// A longer name is cut for its label.
    static let maxNameBytes = 255

    /// A remembered operation; a hash of 0 marks a free slot.
    private struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        var operation = OperationID(rawValue: 0)
        var isOverflow = false
        var names = Names()
    }

    /// The four names one after another in ``store``.
    private struct Names: BitwiseCopyable {
        var offset: UInt32 = 0
        var interface: UInt16 = 0
        var version: UInt16 = 0
        var method: UInt16 = 0
        var group: UInt16 = 0

        var count: Int { Int(interface) + Int(version) + Int(method) + Int(group) }
    }

    private let registry: OperationRegistry
    private var slots: [Slot]
    private var used = 0
    private var store: [UInt8] = []
    private let seed: UInt64

    init(registry: OperationRegistry) {
        self.registry = registry
        slots = Array(repeating: Slot(), count: 64)
        seed = ByteHash.processSeed
    }

    /// The operation of those names.
    mutating func operation(
        _ callProtocol: CallProtocol,
        interface: RawSpan,
        version: RawSpan,
        method: RawSpan,
        group: RawSpan
    ) -> OperationID {
        var hash = ByteHash(seed: seed &+ UInt64(callProtocol.rawValue))
        hash.combine(interface)
        hash.combine(method)
        hash.combine(version)
        hash.combine(group)
        let value = hash.value | 1
        var place = Int(truncatingIfNeeded: value) & (slots.count &- 1)
        while slots[place].hash != 0 {
            if slots[place].hash == value, isSame(slots[place].names, interface, version, method, group) {
                if slots[place].isOverflow { registry.countOverflow() }
                return slots[place].operation
            }
            place = (place &+ 1) & (slots.count &- 1)
        }
        return learn(value, callProtocol, interface, version, method, group)
    }

    private func isSame(
        _ names: Names,
        _ interface: RawSpan,
        _ version: RawSpan,
        _ method: RawSpan,
        _ group: RawSpan
    ) -> Bool {
        guard Int(names.interface) == interface.byteCount, Int(names.version) == version.byteCount,
            Int(names.method) == method.byteCount, Int(names.group) == group.byteCount
        else { return false }
        let start = Int(names.offset)
        var rest = unsafe store.span.bytes.extracting(start..<start &+ names.count)
        return isNext(interface, &rest) && isNext(method, &rest) && isNext(version, &rest) && isNext(group, &rest)
    }

    /// Whether `rest` begins with `piece`, which is then taken off.
    @inline(__always)
    private func isNext(_ piece: RawSpan, _ rest: inout RawSpan) -> Bool {
        let isEqual = rest.extracting(first: piece.byteCount).elementsEqual(piece)
        rest = rest.extracting(droppingFirst: piece.byteCount)
        return isEqual
    }

    private mutating func learn(
        _ hash: UInt64,
        _ callProtocol: CallProtocol,
        _ interface: RawSpan,
        _ version: RawSpan,
        _ method: RawSpan,
        _ group: RawSpan
    ) -> OperationID {
        let operation = registry.intern(
            Operation(
                callProtocol: callProtocol,
                interface: HessianText.string(interface, maxBytes: Self.maxNameBytes),
                version: HessianText.string(version, maxBytes: Self.maxNameBytes),
                group: HessianText.string(group, maxBytes: Self.maxNameBytes),
                method: HessianText.string(method, maxBytes: Self.maxNameBytes)
            )
        )
        let size = interface.byteCount + version.byteCount + method.byteCount + group.byteCount
        guard size <= 4 * Self.maxNameBytes else { return operation }
        if used >= Self.capacity { forget() }
        if used * 2 >= slots.count { grow() }
        let names = Names(
            offset: UInt32(store.count),
            interface: UInt16(interface.byteCount),
            version: UInt16(version.byteCount),
            method: UInt16(method.byteCount),
            group: UInt16(group.byteCount)
        )
        for piece in [interface.array, method.array, version.array, group.array] { store.append(contentsOf: piece) }
        insert(
            Slot(
                hash: hash,
                operation: operation,
                isOverflow: operation == OperationRegistry.overflow(callProtocol),
                names: names
            )
        )
        used += 1
        return operation
    }

    private mutating func insert(_ slot: Slot) {
        var place = Int(truncatingIfNeeded: slot.hash) & (slots.count - 1)
        while slots[place].hash != 0 { place = (place + 1) & (slots.count - 1) }
        slots[place] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(), count: old.count * 2)
        for slot in old where slot.hash != 0 { insert(slot) }
    }

    private mutating func forget() {
        slots = Array(repeating: Slot(), count: slots.count)
        store.removeAll(keepingCapacity: true)
        used = 0
    }
}
