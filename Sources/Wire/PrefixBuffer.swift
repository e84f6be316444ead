/// A bounded store for bytes that must outlive the read they came in.
///
/// It takes at most `limitBytes`. An append that does not fit is refused whole, so that every range it returns has all
/// of its bytes. Emptying it keeps the memory for the next use.
public struct PrefixBuffer: ~Copyable {
    private var storage: [UInt8] = []
    /// The most it holds, in bytes.
    public let limitBytes: Int

    /// An empty buffer; memory is taken on first use.
    ///
    /// - Parameter limitBytes: The most it will hold.
    public init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// The number of bytes in it.
    public var count: Int { storage.count }

    /// True if it is empty.
    public var isEmpty: Bool { storage.isEmpty }

    /// The bytes it holds.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            storage.byteSpan
        }
    }

    /// Appends `piece` if all of it fits.
    ///
    /// - Parameter piece: The bytes to keep.
    /// - Returns: True if it fitted; if not, nothing was appended.
    public mutating func append(_ piece: RawSpan) -> Bool {
        guard piece.byteCount <= limitBytes - storage.count else { return false }
        unsafe piece.withUnsafeBytes {
            // SAFETY: the pointer is used inside the closure only.
            unsafe storage.append(contentsOf: $0)
        }
        return true
    }

    /// Appends what another buffer holds if all of it fits.
    ///
    /// - Parameter other: The bytes to keep.
    /// - Returns: True if they fitted; if not, nothing was appended.
    public mutating func append(_ other: borrowing PrefixBuffer) -> Bool { append(other.bytes) }

    /// Forgets everything and keeps the memory, or gives it back when it has grown past `keepBytes`.
    ///
    /// - Parameter keepBytes: The most memory an empty buffer may go on holding.
    public mutating func removeAll(keepBytes: Int = 4096) {
        guard !storage.isEmpty else { return }
        if storage.capacity > keepBytes {
            storage = []
        } else {
            storage.removeAll(keepingCapacity: true)
        }
    }
}
