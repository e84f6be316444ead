/// A growable row of plain values for hot tables, with bounds checks and a single owner.
///
/// It cannot be copied, so it needs no check for copy-on-write. An array in a class's property makes that check on
/// every change, which was a tenth of a call's cost in a table that changes a dozen times a call.
@safe public struct FlatTable<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline
    var storage: UnsafeMutablePointer<Element>
    @usableFromInline
    var rowCount: Int
    private var capacity: Int

    /// A table of equal elements.
    ///
    /// - Parameters:
    ///   - element: The initial value of every element.
    ///   - count: The number of elements; not negative.
    public init(repeating element: Element, count: Int) {
        capacity = max(count, 4)
        rowCount = count
        unsafe storage = .allocate(capacity: capacity)
        unsafe storage.initialize(repeating: element, count: count)
    }

    /// The number of elements.
    @inlinable
    public var count: Int { rowCount }

    deinit { unsafe storage.deallocate() }

    /// The element at `index`.
    ///
    /// - Parameter index: From 0 to below ``count``; anything else traps.
    @inlinable
    public subscript(index: Int) -> Element {
        @inline(__always)
        get {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: rowCount))
            // SAFETY: index is below count, and so many elements are initialised.
            return unsafe storage[index]
        }
        @inline(__always)
        _modify {  // swift-format-ignore
            precondition(UInt(bitPattern: index) < UInt(bitPattern: rowCount))
            // SAFETY: as above.
            yield unsafe &storage[index]
        }
    }

    /// Appends an element.
    ///
    /// - Parameter element: Any value.
    public mutating func append(_ element: Element) {
        if rowCount == capacity { grow() }
        // SAFETY: rowCount is below capacity.
        unsafe storage.advanced(by: rowCount).initialize(to: element)
        rowCount += 1
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        // SAFETY: the new memory has room for twice the elements; the old is given back after they have moved.
        unsafe larger.moveInitialize(from: storage, count: rowCount)
        unsafe storage.deallocate()
        unsafe storage = larger
        capacity *= 2
    }
}
