internal import HTTP2
internal import Wire

/// The frames of one direction of an HTTP/2 connection.
///
///     preface → header ⇄ payload
///     searching ↗    ↘ stalled, waiting (until the session resumes)
///
/// Bytes come in pieces of any size; ``next(_:at:)`` reads one step of them. Of a payload at most what is wanted of its
/// type is kept while it arrives in pieces, of DATA nothing. It is not copyable: a copy for each look would cost more
/// than the look. Source: RFC 9113 §3.4, §4.1.
struct HTTP2FrameReader: ~Copyable {
    enum Phase: UInt8 {
        /// In the client's preface, or in front of it.
        case preface
        /// Between two frames, or in a frame's header.
        case header
        case payload
        /// The beginning of a frame is being looked for.
        case searching
        /// A frame has begun that must wait.
        case stalled
        /// A request's headers wait for its first message.
        case waiting
    }

    /// One step.
    enum Event: Equatable {
        /// Everything is read, or the session must resume first.
        case needsMore
        /// The preface is complete.
        case preface
        /// A frame's header is complete; see ``HTTP2FrameReader/frame``.
        case began
        /// A piece of a payload: of DATA the content in these bytes, which may be none; otherwise an empty range. The
        /// last piece of a payload that is no DATA is told as ``ended`` only.
        case payload(Range<Int>)
        /// The frame is complete.
        case ended
        /// The number of bytes that were searched.
        case searched(Int)
        /// The connection cannot be followed.
        case failed(HTTP2Failure)
    }

    /// The consequence of bytes that are missing.
    enum Loss: Equatable {
        /// A frame was being looked for.
        case none
        /// Bytes of a DATA frame whose end is known.
        case content
        /// The next frame must be looked for; true if a payload was being read.
        case framing(isInPayload: Bool)
    }

    /// The most bytes of a SETTINGS frame that are looked at.
    static let maxSettingsBytes = 4096

    private(set) var phase: Phase
    /// The frame whose header was read last.
    private(set) var frame = HTTP2FrameHeader(payloadBytes: 0, type: 0, streamID: 0)
    /// The bytes of its payload that were read.
    private(set) var payloadRead = 0
    /// The beginning of a payload that arrives in pieces and is wanted.
    private(set) var gathered: [UInt8] = []
    /// The bytes of a header that arrives in pieces.
    private var first: UInt64 = 0
    private var headerHas = 0
    private var prefaceLeft = HTTP2Preface.byteCount
    /// The place of a DATA frame's content in its payload.
    private var content = ByteRange.empty
    /// The bytes that were searched for a frame, in all.
    private var searchedBytes = 0

    /// A reader at the beginning of a direction.
    init(phase: Phase) { self.phase = phase }

    /// True between two frames.
    var isBetweenFrames: Bool { (phase == .header || phase == .waiting) && headerHas == 0 }

    /// True if a header has begun and is not complete.
    var isInHeader: Bool { phase == .header && headerHas > 0 }

    /// The bytes of the payload that are still to come.
    var payloadLeft: Int { Int(frame.payloadBytes) &- payloadRead }

    // MARK: Reading

    /// Reads one step.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that are here.
    ///   - at: The place up to which they are read; moved.
    /// - Returns: The step.
    @inline(__always)
    mutating func next(_ bytes: RawSpan, at: inout Int) -> Event {
        switch phase {
        case .payload:
            if payloadLeft == 0 {
                phase = .header
                return .ended
            }
            return at < bytes.byteCount ? readPayload(bytes, at: &at) : .needsMore
        case .header:
            guard at < bytes.byteCount, gatherHeader(bytes, at: &at) else { return .needsMore }
            begin()
            return .began
        case .preface: return skipPreface(bytes, at: &at)
        case .searching: return search(bytes, at: &at)
        case .stalled, .waiting: return .needsMore
        }
    }

    private mutating func begin() {
        phase = .payload
        payloadRead = 0
        // Where padded content ends is known with its first byte.
        let isPadded = frame.type == HTTP2FrameType.data && frame.has(HTTP2Flag.padded)
        content = isPadded ? .empty : ByteRange(offset: 0, count: Int(frame.payloadBytes))
        if !gathered.isEmpty { gathered.removeAll(keepingCapacity: gathered.capacity <= 1024) }
    }

    /// Takes bytes of a header.
    ///
    /// - Returns: True if the header is complete.
    @inline(__always)
    private mutating func gatherHeader(_ bytes: RawSpan, at: inout Int) -> Bool {
        if headerHas == 0, bytes.byteCount &- at >= HTTP2FrameHeader.byteCount {
            frame = HTTP2FrameHeader(bytes, at: at)
            at &+= HTTP2FrameHeader.byteCount
            return true
        }
        while at < bytes.byteCount {
            let byte = bytes.byte(at: at)
            at += 1
            guard headerHas == 8 else {
                first = first << 8 | UInt64(byte)
                headerHas += 1
                continue
            }
            frame = HTTP2FrameHeader(first: first, last: byte)
            headerHas = 0
            first = 0
            return true
        }
        return false
    }

