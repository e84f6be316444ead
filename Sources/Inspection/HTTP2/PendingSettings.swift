/// SETTINGS of one peer that the other has not acknowledged, as far as they change a header table's size.
///
/// Only those that change it take memory, at most ``maxCount`` of them; any number of others may wait.
struct PendingSettings {
    /// The most that change the table's size.
    static let maxCount = 1000

    /// For each that changes it: how many others came before, behind the one in front of it.
    private var sizes: [(others: UInt64, bytes: UInt32)] = []
    /// How many others came behind the last of them.
    private var others: UInt64 = 0

    /// True if all are acknowledged.
    var isEmpty: Bool { sizes.isEmpty && others == 0 }

    /// One more came.
    ///
    /// - Parameter bytes: The table's size that it names, if it does.
    /// - Returns: True if there was room.
    mutating func append(_ bytes: UInt32?) -> Bool {
        guard let bytes else {
            others &+= 1
            return true
        }
        guard sizes.count < Self.maxCount else { return false }
        sizes.append((others, bytes))
        others = 0
        return true
    }

    /// The first of them is acknowledged.
    ///
    /// - Returns: The table's size from here on, if it named one.
    mutating func acknowledge() -> UInt32? {
        guard let first = sizes.first else {
            if others > 0 { others -= 1 }
            return nil
        }
        guard first.others == 0 else {
            sizes[0].others -= 1
            return nil
        }
        sizes.removeFirst()
        return first.bytes
    }
}
