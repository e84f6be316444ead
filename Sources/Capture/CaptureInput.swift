internal import CLinux
internal import Glibc

/// The bytes of a capture, from a descriptor or from memory, with a buffer from which they are read in order.
///
/// The buffer holds ``chunkBytes``, or as many as ``fill(_:)`` asked for at once.
@safe final class CaptureInput {
    /// The size of a read, in bytes.
    static let chunkBytes = 1 << 18

    private let descriptor: Int32
    private let isOwned: Bool
    private let waits: CaptureWaits
    /// The bytes, when there is no descriptor, and how many of them come at a time.
    private let contents: [UInt8]
    private let pieceBytes: Int
    private var contentsOffset = 0

    private var buffer: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    /// The number of bytes consumed.
    private(set) var position: UInt64 = 0
    /// True after a stop request.
    private(set) var isStopped = false
    /// True if waits end after the time that ``CaptureWaits`` gives; otherwise they last until bytes come.
    var endsWaits = false
    /// True if the last read ended for want of bytes in time: the same one can be made again.
    private(set) var isTimedOut = false
    /// The `errno` of a failed read; 0 if none failed.
    private(set) var failure: Int32 = 0

    /// The bytes of an open descriptor.
    ///
    /// - Parameters:
    ///   - descriptor: Open for reading.
    ///   - isOwned: True if it is closed with this object.
    ///   - waits: The handler to call before a read waits, and the descriptor that ends it.
    init(descriptor: Int32, isOwned: Bool, waits: CaptureWaits) {
        self.descriptor = descriptor
        self.isOwned = isOwned
        self.waits = waits
        contents = []
        pieceBytes = 0
        capacity = Self.chunkBytes
        unsafe buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }

    /// Bytes that are there.
    ///
    /// - Parameters:
    ///   - contents: All of them.
    ///   - pieceBytes: The number of bytes that arrive at a time; at least one.
    init(contents: [UInt8], pieceBytes: Int) {
        descriptor = -1
        isOwned = false
        waits = CaptureWaits()
        self.contents = contents
        self.pieceBytes = max(pieceBytes, 1)
        capacity = 64
        unsafe buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        unsafe buffer.deallocate()
        if isOwned { close(descriptor) }
    }

    /// The number of bytes in the buffer.
    var available: Int { end - start }

    /// The first byte in the buffer; ``available`` bytes are there until the next call that reads.
    var bytes: UnsafeRawPointer { unsafe UnsafeRawPointer(buffer + start) }

    /// The 32 bits at `offset` in the buffer, in this machine's order; below ``available`` by at least 4.
    func word(at offset: Int) -> UInt32 {
        precondition(offset >= 0 && offset <= available - 4)
        // SAFETY: checked above; the buffer's bytes from start to end were read into it.
        return unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }

    /// Reads until `count` bytes are in the buffer.
    ///
    /// - Parameter count: The number of bytes; the caller bounds it.
    /// - Returns: True if they are there; false if the bytes end, fail, were stopped or did not come in time.
    func fill(_ count: Int) -> Bool {
        if available >= count { return true }
        makeRoom(for: count)
        while available < count {
            guard readMore() else { return false }
        }
        return true
    }

    /// Removes bytes from the buffer.
    ///
    /// - Parameter count: At most ``available``.
    func consume(_ count: Int) {
        precondition(count >= 0 && count <= available)
        start += count
        position += UInt64(count)
    }

    /// Skips bytes, in the buffer or not.
    ///
    /// - Parameter count: The number of bytes; none of them are kept.
    /// - Returns: The number of bytes still to skip; above 0 if the bytes end, fail, were stopped or are late.
    func skip(_ count: Int) -> Int {
        var rest = count
        while rest > 0 {
            if available == 0 {
                makeRoom(for: 1)
                guard readMore() else { return rest }
            }
            let step = min(rest, available)
            consume(step)
            rest -= step
        }
        return 0
    }

