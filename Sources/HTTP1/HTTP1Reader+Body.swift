internal import Wire

/// Bodies and their ends (RFC 9112 §6.3, §7.1).
extension HTTP1Reader {
    /// Decides how the body ends, once the head is complete.
    @usableFromInline
    mutating func endHead() throws(HTTP1Error) -> Progress {
        do throws(HTTP1Error) {
            try checkLengths()
        } catch {
            failure = error
            throw error
        }
        lineBytes = 0
        if head.isInterim {
            awaitsFinal = true
            state = .startLine
            return .interim
        }
        if role == .responses, head.status == 101 || head.method == .connect && head.status / 100 == 2 {
            state = .notHTTP
            return .notHTTP
        }
        return beginBody()
    }

    private func checkLengths() throws(HTTP1Error) {
        guard coding != .absent else { return }
        guard !head.flags.contains(.hasContentLength) else { throw .lengthAndTransferEncoding }
        guard head.version == .oneOne else { throw .transferEncodingInHTTP10 }
        guard coding == .chunkedLast else { throw .badTransferEncoding }
    }

    private mutating func beginBody() -> Progress {
        let hasNone = role == .responses && (head.method == .head || head.status == 204 || head.status == 304)
        if hasNone {
            head.body = .none
        } else if coding == .chunkedLast {
            head.body = .chunked
        } else if head.flags.contains(.hasContentLength) {
            head.body = head.contentLength == 0 ? .none : .length
        } else {
            head.body = role == .requests ? .none : .untilClose
        }
        switch head.body {
        case .none:
            startMessage()
            return .message
        case .length:
            remaining = head.contentLength
            state = .lengthBody
        case .chunked: beginChunk()
        case .untilClose: state = .endlessBody
        }
        return .head
    }

    @usableFromInline
    mutating func endDirection() -> Ending {
        if state == .notHTTP { return .notHTTP }
        if state == .endlessBody, failure == nil {
            startMessage()
            return .message
        }
        return isAtBoundary ? .clean : .truncated
    }

    // MARK: Bytes of bodies

    /// One piece of data, or one byte of framing.
    mutating func nextOfBody(_ bytes: RawSpan, _ at: inout Int) throws(HTTP1Error) -> Event {
        switch state {
        case .lengthBody, .chunkData: return nextPiece(bytes, &at)
        case .endlessBody:
            defer { at = bytes.byteCount }
            return .body(from: at, count: bytes.byteCount &- at)
        case .chunkSize: try chunkSize(bytes.byte(at: at))
        case .chunkExtension:
            try chunkExtension(bytes, &at)
            return .nothing
        case .chunkSizeEnd:
            guard bytes.byte(at: at) == Byte.lineFeed else { throw .bareCarriageReturn }
            lineBytes = 0
            state = remaining == 0 ? .trailer : .chunkData
        case .chunkDataEnd:
            guard bytes.byte(at: at) == Byte.carriageReturn else { throw .badChunkEnd }
            state = .chunkDataFinal
        default:
            guard bytes.byte(at: at) == Byte.lineFeed else { throw .badChunkEnd }
            beginChunk()
        }
        at &+= 1
        return .nothing
    }

    /// A piece of data of known length.
    ///
    /// The end of a message is reported by a step of its own, without bytes.
    private mutating func nextPiece(_ bytes: RawSpan, _ at: inout Int) -> Event {
        let start = at
        let count = Int(min(remaining, UInt64(bytes.byteCount &- at)))
        at &+= count
        remaining &-= UInt64(count)
        if remaining == 0 { state = state == .chunkData ? .chunkDataEnd : .lengthBodyEnd }
        return .body(from: start, count: count)
    }

    private mutating func beginChunk() {
        state = .chunkSize
        chunkDigits = 0
        remaining = 0
    }

    /// Processes a byte of a chunk's size, or the byte that ends it.
    private mutating func chunkSize(_ byte: UInt8) throws(HTTP1Error) {
        if let digit = Byte.hexDigit(byte) {
            guard chunkDigits < 15 else { throw .badChunkSize }
            chunkDigits &+= 1
            remaining = remaining &<< 4 | digit
            return
        }
        guard chunkDigits > 0 else { throw .badChunkSize }
        switch byte {
        case Byte.carriageReturn: state = .chunkSizeEnd
        case Byte.semicolon:
            lineBytes = 0
            state = .chunkExtension
        case Byte.lineFeed: throw .bareLineFeed
        default: throw .badChunkSize
        }
    }

    /// Extensions are passed over; no control character may hide in them.
    private mutating func chunkExtension(_ bytes: RawSpan, _ at: inout Int) throws(HTTP1Error) {
        let end = bytes.firstControl(from: at)
        lineBytes &+= end &- at
        at = end
        guard lineBytes <= HTTP1Limits.maxChunkExtensionBytes else { throw .headTooLong }
        guard at < bytes.byteCount else { return }
        switch bytes.byte(at: at) {
        case Byte.carriageReturn: state = .chunkSizeEnd
        case Byte.lineFeed: throw .bareLineFeed
        default: throw .controlCharacter
        }
        at &+= 1
    }
}
