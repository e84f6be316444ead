internal import Synchronization

/// Memory that other processes may read and write at the same time, by words and halves of words.
///
/// Every access is one relaxed atomic load or store, so a concurrent write of another process can only give another
/// value. A place outside of the memory reads as 0 and ignores stores, so that a number read from here may be used to
/// find the next one.
// SAFETY: `base` is the start of `count` words for as long as the memory is mapped, and whoever has the words holds the
// `SharedMemory` they are of; every access is checked against `count`.
@safe struct SharedWords: BitwiseCopyable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    /// The number of words.
    let count: Int

    /// The words of a mapping.
    ///
    /// - Parameters:
    ///   - base: The start of the mapping.
    ///   - count: The number of words.
    @unsafe init(_ base: UnsafeMutableRawPointer, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    @inline(__always)
    private func word(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>>? {
        guard UInt(bitPattern: index) < UInt(bitPattern: count) else { return nil }
        // SAFETY: an Atomic<UInt64> is eight bytes at a multiple of eight and nothing else; `index` was checked above.
        return unsafe base.advanced(by: index &* 8).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    @inline(__always)
    private func half(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt32>>? {
        guard UInt(bitPattern: index) < UInt(bitPattern: count) &* 2 else { return nil }
        // SAFETY: as above, with four bytes.
        return unsafe base.advanced(by: index &* 4).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// A word.
    @inline(__always)
    subscript(index: Int) -> UInt64 {
        get { unsafe word(index)?.pointee.load(ordering: .relaxed) ?? 0 }
        nonmutating set { unsafe word(index)?.pointee.store(newValue, ordering: .relaxed) }
    }

    /// Half a word; the halves of word n are 2n and 2n + 1.
    @inline(__always)
    subscript(half index: Int) -> UInt32 {
        get { unsafe half(index)?.pointee.load(ordering: .relaxed) ?? 0 }
        nonmutating set { unsafe half(index)?.pointee.store(newValue, ordering: .relaxed) }
    }

    /// Writes a word after everything that was written before: who sees the word sees that too.
    @inline(__always)
    func commit(_ index: Int, _ value: UInt64) { unsafe word(index)?.pointee.store(value, ordering: .releasing) }

    /// Replaces one value by another.
    ///
    /// - Returns: True if the old value was there.
    @inline(__always)
    func exchange(_ index: Int, _ old: UInt64, for new: UInt64) -> Bool {
        unsafe word(index)?.pointee.compareExchange(expected: old, desired: new, ordering: .acquiring).exchanged
            ?? false
    }

    /// Adds to a word that others add to as well.
    @inline(__always)
    func add(_ index: Int, _ value: UInt64) { unsafe word(index)?.pointee.wrappingAdd(value, ordering: .relaxed) }
}
