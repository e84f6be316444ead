/// A growable row of plain values for hot tables: bounds are checked, copies on write are not, because it has one
/// owner and cannot be copied.
///
/// An array that is a class's property asks on every change whether it is shared; in a table that is changed a dozen
/// times a call that was a tenth of the call's cost.
@safe public struct FlatTable<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline
    var storage: UnsafeMutablePointer<Element>
    @usableFromInline
    var rowCount: Int
    private var capacity: Int

    /// A table of equal elements.
    ///
    /// - Parameters:
    ///   - element: What every element is.
    ///   - count: How many; not negative.
    public init(repeating element: Element, count: Int) {
        capacity = max(count, 4)
        rowCount = count
        unsafe storage = .allocate(capacity: capacity)
        unsafe storage.initialize(repeating: element, count: count)
    }

    /// How many elements there are.
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
