internal import Calls
internal import Hessian
internal import Inspection

/// Whole frames for scripts of a Dubbo session, larger than a script can be.
struct MadeFrames {
    /// The most bytes of large frames in one script.
    private static let maxLargeBytes = 1 << 20
    /// The largest frame that is held back for its verdict.
    private static let maxHeldBytes = 65_536

    private static let sizes = [0, 900, 20_000, maxHeldBytes, maxHeldBytes + 1, 90_000, 150_000, 300_000]

    /// Whether a request was too large to be held back.
    private(set) var isOversized = false
    private var requests: UInt64 = 0
    private var replies: UInt64 = 0
    private var largeBytes = 0

    /// The next frame of a direction.
    ///
    /// - Parameters:
    ///   - shape: Its lowest two bits say what is called: `hello`, `no`, `more`, or `no` one way; the next three how
    ///     large it is.
    ///   - direction: To upstream a request, to downstream the reply to the next request that was made.
    ///   - isBetween: Whether it stands between frames; it is small if not.
    /// - Returns: The frame.
    mutating func next(_ shape: UInt8, _ direction: Direction, isBetween: Bool) -> [UInt8] {
        var size = Self.sizes[Int(shape >> 2 & 7)]
        largeBytes += size
        if largeBytes > Self.maxLargeBytes || !isBetween { size = 0 }
        guard direction == .toUpstream else {
            replies += 1
            return Self.frame(0x02, status: 20, id: Self.id(replies), size) { encoder, filler in
                encoder.int(1)
                encoder.binary(filler)
            }
        }
        requests += 1
        let isLarge = size > Self.maxHeldBytes
        if isLarge { isOversized = true }
        // What is too large is given nothing: whether it is depends on the pieces.
        let methods = ["hello", "no", isLarge ? "hello" : "more", "no"]
        return Self.frame(shape & 3 == 3 ? 0x82 : 0xc2, status: 0, id: Self.id(requests), size) { encoder, filler in
            for text in ["2.0.2", "com.x.Svc", "1.0.0", methods[Int(shape & 3)], "[B"] { encoder.string(text) }
            encoder.binary(filler)
            encoder.beginMap()
            encoder.string("path")
            encoder.string("com.x.Svc")
            encoder.end()
        }
    }

    private static func id(_ number: UInt64) -> UInt64 { 1 << 40 + number * 2 }

    /// A frame of `size` bytes, or of a few more when that is too few.
    private static func frame(
        _ flags: UInt8,
        status: UInt8,
        id: UInt64,
        _ size: Int,
        _ write: (inout HessianEncoder, [UInt8]) -> Void
    ) -> [UInt8] {
        var room = 0
        var body: [UInt8] = []
        // The lengths of chunks take bytes, too.
        for _ in 0..<4 {
            var encoder = HessianEncoder(binaryChunkBytes: 0xffff)
            write(&encoder, Array(repeating: UInt8(truncatingIfNeeded: id >> 1), count: room))
            body = encoder.bytes
            let missing = size - 16 - body.count
            guard missing != 0, room + missing > 0 else { break }
            room += missing
        }
        return [0xda, 0xbb, flags, status] + bigEndian(id, 8) + bigEndian(UInt64(body.count), 4) + body
    }

    private static func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
        (1...count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64(count - $0))) }
    }
}