    /// Copies bytes out of the buffer, reading when it is empty.
    ///
    /// - Parameters:
    ///   - target: The destination.
    ///   - count: At most as many.
    /// - Returns: The number of bytes; 0 at the end, -1 if reading failed.
    func take(_ target: UnsafeMutableRawPointer, _ count: Int) -> Int {
        if available == 0 {
            makeRoom(for: 1)
            guard readMore() else { return failure == 0 ? 0 : -1 }
        }
        let taken = min(count, available)
        // SAFETY: as many bytes are in the buffer, and the caller has room for `count`.
        unsafe target.copyMemory(from: bytes, byteCount: taken)
        consume(taken)
        return taken
    }

    /// True if a read may end for want of bytes in time.
    var hasTimeout: Bool { waits.timeoutMilliseconds >= 0 }

    /// Opens a regular file anew, from its first byte, as a stream of the C library's.
    ///
    /// Reading it never waits, so that it need not go through the buffer here; the stream's own reads are cheaper.
    ///
    /// - Returns: The stream, which is the caller's; `nil` of what is no regular file.
    func openPlainFile() -> UnsafeMutablePointer<FILE>? {
        guard isOwned else { return nil }
        var facts = stat()
        // SAFETY: the descriptor is open and the structure is there for the time of the call.
        guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return nil }
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return nil }
        // SAFETY: the mode is a terminated string; the stream owns its descriptor from here on.
        guard lseek(copy, 0, SEEK_SET) == 0, let stream = unsafe fdopen(copy, "rb") else {
            close(copy)
            return nil
        }
        unsafe setvbuf(stream, nil, Int32(_IOFBF), 1 << 16)
        return unsafe stream
    }

    /// Checks for a stop request, for readers that bypass this object.
    ///
    /// - Returns: True if there was one; ``isStopped`` is then set too.
    func seesStop() -> Bool {
        if weir_wait(-1, 0, waits.stop, 0) == 2 { isStopped = true }
        return isStopped
    }

    private func makeRoom(for count: Int) {
        if start == end {
            start = 0
            end = 0
        }
        guard capacity - start < count else { return }
        let held = available
        if capacity >= count {
            // SAFETY: both ranges lie in the buffer; they may overlap.
            unsafe memmove(buffer, buffer + start, held)
        } else {
            let larger = max(count, min(2 * capacity, Self.chunkBytes))
            let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            // SAFETY: `held` bytes are in the old buffer, and the new one is larger.
            unsafe fresh.copyMemory(from: bytes, byteCount: held)
            unsafe buffer.deallocate()
            unsafe buffer = fresh
            capacity = larger
        }
        start = 0
        end = held
    }

    /// Reads once into what is free of the buffer.
    private func readMore() -> Bool {
        guard !isAtEnd, !isStopped, failure == 0 else { return false }
        isTimedOut = false
        let count = descriptor < 0 ? takePiece() : readDescriptor()
        end += max(count, 0)
        if count == 0 { isAtEnd = !isStopped && !isTimedOut }
        return count > 0
    }

    private func takePiece() -> Int {
        let count = min(pieceBytes, contents.count - contentsOffset, capacity - end)
        // SAFETY: as many bytes are left of the contents, and free in the buffer.
        unsafe contents.withUnsafeBytes {
            guard let from = $0.baseAddress, count > 0 else { return }
            unsafe (buffer + end).copyMemory(from: from + contentsOffset, byteCount: count)
        }
        contentsOffset += count
        return count
    }

    private func readDescriptor() -> Int {
        while true {
            guard waitForBytes() else { return 0 }
            // SAFETY: the rest of the buffer after `end` is free.
            let count = unsafe read(descriptor, buffer + end, capacity - end)
            if count >= 0 { return count }
            if errno == EINTR || errno == EAGAIN { continue }
            failure = errno
            return -1
        }
    }

    /// Waits until a read does not block; true if there is one to make.
    private func waitForBytes() -> Bool {
        var timeout: Int32 = 0
        var isWaiting = false
        while true {
            switch weir_wait(descriptor, Int32(POLLIN), waits.stop, timeout) {
            case 0 where isWaiting:
                isTimedOut = true
                return false
            case 0:
                waits.willWait()
                isWaiting = true
                timeout = endsWaits ? waits.timeoutMilliseconds : -1
            case 2:
                isStopped = true
                return false
            // What poll(2) cannot wait for says so when it is read.
            default: return true
            }
        }
    }
}
