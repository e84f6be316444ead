internal import Wire

/// The buffer for decoded Huffman strings: one for all connections of a thread.
///
/// It grows on use, to slightly more than ``HPACKLimits/maxListBytes`` at most, and is empty between two fields.
public struct HPACKScratch: ~Copyable {
    private var store: [UInt8] = []
    private var used = 0

    /// An empty one; memory is taken on first use.
    public init() {}

    /// The heap memory it owns, in bytes.
    public var ownedBytes: Int { store.isEmpty ? 0 : store.capacity + 32 }

    /// The bytes added since it was emptied.
    var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            store.byteSpan
        }
    }

    /// Forgets what it holds; the memory stays.
    mutating func removeAll() { used = 0 }

    /// Appends a copy of a piece.
    mutating func append(_ piece: RawSpan) -> ByteRange {
        makeRoom(piece.byteCount)
        let range = ByteRange(offset: used, count: piece.byteCount)
        unsafe piece.withUnsafeBytes {
            // SAFETY: the pointer is used inside the closure only.
            unsafe store.replaceSubrange(range.indices, with: $0)
        }
        used += piece.byteCount
        return range
    }

    /// Appends the octets of a Huffman string.
    mutating func append(huffman coded: RawSpan, maxBytes: Int) throws(HuffmanError) -> ByteRange {
        // The shortest code has five bits.
        let most = min(coded.byteCount * 8 / 5, maxBytes)
        makeRoom(most)
        let start = used
        var out = store.mutableSpan
        let count = try HuffmanCode.shared.decode(coded, into: &out, at: start, end: start + most)
        used = start + count
        return ByteRange(offset: start, count: count)
    }

    private mutating func makeRoom(_ count: Int) {
        let missing = used + count - store.count
        guard missing > 0 else { return }
        store.append(contentsOf: repeatElement(0, count: max(missing, min(store.count, 4096), 256)))
    }
}
