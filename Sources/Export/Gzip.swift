internal import CZlib

/// The gzip format of RFC 1952, by zlib.
public enum Gzip {
    /// zlib's 32 KiB window, and 16 for gzip's header and trailer instead of zlib's own.
    private static let windowBits: Int32 = 15 + 16
    private static let memoryLevel: Int32 = 8

    /// The bytes in one gzip member.
    ///
    /// The fastest level: spans repeat their keys so often that the others win little.
    ///
    /// - Parameter bytes: Less than 4 GiB.
    /// - Returns: `nil` when zlib has no memory.
    public static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = unsafe z_stream()
        // SAFETY: zlib remembers the stream's address, which stays the same inside the closure. The stream is zeroed,
        // which asks zlib for its own allocator.
        return unsafe withUnsafeMutablePointer(to: &stream) { unsafe compress(bytes, $0) }
    }

    private static func compress(_ bytes: [UInt8], _ stream: UnsafeMutablePointer<z_stream>) -> [UInt8]? {
        guard let available = UInt32(exactly: bytes.count) else { return nil }
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // SAFETY: the stream is as its owner says; it is ended below.
        let begun = unsafe deflateInit2_(
            stream,
            Z_BEST_SPEED,
            Z_DEFLATED,
            windowBits,
            memoryLevel,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            size
        )
        guard begun == Z_OK else { return nil }
        // SAFETY: the stream was set up above.
        defer { _ = unsafe deflateEnd(stream) }
        // SAFETY: as before; the bound is large enough for everything to go in one call.
        let bound = unsafe Int(deflateBound(stream, UInt(available)))
        var isWhole = false
        let output = unsafe [UInt8](unsafeUninitializedCapacity: bound) { room, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                // SAFETY: zlib reads `available` bytes of the input and writes at most `bound` into the room; both
                // outlive the call, and nothing uses the stream's pointers after it.
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.pointee.avail_in = available
                unsafe stream.pointee.next_out = room.baseAddress
                unsafe stream.pointee.avail_out = UInt32(clamping: bound)
                isWhole = unsafe deflate(stream, Z_FINISH) == Z_STREAM_END
            }
            count = unsafe bound - Int(stream.pointee.avail_out)
        }
        return isWhole ? output : nil
    }
}
