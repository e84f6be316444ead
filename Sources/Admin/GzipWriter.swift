internal import CZlib
internal import NIOCore

/// zlib has no memory.
struct OutOfMemory: Error {}

/// A writer of one gzip member (RFC 1952) from any pieces; only it and ``GzipReader`` use zlib in this module.
///
/// The window is 8 KiB: repetitions in a page are closer together, and the unpacker needs little memory.
///
/// Not for more than one thread at a time.
@safe final class GzipWriter {
    /// 8 KiB, and 16 for gzip's header and trailer instead of zlib's own.
    static let windowBits: Int32 = 13 + 16
    /// Pages repeat themselves so much that the slower levels win little.
    private static let level: Int32 = 3
    private static let memoryLevel: Int32 = 8
    private static let roomBytes = 16 << 10

    // SAFETY: the stream and the room are this object's alone and are given back once, in `deinit`. zlib remembers the
    // stream's address, so it has one of its own.
    private let stream: UnsafeMutablePointer<z_stream>
    private let room: UnsafeMutablePointer<UInt8>
    private var output = ByteBuffer()
    /// The number of plain bytes so far.
    private(set) var plainBytes = 0

    init() throws(OutOfMemory) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe room = .allocate(capacity: Self.roomBytes)
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // SAFETY: the stream is zeroed, which asks zlib for its own allocator.
        let begun = unsafe deflateInit2_(
            stream,
            Self.level,
            Z_DEFLATED,
            Self.windowBits,
            Self.memoryLevel,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            size
        )
        guard begun == Z_OK else { throw OutOfMemory() }
    }

    deinit {
        // SAFETY: zlib refuses to end a stream that it has not set up, and does nothing.
        _ = unsafe deflateEnd(stream)
        unsafe stream.deallocate()
        unsafe room.deallocate()
    }

    /// Adds the next bytes.
    ///
    /// - Parameter bytes: Less than 4 GiB.
    func append(_ bytes: [UInt8]) {
        plainBytes += bytes.count
        unsafe bytes.withUnsafeBufferPointer { input in
            // SAFETY: zlib reads `avail_in` bytes of the input, all of them before the closure ends.
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
            while unsafe stream.pointee.avail_in > 0 { _ = run(Z_NO_FLUSH) }
        }
    }

    /// Ends the member; nothing can be taken any more.
    ///
    /// - Returns: The member.
    func finish() -> ByteBuffer {
        unsafe stream.pointee.avail_in = 0
        while run(Z_FINISH) != Z_STREAM_END {}
        return output
    }

    /// Has zlib fill the room once.
    private func run(_ flush: Int32) -> Int32 {
        unsafe stream.pointee.next_out = room
        unsafe stream.pointee.avail_out = UInt32(Self.roomBytes)
        // SAFETY: the stream was set up in `init`; zlib writes at most `avail_out` bytes into the room.
        let status = unsafe deflate(stream, flush)
        // With input or an end to write, and room for it, zlib has nothing to complain about.
        precondition(status == Z_OK || status == Z_STREAM_END, "zlib's stream is broken")
        let made = unsafe Self.roomBytes - Int(stream.pointee.avail_out)
        // SAFETY: zlib has written that many bytes into the room.
        unsafe output.writeBytes(UnsafeRawBufferPointer(start: room, count: made))
        return status
    }
}
