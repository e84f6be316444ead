internal import Wire

/// The machine: one step is one line, one piece of a body or one byte of chunk framing.
extension HTTP1Reader {
    @usableFromInline
    mutating func next(_ bytes: RawSpan, _ at: inout Int) throws(HTTP1Error) -> Event {
        if let failure { throw failure }
        precondition(bytes.byteCount <= Int(UInt32.max), "a read is at most 4 GiB")
        if isLineKept {
            line.removeAll(keepBytes: HTTP1Limits.keptLineBytes)
            isLineKept = false
        }
        if state == .lengthBodyEnd {
            startMessage()
            return .messageEnd
        }
        guard at < bytes.byteCount else { return state == .notHTTP ? .notHTTP : .needsMore }
        do throws(HTTP1Error) {
            switch state {
            case .startLine, .header, .trailer: return try nextLine(bytes, &at)
            case .notHTTP: return .notHTTP
            default: return try nextOfBody(bytes, &at)
            }
        } catch {
            failure = error
            throw error
        }
    }

    private mutating func nextLine(_ bytes: RawSpan, _ at: inout Int) throws(HTTP1Error) -> Event {
        guard let range = try takeLine(bytes, &at) else { return .needsMore }
        // Taken out for the call, so that the machine may change while the line is looked at.
        if isLineKept {
            var kept = PrefixBuffer(limitBytes: 0)
            swap(&kept, &line)
            defer { swap(&kept, &line) }
            return try readLine(range, of: kept.bytes)
        }
        return try readLine(range, of: bytes)
    }

    /// Reads one line without its CR LF.
    private mutating func readLine(_ range: ByteRange, of text: RawSpan) throws(HTTP1Error) -> Event {
        switch state {
        case .startLine:
            guard !range.isEmpty else {
                guard role == .requests else { throw .badStartLine }
                lineBytes = 0
                return .nothing
            }
            head = HTTP1Head()
            coding = .absent
            head.startLineBytes = UInt32(truncatingIfNeeded: lineBytes)
            state = .header
            return role == .requests ? try requestLine(range, of: text) : try statusLine(range, of: text)
        case .header:
            guard !range.isEmpty else {
                head.headBytes = UInt32(truncatingIfNeeded: lineBytes)
                return .headEnd
            }
            let (name, value) = try split(range, of: text)
            try note(name, value, of: text, lineCount: range.count &+ 2)
            return .header(name: name, value: value)
        default:
            guard !range.isEmpty else {
                startMessage()
                return .messageEnd
            }
            let (name, value) = try split(range, of: text)
            return .trailer(name: name, value: value)
        }
    }

    /// The line whose CR was the last byte before.
    private mutating func takeLineFeed(
        _ bytes: RawSpan,
        _ at: inout Int,
        mayBeEmpty: Bool
    ) throws(HTTP1Error) -> ByteRange {
        guard bytes.byte(at: at) == Byte.lineFeed else {
            guard mayBeEmpty else { throw .bareCarriageReturn }
            endsInCR = false
            return ByteRange(offset: at, count: 0)
        }
        try step(1, &at)
        endsInCR = false
        isLineKept = true
        return ByteRange(offset: 0, count: line.count)
    }

    /// The next line without its CR LF, or `nil` when the bytes end before it does.
    private mutating func takeLine(_ bytes: RawSpan, _ at: inout Int) throws(HTTP1Error) -> ByteRange? {
        let mayBeEmpty = state == .startLine && role == .requests && line.isEmpty
        if endsInCR { return try takeLineFeed(bytes, &at, mayBeEmpty: mayBeEmpty) }
        let start = at
        let end = bytes.firstControl(from: start)
        if mayBeEmpty, end == start, start < bytes.byteCount, bytes.byte(at: start) == Byte.lineFeed {
            try step(1, &at)
            return ByteRange(offset: at, count: 0)
        }
        try step(end &- start, &at)
        guard end < bytes.byteCount else {
            try keep(bytes.extracting(start..<end))
            return nil
        }
        switch bytes.byte(at: end) {
        case Byte.carriageReturn: break
        case Byte.lineFeed: throw .bareLineFeed
        default: throw .controlCharacter
        }
        try step(1, &at)
        guard at < bytes.byteCount else {
            try keep(bytes.extracting(start..<end))
            endsInCR = true
            return nil
        }
        guard bytes.byte(at: at) == Byte.lineFeed else {
            guard mayBeEmpty, end == start else { throw .bareCarriageReturn }
            return ByteRange(offset: at, count: 0)
        }
        try step(1, &at)
        guard !line.isEmpty else { return ByteRange(offset: start, count: end &- start) }
        try keep(bytes.extracting(start..<end))
        isLineKept = true
        return ByteRange(offset: 0, count: line.count)
    }

    /// Counts bytes of a head or of trailers.
    private mutating func step(_ count: Int, _ at: inout Int) throws(HTTP1Error) {
        at &+= count
        lineBytes &+= count
        guard lineBytes <= HTTP1Limits.maxHeadBytes else { throw .headTooLong }
    }

    private mutating func keep(_ piece: RawSpan) throws(HTTP1Error) {
        guard line.append(piece) else { throw .headTooLong }
    }

    /// Parts a header line at its colon.
    private func split(
        _ range: ByteRange,
        of text: RawSpan
    ) throws(HTTP1Error) -> (name: ByteRange, value: ByteRange) {
        let start = range.indices.lowerBound
        let end = range.indices.upperBound
        guard !Byte.isBlank(text.byte(at: start)) else { throw .foldedHeader }
        var at = start
        while at < end, Byte.isToken(text.byte(at: at)) { at &+= 1 }
        guard at < end, at > start, text.byte(at: at) == Byte.colon else {
            throw at < end && Byte.isBlank(text.byte(at: at)) ? .spaceBeforeColon : .badHeaderName
        }
        return (ByteRange(offset: start, count: at &- start), text.trimmed(at &+ 1, end))
    }

    /// Makes ready for the next message.
    mutating func startMessage() {
        state = .startLine
        lineBytes = 0
        awaitsFinal = false
    }
}
