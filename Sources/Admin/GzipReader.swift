internal import CZlib
internal import NIOCore

/// An unpacker for the output of a ``GzipWriter``, piece by piece, for a client that wants plain text.
///
/// It needs some 20 KiB, however long the text is. Not for more than one thread at a time.
@safe final class GzipReader {
    // SAFETY: the stream is this object's alone and is given back once, in `deinit`. zlib remembers its address.
    private let stream: UnsafeMutablePointer<z_stream>
    private var packed: ByteBuffer
    private var isEnded = false

    /// One that has read nothing.
    ///
    /// - Parameter packed: The output of a ``GzipWriter``.
    /// - Throws: ``OutOfMemory`` if zlib has no memory.
    init(_ packed: ByteBuffer) throws(OutOfMemory) {
        self.packed = packed
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // SAFETY: the stream is zeroed, which asks zlib for its own allocator.
        let begun = unsafe inflateInit2_(stream, GzipWriter.windowBits, ZLIB_VERSION, size)
        guard begun == Z_OK else { throw OutOfMemory() }
    }

    deinit {
        // SAFETY: zlib refuses to end a stream that it has not set up, and does nothing.
        _ = unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// The next bytes of the text.
    ///
    /// - Parameter maxBytes: The most bytes to return.
    /// - Returns: `nil` after the last ones.
    func next(_ maxBytes: Int) -> ByteBuffer? {
        guard !isEnded else { return nil }
        var piece = ByteBuffer()
        unsafe piece.writeWithUnsafeMutableBytes(minimumWritableBytes: maxBytes) { room in
            guard let start = room.baseAddress else { return 0 }
            unsafe stream.pointee.next_out = start.assumingMemoryBound(to: UInt8.self)
            unsafe stream.pointee.avail_out = UInt32(clamping: maxBytes)
            read()
            return unsafe maxBytes - Int(stream.pointee.avail_out)
        }
        return piece.readableBytes > 0 ? piece : nil
    }

    /// Unpacks until the room is full or the text ends.
    private func read() {
        unsafe packed.readWithUnsafeReadableBytes { input in
            guard let start = input.baseAddress else {
                isEnded = true
                return 0
            }
            let available = UInt32(clamping: input.count)
            // SAFETY: zlib reads `avail_in` bytes of the input, which it does not change, and none after the call; it
            // writes into the room that the caller has given it.
            unsafe stream.pointee.next_in = UnsafeMutablePointer(
                mutating: start.assumingMemoryBound(to: UInt8.self)
            )
            unsafe stream.pointee.avail_in = available
            let status = unsafe inflate(stream, Z_NO_FLUSH)
            isEnded = status != Z_OK
            return unsafe Int(available - stream.pointee.avail_in)
        }
    }
}