    private mutating func readPayload(_ bytes: RawSpan, at: inout Int) -> Event {
        let isData = frame.type == HTTP2FrameType.data
        if isData, payloadRead == 0, frame.has(HTTP2Flag.padded) {
            do throws(HTTP2FrameError) {
                content = try frame.content(firstByte: bytes.byte(at: at))
            } catch {
                return .failed(.frame(error))
            }
        }
        let (start, begin) = (payloadRead, at)
        let count = min(payloadLeft, bytes.byteCount &- at)
        at &+= count
        payloadRead &+= count
        guard isData else {
            if count < Int(frame.payloadBytes) {
                let missing = Self.wantedBytes(frame) - gathered.count
                if missing > 0 { gathered.append(bytes.extracting(begin..<at).extracting(first: missing)) }
            }
            guard payloadLeft == 0 else { return .payload(at..<at) }
            phase = .header
            return .ended
        }
        let from = max(content.indices.lowerBound, start)
        let to = min(content.indices.upperBound, payloadRead)
        guard from < to else { return .payload(at..<at) }
        return .payload(begin &+ from &- start..<begin &+ to &- start)
    }

    private mutating func skipPreface(_ bytes: RawSpan, at: inout Int) -> Event {
        let text = Array(HTTP2Preface.text.description.utf8)
        while prefaceLeft > 0, at < bytes.byteCount {
            guard bytes.byte(at: at) == text[text.count - prefaceLeft] else { return .failed(.preface) }
            at += 1
            prefaceLeft -= 1
        }
        guard prefaceLeft == 0 else { return .needsMore }
        phase = .header
        return .preface
    }

    private mutating func search(_ bytes: RawSpan, at: inout Int) -> Event {
        guard searchedBytes <= HTTP2FrameSearch.maxBytes else { return .failed(.resync) }
        guard at < bytes.byteCount else { return .needsMore }
        let start = at
        let found = HTTP2FrameSearch.start(in: bytes, from: at)
        at = found ?? bytes.byteCount
        searchedBytes += at - start
        if found != nil { phase = .header }
        return .searched(at - start)
    }

    // MARK: Payloads

    /// The bytes of a payload that are wanted whole; of DATA none are.
    static func wantedBytes(_ frame: HTTP2FrameHeader) -> Int {
        let count = Int(frame.payloadBytes)
        return switch frame.type {
        case HTTP2FrameType.headers, HTTP2FrameType.continuation, HTTP2FrameType.pushPromise: count
        case HTTP2FrameType.settings: min(count, maxSettingsBytes)
        case HTTP2FrameType.resetStream, HTTP2FrameType.windowUpdate: min(count, 4)
        case HTTP2FrameType.goAway, HTTP2FrameType.ping: min(count, 8)
        default: 0
        }
    }

    /// The place of the wanted bytes of a frame that ends at `end`, unless they were gathered.
    func wantedRange(endingAt end: Int) -> Range<Int> {
        let start = end &- Int(frame.payloadBytes)
        return start < 0 ? 0..<0 : start..<start &+ Self.wantedBytes(frame)
    }

    /// The payload's first four bytes as a number, once they were read.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that are here.
    ///   - end: The place up to which the payload is read.
    /// - Returns: The number.
    func firstNumber(in bytes: RawSpan, endingAt end: Int) -> UInt32 {
        gathered.count >= 4
            ? gathered.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } : bytes.uint32(at: end - payloadRead)
    }

    /// Takes the bytes that were gathered, for use until ``giveBack(_:)``.
    mutating func takeGathered() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &gathered)
        return taken
    }

    /// Takes the memory of gathered bytes back, unless it is much.
    mutating func giveBack(_ bytes: inout [UInt8]) {
        bytes.removeAll(keepingCapacity: bytes.capacity <= 1024)
        swap(&bytes, &gathered)
    }

    // MARK: Control

    /// The frame whose header was read must wait; it is read again as a whole.
    mutating func stall() { phase = .stalled }

    /// Nothing is read behind the frame that has ended.
    mutating func wait() { phase = .waiting }

    /// Reading goes on between two frames.
    mutating func resume() { phase = .header }

    /// Steps over a frame that cannot be decoded.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that are here.
    ///   - at: The place up to which they are stepped over; moved.
    /// - Returns: ``Event/began``, ``Event/ended`` or ``Event/needsMore``.
    mutating func skip(_ bytes: RawSpan, at: inout Int) -> Event {
        if phase == .payload {
            let count = min(payloadLeft, bytes.byteCount - at)
            at += count
            payloadRead += count
            guard payloadLeft == 0 else { return .needsMore }
            phase = .header
            return .ended
        }
        guard phase == .header, gatherHeader(bytes, at: &at) else { return .needsMore }
        phase = .payload
        payloadRead = 0
        return .began
    }

    /// Bytes are missing.
    ///
    /// - Parameter count: How many.
    /// - Returns: The consequence.
    mutating func miss(_ count: UInt64) -> Loss {
        guard phase != .searching else { return .none }
        if phase == .payload, frame.type == HTTP2FrameType.data, count < UInt64(payloadLeft) {
            payloadRead += Int(count)
            return .content
        }
        let isInPayload = phase == .payload
        phase = .searching
        headerHas = 0
        first = 0
        gathered = []
        return .framing(isInPayload: isInPayload)
    }
}
