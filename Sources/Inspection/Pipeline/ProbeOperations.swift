internal import Calls
internal import Wire

/// Tells the operations that are called to see whether the service is there (`$echo`): they are neither limited nor
/// refused by a drain.
struct ProbeOperations: ~Copyable {
    private static let unknown: UInt8 = 2
    private let registry: OperationRegistry
    private var kinds = FlatTable(repeating: UInt8(0), count: 0)

    init(registry: OperationRegistry) { self.registry = registry }

    /// True if an operation is such a one.
    mutating func contains(_ operation: OperationID) -> Bool {
        while kinds.count <= operation.index { kinds.append(Self.unknown) }
        if kinds[operation.index] == Self.unknown {
            kinds[operation.index] = registry[operation].method == "$echo" ? 1 : 0
        }
        return kinds[operation.index] == 1
    }
}
