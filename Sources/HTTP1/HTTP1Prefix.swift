internal import Wire

/// The form of a direction's first bytes, before any of them are read as HTTP/1.
public enum HTTP1Prefix: UInt8, BitwiseCopyable, Sendable {
    /// A known method and a space.
    case request
    /// `HTTP/1.`: a direction seen from the server's side.
    case response
    /// The bytes are too few to tell.
    case undecided
    /// Neither.
    case other

    /// A prefix of at most eight bytes, in memory order.
    private struct Beginning {
        let word: UInt64
        let count: Int
        let meaning: HTTP1Prefix

        init(_ text: String, _ meaning: HTTP1Prefix) {
            word = text.utf8.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            count = text.utf8.count
            self.meaning = meaning
        }
    }

    private static let beginnings =
        ["GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ", "OPTIONS ", "TRACE ", "CONNECT "]
        .map { Beginning($0, .request) } + [Beginning("HTTP/1.", .response)]

    /// Classifies the first bytes of a direction.
    ///
    /// - Parameter bytes: The first bytes; eight always suffice.
    public init(_ bytes: RawSpan) {
        let count = min(bytes.byteCount, 8)
        var word: UInt64 = 0
        for index in 0..<count { word |= UInt64(bytes.byte(at: index)) << UInt64(8 * index) }
        var answer = HTTP1Prefix.other
        for beginning in Self.beginnings {
            let shared = min(count, beginning.count)
            let mask = shared == 8 ? UInt64.max : 1 << UInt64(8 * shared) - 1
            guard (word ^ beginning.word) & mask == 0 else { continue }
            answer = shared == beginning.count ? beginning.meaning : .undecided
            if answer != .undecided { break }
        }
        self = answer
    }
}
