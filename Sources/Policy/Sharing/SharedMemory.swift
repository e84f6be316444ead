internal import CLinux

/// Zeroed memory whose pages are taken at the first touch, and which a second process can map.
///
/// It is an anonymous file (memfd) sealed at its size, so that no other process can shrink it. If the kernel or its
/// filters do not allow that, it is memory of this process alone.
// SAFETY: the mapping is made in the initialisers, given back by the only owner, and touched through `SharedWords`
// only.
@safe final class SharedMemory: @unchecked Sendable {
    /// The bytes of a page: sizes are multiples of it.
    static let pageBytes = 4096

    /// All of it.
    let words: SharedWords
    /// The descriptor for another process to map; −1 for memory of this process alone.
    let descriptor: Int32
    /// The size.
    let byteCount: Int
    private let base: UnsafeMutableRawPointer

    /// New memory; `nil` when there is none, or no room for its addresses.
    ///
    /// - Parameters:
    ///   - name: The name in `/proc`.
    ///   - byteCount: The least size, rounded up to pages.
    ///   - isShareable: True if other processes are to map it, if that is possible.
    init?(_ name: String, byteCount: Int, isShareable: Bool = true) {
        self.byteCount = Self.roundedUp(byteCount)
        // SAFETY: the C string lives as long as the call.
        let file =
            isShareable ? unsafe name.withCString { unsafe weir_memory_create($0, Self.roundedUp(byteCount)) } : -1
        var start = unsafe file >= 0 ? weir_memory_map(file, self.byteCount) : nil
        if file >= 0, unsafe start == nil { _ = weir_close(file) }
        descriptor = unsafe file >= 0 && start != nil ? file : -1
        if descriptor < 0 { unsafe start = weir_memory_map(-1, self.byteCount) }
        guard let start = unsafe start else { return nil }
        unsafe base = start
        words = unsafe SharedWords(start, count: self.byteCount / 8)
    }

    /// Memory that another process has made; `nil` when it is no such memory, may shrink, or cannot be mapped.
    ///
    /// - Parameters:
    ///   - descriptor: This memory's own from now on, and closed in any case.
    ///   - maxBytes: The largest size that is mapped.
    init?(adopting descriptor: Int32, maxBytes: Int) {
        let size = weir_memory_size(descriptor)
        guard size >= Self.pageBytes, size <= maxBytes, let start = unsafe weir_memory_map(descriptor, Int(size)) else {
            if descriptor >= 0 { _ = weir_close(descriptor) }
            return nil
        }
        self.descriptor = descriptor
        byteCount = Int(size)
        unsafe base = start
        words = unsafe SharedWords(start, count: Int(size) / 8)
    }

    deinit {
        // SAFETY: mapped by an initialiser with this size, and nobody has the words any more.
        unsafe weir_memory_unmap(base, byteCount)
        if descriptor >= 0 { _ = weir_close(descriptor) }
    }

    /// True if another process can map it.
    var isShareable: Bool { descriptor >= 0 }

    /// The touched part in bytes, by any process.
    var bytesInUse: Int {
        // SAFETY: the call looks at which pages of the mapping are there.
        max(0, Int(unsafe weir_memory_in_use(descriptor, base, byteCount)))
    }

    /// A size in whole pages, at least one.
    static func roundedUp(_ byteCount: Int) -> Int { max(1, (byteCount + pageBytes - 1) / pageBytes) * pageBytes }
}
