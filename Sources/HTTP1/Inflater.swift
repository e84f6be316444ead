internal import CZlib

/// A decoder of coded bodies in any pieces; the only place that uses zlib's decoder.
///
/// It is reused: its memory, some 50 KiB, is allocated when the first body begins and kept until the object ends; a
/// piece allocates nothing. The output is bounded in all, and the work by input and output.
///
/// - gzip: gzip: every member is read, one after the other (RFC 1952 §2.2). Bytes after the last one are ignored, as
///   most peers ignore them.
/// - deflate: deflate: the zlib format or bare deflate, distinguished by the first two bytes as clients do.
///
/// Not for more than one thread at a time.
@safe public final class Inflater {
    /// The most bytes produced at once.
    public static let pieceBytes = 8192
    /// zlib's 32 KiB window.
    private static let windowBits: Int32 = 15

    private enum Phase {
        /// Nothing has come.
        case start
        /// One byte of a body in the deflate coding has come, and is kept.
        case firstByte
        case inside
        /// A gzip member has ended, or the body.
        case memberEnd
        /// The bytes after it are ignored.
        case ended
        case failed
    }

    // SAFETY: the stream and the room behind it are this object's alone and are given back once, in `deinit`. zlib
    // remembers the stream's address, so it has one of its own.
    private let stream: UnsafeMutablePointer<z_stream>
    private var room: UnsafeMutablePointer<UInt8>?
    private var phase = Phase.ended
    private var coding = ContentCoding.gzip
    private var firstByte: UInt8 = 0
    /// The number of bytes that the current member has produced; `nil` for the first one.
    private var laterMemberBytes: Int?
    private var limitBytes = 0

    /// The number of bytes produced from this body.
    public private(set) var givenBytes = 0

