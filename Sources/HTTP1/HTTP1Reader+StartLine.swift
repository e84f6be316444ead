internal import Wire

/// The first lines (RFC 9112 §3, §4).
extension HTTP1Reader {
    /// `method SP target SP HTTP/1.x`, each space exactly one.
    mutating func requestLine(_ range: ByteRange, of text: RawSpan) throws(HTTP1Error) -> Event {
        let start = range.indices.lowerBound
        let end = range.indices.upperBound
        var at = start
        while at < end, Byte.isToken(text.byte(at: at)) { at &+= 1 }
        guard at > start, at < end, text.byte(at: at) == Byte.space else { throw .badStartLine }
        let method = ByteRange(offset: start, count: at &- start)
        let targetStart = at &+ 1
        // A target of at least one byte, a space, eight bytes of version.
        guard end &- targetStart >= 10, text.byte(at: end &- 9) == Byte.space else { throw .badStartLine }
        at = targetStart
        while at < end &- 9, !Byte.isBlank(text.byte(at: at)) { at &+= 1 }
        guard at == end &- 9 else { throw .badStartLine }
        head.version = try version(text.word(at: end &- 8))
        head.method = HTTP1Method(text.slice(method))
        return .requestLine(method: method, target: ByteRange(offset: targetStart, count: at &- targetStart))
    }

    /// `HTTP/1.x SP status [SP reason]`; the space before an empty reason is often left out.
    mutating func statusLine(_ range: ByteRange, of text: RawSpan) throws(HTTP1Error) -> Event {
        let start = range.indices.lowerBound
        let end = range.indices.upperBound
        guard range.count >= 12 else { throw .badStartLine }
        head.version = try version(text.word(at: start))
        guard text.byte(at: start &+ 8) == Byte.space, range.count == 12 || text.byte(at: start &+ 12) == Byte.space
        else { throw .badStartLine }
        let digits = text.extracting(start &+ 9..<start &+ 12)
        guard let status = digits.decimal, status >= 100 else { throw .badStartLine }
        head.status = UInt16(truncatingIfNeeded: status)
        let reason = min(start &+ 13, end)
        return .statusLine(reason: ByteRange(offset: reason, count: end &- reason))
    }

    /// The version that eight bytes name, in memory order.
    private func version(_ word: UInt64) throws(HTTP1Error) -> HTTP1Version {
        let oneOne: UInt64 = 0x312e_312f_5054_5448
        if word == oneOne { return .oneOne }
        if word == oneOne &- 1 &<< 56 { return .oneZero }
        // HTTP/d.d of another number.
        let name: UInt64 = 0x0000_002f_5054_5448
        let isVersion =
            word & 0xff_ffff_ffff == name && word &>> 48 & 0xff == 0x2e
            && (0x30...0x39).contains(word &>> 40 & 0xff) && (0x30...0x39).contains(word &>> 56)
        // A higher minor version is read as the highest known one (RFC 9110 §2.5).
        if isVersion, word &>> 40 & 0xff == 0x31 { return .oneOne }
        throw isVersion ? .unsupportedVersion : .badStartLine
    }
}
