internal import Calls
internal import Hessian
internal import Wire

/// A worker's own memory of which names mean which operation, so that the registry is asked only at first sight.
///
/// Open addressing over the hash of the names' bytes as they are on the wire. At most ``capacity`` keys are
/// remembered; when more come, all are forgotten and learnt anew, so that a peer that makes names up costs time and
/// not memory.
struct OperationCache: ~Copyable {
    /// The most keys remembered.
    static let capacity = 4096
    /// A longer name is cut for its label.
    static let maxNameBytes = 255
    /// A longer key is not remembered.
    private static let maxKeyBytes = 1024

    /// A remembered operation; a hash of 0 marks a free slot.
    struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        /// Where the key lies in ``store``, its group behind it.
        var offset: UInt32 = 0
        var keyBytes: UInt16 = 0
        var groupBytes: UInt16 = 0
        var operation = OperationID(rawValue: 0)
        var callProtocol = CallProtocol.dubbo
        var isOverflow = false
    }

    private let registry: OperationRegistry
    private var slots = FlatTable(repeating: Slot(), count: 64)
    private var used = 0
    private var store: [UInt8] = []
    private var scratch: [UInt8] = []
    private let seed: UInt64

    init(registry: OperationRegistry) {
        self.registry = registry
        seed = ByteHash.processSeed
    }

    // MARK: Looking up

    /// The operation that was learnt under that key and group.
    ///
    /// - Parameters:
    ///   - callProtocol: Whose names they are.
    ///   - key: Bytes that spell interface, version and method without doubt, such as the request's own.
    ///   - group: The group; empty for none.
    /// - Returns: The operation, or `nil` when those names, spelled so, were not met before.
    @inline(__always)
    func known(_ callProtocol: CallProtocol, key: RawSpan, group: RawSpan) -> OperationID? {
        let hash = hash(callProtocol, key: key, group: group)
        var place = Int(truncatingIfNeeded: hash) & (slots.count &- 1)
        while slots[place].hash != 0 {
            if slots[place].hash == hash, isSame(slots[place], callProtocol: callProtocol, key: key, group: group) {
                if slots[place].isOverflow { registry.countOverflow() }
                return slots[place].operation
            }
            place = (place &+ 1) & (slots.count &- 1)
        }
        return nil
    }

    /// The operation of those names, learnt if need be.
    mutating func operation(
        _ callProtocol: CallProtocol,
        interface: RawSpan,
        version: RawSpan,
        method: RawSpan,
        group: RawSpan
    ) -> OperationID {
        scratch.removeAll(keepingCapacity: true)
        // No request's own bytes begin so: the two kinds of keys cannot be taken for each other.
        scratch.append(0xff)
        append(interface)
        append(version)
        append(method)
        let key = scratch
        if let known = known(callProtocol, key: key.byteSpan, group: group) { return known }
        return learn(
            callProtocol,
            key: key.byteSpan,
            group: group,
            interface: interface,
            version: version,
            method: method
        )
    }

    // MARK: Tools

    /// How the method of a tool begins.
    private static let toolPrefix = Array("tools/call:".utf8)

    /// The operation of a tool that this worker has met as one that is told apart; see ``Inspector/rpcOperation``.
    mutating func tool(interface: RawSpan, name: RawSpan) -> OperationID? {
        makeToolKey(interface, name)
        let key = scratch
        let known = known(.jsonrpc, key: key.byteSpan, group: interface.extracting(0..<0))
        return known
    }

    /// Remembers the operation of a tool.
    mutating func learnTool(_ operation: OperationID, interface: RawSpan, name: RawSpan) {
        makeToolKey(interface, name)
        let key = scratch
        remember(operation, .jsonrpc, key: key.byteSpan, group: interface.extracting(0..<0))
    }

    /// The names of a tool's operation.
    func toolOperation(interface: RawSpan, name: RawSpan) -> Operation {
        let method = Self.toolPrefix + name.array
        return Operation(
            callProtocol: .jsonrpc,
            interface: HessianText.string(interface, maxBytes: Self.maxNameBytes),
            version: "",
            group: "",
            method: HessianText.string(method.byteSpan, maxBytes: Self.maxNameBytes)
        )
    }

    private mutating func makeToolKey(_ interface: RawSpan, _ name: RawSpan) {
        scratch.removeAll(keepingCapacity: true)
        // Neither a request's own bytes nor names put together begin so.
        scratch.append(0xfe)
        append(interface)
        append(name)
    }

    // MARK: Learning

    /// Asks the registry for the operation of those names and remembers it under a key.
    ///
    /// The version that stands for none becomes none, so that both spellings are one operation.
    mutating func learn(
        _ callProtocol: CallProtocol,
        key: RawSpan,
        group: RawSpan,
        interface: RawSpan,
        version: RawSpan,
        method: RawSpan
    ) -> OperationID {
        let operation = registry.intern(
            Operation(
                callProtocol: callProtocol,
                interface: HessianText.string(interface, maxBytes: Self.maxNameBytes),
                version: version.equals(Operation.zeroVersion)
                    ? "" : HessianText.string(version, maxBytes: Self.maxNameBytes),
                group: HessianText.string(group, maxBytes: Self.maxNameBytes),
                method: HessianText.string(method, maxBytes: Self.maxNameBytes)
            )
        )
        remember(operation, callProtocol, key: key, group: group)
        return operation
    }

    /// Remembers an operation under a key, unless that is too long.
    private mutating func remember(
        _ operation: OperationID,
        _ callProtocol: CallProtocol,
        key: RawSpan,
        group: RawSpan
    ) {
        guard key.byteCount + group.byteCount <= Self.maxKeyBytes else { return }
        if used >= Self.capacity { forget() }
        if used * 2 >= slots.count { grow() }
        insert(
            Slot(
                hash: hash(callProtocol, key: key, group: group),
                offset: UInt32(store.count),
                keyBytes: UInt16(key.byteCount),
                groupBytes: UInt16(group.byteCount),
                operation: operation,
                callProtocol: callProtocol,
                isOverflow: operation == OperationRegistry.overflow(callProtocol)
            )
        )
        store.append(key)
        store.append(group)
        used += 1
    }

    // MARK: The table

    @inline(__always)
    private func hash(_ callProtocol: CallProtocol, key: RawSpan, group: RawSpan) -> UInt64 {
        var hash = ByteHash(seed: seed &+ UInt64(callProtocol.rawValue))
        hash.combine(key)
        if group.byteCount > 0 { hash.combine(group) }
        return hash.value | 1
    }

    @inline(__always)
    private func isSame(_ slot: Slot, callProtocol: CallProtocol, key: RawSpan, group: RawSpan) -> Bool {
        guard Int(slot.keyBytes) == key.byteCount, Int(slot.groupBytes) == group.byteCount,
            slot.callProtocol == callProtocol
        else { return false }
        let start = Int(slot.offset)
        let bytes = store.byteSpan
        guard bytes.extracting(start..<start &+ key.byteCount).elementsEqual(key) else { return false }
        let end = start &+ key.byteCount
        return group.byteCount == 0 || bytes.extracting(end..<end &+ group.byteCount).elementsEqual(group)
    }

    /// Appends a name to the key that is being made, its length first.
    private mutating func append(_ name: RawSpan) {
        scratch.appendBigEndian(UInt16(truncatingIfNeeded: name.byteCount))
        scratch.append(name)
    }

    private mutating func insert(_ slot: Slot) {
        var place = Int(truncatingIfNeeded: slot.hash) & (slots.count - 1)
        while slots[place].hash != 0 { place = (place + 1) & (slots.count - 1) }
        slots[place] = slot
    }

    private mutating func grow() {
        var larger = FlatTable(repeating: Slot(), count: slots.count * 2)
        swap(&larger, &slots)
        for index in 0..<larger.count where larger[index].hash != 0 { insert(larger[index]) }
    }

    private mutating func forget() {
        slots = FlatTable(repeating: Slot(), count: slots.count)
        store.removeAll(keepingCapacity: true)
        used = 0
    }
}
