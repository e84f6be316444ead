internal import Wire

/// The headers that framing depends on (RFC 9112 §6, §7, §9; RFC 9110 §7.8, §10.1.1).
extension HTTP1Reader {
    private enum Name {
        static let connection: UInt8 = 1
        static let contentLength: UInt8 = 2
        static let transferEncoding: UInt8 = 3
        static let upgrade: UInt8 = 4
        static let expect: UInt8 = 5

        static let table = NameTable([
            ("connection", connection), ("content-length", contentLength), ("transfer-encoding", transferEncoding),
            ("upgrade", upgrade), ("expect", expect),
        ])

        /// True if a name of that length may be one of them.
        @inline(__always)
        static func hasLength(_ count: UInt32) -> Bool {
            let lengths: UInt32 = 1 << 6 | 1 << 7 | 1 << 10 | 1 << 14 | 1 << 17
            return count < 32 && lengths &>> count & 1 == 1
        }
    }

    private enum Token {
        static let chunked: UInt8 = 1
        static let compressed: UInt8 = 2
        static let close: UInt8 = 3
        static let keepAlive: UInt8 = 4
        static let upgrade: UInt8 = 5
        static let continues: UInt8 = 6

        static let table = NameTable([
            ("chunked", chunked), ("gzip", compressed), ("x-gzip", compressed), ("deflate", compressed),
            ("compress", compressed), ("x-compress", compressed), ("close", close), ("keep-alive", keepAlive),
            ("upgrade", upgrade), ("100-continue", continues),
        ])
    }

    /// Records the facts of a header about framing.
    mutating func note(
        _ name: ByteRange,
        _ value: ByteRange,
        of text: RawSpan,
        lineCount: UInt32
    ) throws(HTTP1Error) {
        guard Name.hasLength(name.count) else { return }
        switch Name.table.id(ignoringCaseOf: text.slice(name)) {
        case Name.contentLength: try contentLength(value, of: text)
        case Name.transferEncoding: try transferEncoding(value, of: text)
        case Name.connection:
            if head.connectionLine.isEmpty {
                head.connectionLine = ByteRange(offset: lineBytes &- Int(lineCount), count: Int(lineCount))
            }
            connection(value, of: text)
        case Name.upgrade: head.flags.insert(.upgrade)
        case Name.expect:
            if Token.table.id(ignoringCaseOf: text.slice(value)) == Token.continues {
                head.flags.insert(.expectsContinue)
            }
        default: return
        }
    }

    /// A number, or a list of equal ones (RFC 9110 §8.6).
    private mutating func contentLength(_ value: ByteRange, of text: RawSpan) throws(HTTP1Error) {
        var at = value.indices.lowerBound
        repeat {
            let element = nextElement(of: text, &at, end: value.indices.upperBound)
            guard let length = text.slice(element).decimal else { throw .badContentLength }
            if head.flags.contains(.hasContentLength), head.contentLength != UInt64(length) {
                throw .differingContentLengths
            }
            head.flags.insert(.hasContentLength)
            head.contentLength = UInt64(length)
        } while at <= value.indices.upperBound
    }

    private mutating func transferEncoding(_ value: ByteRange, of text: RawSpan) throws(HTTP1Error) {
        var at = value.indices.lowerBound
        repeat {
            let element = nextElement(of: text, &at, end: value.indices.upperBound)
            // Nothing may follow chunked, itself included (RFC 9112 §7.1).
            guard coding != .chunkedLast else { throw .badTransferEncoding }
            switch Token.table.id(ignoringCaseOf: text.slice(element)) {
            case Token.chunked: coding = .chunkedLast
            case Token.compressed:
                coding = .other
                head.flags.insert(.isTransferCoded)
            default: throw .badTransferEncoding
            }
        } while at <= value.indices.upperBound
    }

    private mutating func connection(_ value: ByteRange, of text: RawSpan) {
        var at = value.indices.lowerBound
        repeat {
            let element = nextElement(of: text, &at, end: value.indices.upperBound)
            switch Token.table.id(ignoringCaseOf: text.slice(element)) {
            case Token.close: head.flags.insert(.close)
            case Token.keepAlive: head.flags.insert(.keepAlive)
            case Token.upgrade: head.flags.insert(.connectionUpgrade)
            default: break
            }
        } while at <= value.indices.upperBound
    }

    /// The list element at `at`, which moves behind its comma, or past `end` after the last one.
    private func nextElement(of text: RawSpan, _ at: inout Int, end: Int) -> ByteRange {
        let start = at
        while at < end, text.byte(at: at) != Byte.comma { at &+= 1 }
        let element = text.trimmed(start, at)
        at &+= 1
        return element
    }
}
