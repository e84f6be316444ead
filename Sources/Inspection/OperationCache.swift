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

    private struct Slot {
        var hash: UInt64
        var operation: OperationID
        var isOverflow: Bool
        var names: Names
    }

    /// The four names one after another in ``store``.
    private struct Names {
        var offset: Int
        var interface: Int
        var version: Int
        var method: Int
        var group: Int
    }

    private let registry: OperationRegistry
    private var slots: [Slot?]
    private var used = 0
    private var store: [UInt8] = []
    private let seed: UInt64

    init(registry: OperationRegistry) {
        self.registry = registry
        slots = Array(repeating: nil, count: 64)
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
        let value = hash.value
        var place = Int(truncatingIfNeeded: value) & (slots.count &- 1)
        while let slot = slots[place] {
            if slot.hash == value, isSame(slot.names, interface, version, method, group) {
                if slot.isOverflow { registry.countOverflow() }
                return slot.operation
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
        guard names.interface == interface.byteCount, names.version == version.byteCount,
            names.method == method.byteCount, names.group == group.byteCount
        else { return false }
        let bytes = unsafe store.span.bytes
        var at = names.offset
        guard bytes.extracting(at..<at + names.interface).elementsEqual(interface) else { return false }
        at += names.interface
        guard bytes.extracting(at..<at + names.version).elementsEqual(version) else { return false }
        at += names.version
        guard bytes.extracting(at..<at + names.method).elementsEqual(method) else { return false }
        at += names.method
        return bytes.extracting(at..<at + names.group).elementsEqual(group)
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
            offset: store.count,
            interface: interface.byteCount,
            version: version.byteCount,
            method: method.byteCount,
            group: group.byteCount
        )
        for piece in [interface.array, version.array, method.array, group.array] { store.append(contentsOf: piece) }
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
        while slots[place] != nil { place = (place + 1) & (slots.count - 1) }
        slots[place] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: nil, count: old.count * 2)
        for case let slot? in old { insert(slot) }
    }

    private mutating func forget() {
        slots = Array(repeating: nil, count: slots.count)
        store.removeAll(keepingCapacity: true)
        used = 0
    }
}