    /// A decoder that has no memory yet.
    public init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
    }

    deinit {
        // SAFETY: a stream that has a room was set up by zlib.
        if let room = unsafe room {
            _ = unsafe inflateEnd(stream)
            unsafe room.deallocate()
        }
        unsafe stream.deallocate()
    }

    /// True if the body has ended as its format prescribes.
    public var isEnded: Bool { phase == .memberEnd || phase == .ended }

    /// Begins a body.
    ///
    /// - Parameters:
    ///   - coding: A readable coding.
    ///   - limitBytes: The most bytes to produce.
    /// - Throws: ``InflateError/noMemory``, or ``InflateError/malformed`` for a coding that is not readable.
    public func begin(_ coding: ContentCoding, limitBytes: Int) throws(InflateError) {
        phase = .failed
        guard coding.isReadable else { throw .malformed }
        self.coding = coding
        self.limitBytes = max(0, limitBytes)
        givenBytes = 0
        laterMemberBytes = nil
        if unsafe room == nil { try allocate() }
        // 16 more is gzip's header and trailer in zlib's own words.
        if coding == .gzip { try reset(Self.windowBits + 16) }
        phase = .start
    }

    /// Reads a piece.
    ///
    /// - Parameters:
    ///   - piece: Any number of the body's next bytes.
    ///   - take: Receives the output, in order, at most ``pieceBytes`` at once; not called without output.
    /// - Throws: The reason, if the body is not valid. Everything before it has been produced; every further piece is
    ///   refused until the next body begins.
    public func read(_ piece: RawSpan, _ take: (RawSpan) -> Void) throws(InflateError) {
        guard phase != .failed else { throw .malformed }
        do throws(InflateError) {
            try unsafe piece.withUnsafeBytes { (bytes) throws(InflateError) in
                guard let start = bytes.baseAddress, bytes.count > 0 else { return }
                // SAFETY: zlib reads at most `count` bytes and none after the call.
                try unsafe read(start.assumingMemoryBound(to: UInt8.self), count: bytes.count, take: take)
            }
        } catch {
            phase = .failed
            throw error
        }
    }

    /// Ends the body.
    ///
    /// - Throws: ``InflateError/truncated`` if its format requires more; an empty body is valid.
    public func finish() throws(InflateError) {
        defer { phase = .ended }
        switch phase {
        case .start, .memberEnd, .ended: return
        // A later member that has not given anything out was no member.
        case .inside where laterMemberBytes == 0: return
        case .firstByte, .inside: throw .truncated
        case .failed: throw .malformed
        }
    }

    // MARK: zlib

    private func allocate() throws(InflateError) {
        let size = unsafe Int32(MemoryLayout<z_stream>.size)
        // SAFETY: the stream is zeroed, which asks zlib for its own allocator.
        guard unsafe inflateInit2_(stream, Self.windowBits, ZLIB_VERSION, size) == Z_OK else { throw .noMemory }
        unsafe room = .allocate(capacity: Self.pieceBytes)
    }

    private func reset(_ windowBits: Int32) throws(InflateError) {
        // SAFETY: the stream was set up in `allocate`. All formats have a window of the same size, which is kept.
        guard unsafe inflateReset2(stream, windowBits) == Z_OK else { throw .noMemory }
    }

    /// Reads bytes in any phase.
    private func read(
        _ start: UnsafePointer<UInt8>,
        count: Int,
        take: (RawSpan) -> Void
    ) throws(InflateError) {
        var at = 0
        while at < count {
            switch phase {
            case .start where coding == .deflate:
                firstByte = unsafe start[at]
                at += 1
                phase = .firstByte
            case .start: phase = .inside
            case .firstByte: try chooseFormat(unsafe start[at], take)
            case .inside: try unsafe inflate(start, count: count, at: &at, take: take)
            case .memberEnd:
                // What begins otherwise is no further member.
                guard unsafe coding == .gzip && start[at] == 0x1f else {
                    phase = .ended
                    return
                }
                try reset(Self.windowBits + 16)
                laterMemberBytes = 0
                phase = .inside
            case .ended: return
            case .failed: throw .malformed
            }
        }
    }

    /// Distinguishes the zlib format from bare deflate and reads the byte that was kept.
    ///
    /// Source: RFC 1950 §2.2. A bare stream begins so only if its first block is stored and its padding is not zero,
    /// which no encoder writes.
    private func chooseFormat(_ second: UInt8, _ take: (RawSpan) -> Void) throws(InflateError) {
        let header = UInt16(firstByte) << 8 | UInt16(second)
        let isZlib = firstByte & 0x0f == 8 && firstByte >> 4 <= 7 && header % 31 == 0
        try reset(isZlib ? Self.windowBits : -Self.windowBits)
        phase = .inside
        var at = 0
        // SAFETY: the byte outlives the call, and zlib reads only it.
        try unsafe withUnsafePointer(to: firstByte) { (byte) throws(InflateError) in
            try unsafe inflate(byte, count: 1, at: &at, take: take)
        }
    }

    /// Reads until the bytes are used up or the member ends.
    private func inflate(
        _ start: UnsafePointer<UInt8>,
        count: Int,
        at: inout Int,
        take: (RawSpan) -> Void
    ) throws(InflateError) {
        guard let room = unsafe room else { throw .noMemory }
        let available = UInt32(clamping: count - at)
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: start + at)
        unsafe stream.pointee.avail_in = available
        while true {
            // One byte more than may be given out tells whether there is more.
            let wanted = min(Self.pieceBytes, limitBytes - givenBytes + 1)
            unsafe stream.pointee.next_out = room
            unsafe stream.pointee.avail_out = UInt32(wanted)
            // SAFETY: zlib reads `avail_in` bytes of the piece and writes at most `wanted` into the room.
            let status = unsafe CZlib.inflate(stream, Z_NO_FLUSH)
            let made = unsafe wanted - Int(stream.pointee.avail_out)
            try unsafe give(room, made: made, take: take)
            guard status == Z_OK || status == Z_BUF_ERROR else {
                at += unsafe Int(available) - Int(stream.pointee.avail_in)
                return try memberEnded(status)
            }
            // With room left over everything has been read.
            if made < wanted { break }
        }
        at += Int(available)
    }

    private func give(_ room: UnsafeMutablePointer<UInt8>, made: Int, take: (RawSpan) -> Void) throws(InflateError) {
        let given = min(made, limitBytes - givenBytes)
        if given > 0 {
            givenBytes += given
            if let bytes = laterMemberBytes { laterMemberBytes = bytes + given }
            // SAFETY: zlib has written at least as many bytes, and the room outlives the call.
            take(unsafe RawSpan(_unsafeStart: room, byteCount: given))
        }
        if made > given { throw .tooLarge }
    }

    private func memberEnded(_ status: Int32) throws(InflateError) {
        switch status {
        case Z_STREAM_END: phase = .memberEnd
        case Z_MEM_ERROR: throw .noMemory
        // Bytes after a whole member that only begin like another.
        case _ where laterMemberBytes == 0: phase = .ended
        default: throw .malformed
        }
    }
}
