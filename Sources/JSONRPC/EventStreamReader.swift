internal import Wire

/// A reader of server-sent events in any pieces; it reports the place of each event's data without keeping it.
///
///     event: message           a field: name, colon, perhaps a space, value
///     : still here             a comment, ended as every line by LF, CR LF or CR
///     data: {"id":1,
///     data: "result":2}        the data of an event: its lines with an LF between them
///                              an empty line ends the event
///
/// It looks at every byte once, can stop anywhere and keeps 40 bytes: for names and types only if they are among the
/// few that count. A byte order mark at the beginning is skipped. An event that the bytes end inside of is no event.
///
/// Cost: no allocation; lines are searched in words. Source: WHATWG HTML, 9.2.5 and 9.2.6 ("event stream").
public struct EventStreamReader: BitwiseCopyable, Sendable {
    /// The reasons for which ``read(_:_:)`` returns.
    public enum Progress: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// All bytes are used up.
        case needsMore
        /// The bytes between ``dataStart`` and the position belong to the data of the event going on.
        case data
        /// A further line of data begins: an LF belongs to the data.
        case nextLine
        /// An event ended; it has data, if only an empty line of them.
        case event
    }

    /// The type of an event, as far as it matters here.
    public enum Kind: UInt8, BitwiseCopyable, Equatable, Sendable {
        /// No type, or `message`.
        case message
        /// `endpoint`: the address for messages in MCP's HTTP+SSE transport of 2024.
        case endpoint
        /// Any other.
        case other
    }

    private enum State: UInt8, BitwiseCopyable {
        case lineStart, name, valueStart, value
    }

    enum FieldName: UInt8, BitwiseCopyable {
        case other, data, event, id, retry
    }

    /// The position of the first byte of ``Progress/data``.
    public private(set) var dataStart = 0
    /// The type of the event that has ended, or of the current one as far as it is known.
    public var kind: Kind { type.eventKind }
    /// True if any event had an id, so that the stream may be resumed (`Last-Event-ID`).
    public private(set) var hasEventID = false
    /// True if the server sent a reconnection time (`retry`), as it does before it closes.
    public private(set) var hasRetry = false

    private var state = State.lineStart
    private var field = FieldName.other
    private var name = PackedName()
    private var type = PackedName()
    /// The number of bytes of a byte order mark so far; 3 once its presence is known.
    private var markBytes: UInt8 = 0
    private var skipsLF = false
    private var hasData = false
    private var hasEnded = false

    /// A reader of a stream's first byte.
    public init() {}

    /// Reads on, up to data, an event's end, or the end of the bytes.
    ///
    /// Call it until it returns ``Progress/needsMore``.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that have arrived.
    ///   - at: The position to read at; moved past the bytes read.
    /// - Returns: The reason for returning.
    public mutating func read(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        if hasEnded {
            hasEnded = false
            hasData = false
            type = PackedName()
        }
        while at < bytes.byteCount {
            if skipsLF {
                skipsLF = false
                if bytes.byte(at: at) == 0x0a {
                    at &+= 1
                    continue
                }
            }
            if markBytes < 3, isMark(bytes, &at) { continue }
            let progress: Progress
            switch state {
            case .lineStart, .name: progress = readName(bytes, &at)
            case .valueStart:
                state = .value
                if bytes.byte(at: at) == 0x20 { at &+= 1 }
                progress = .needsMore
            case .value: progress = readValue(bytes, &at)
            }
            if progress != .needsMore { return progress }
        }
        return .needsMore
    }

    /// Steps over the next byte of a byte order mark; true if it was one.
    private mutating func isMark(_ bytes: RawSpan, _ at: inout Int) -> Bool {
        let wanted: UInt8 = markBytes == 0 ? 0xef : markBytes == 1 ? 0xbb : 0xbf
        guard bytes.byte(at: at) == wanted else {
            // Half a mark is the beginning of a name that means nothing.
            if markBytes > 0 {
                state = .name
                name = PackedName.none
            }
            markBytes = 3
            return false
        }
        markBytes &+= 1
        at &+= 1
        return true
    }

    private mutating func readName(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        if state == .lineStart {
            name = PackedName()
            state = .name
        }
        let start = at
        at = bytes.endOfFieldName(from: at)
        name.append(bytes.extracting(start..<at))
        guard at < bytes.byteCount else { return .needsMore }
        if bytes.byte(at: at) == 0x3a {
            at &+= 1
            beginField()
            state = .valueStart
            return field == .data ? beginData() : .needsMore
        }
        // A line without a colon is a field without a value; an empty one ends the event.
        if name.isEmpty {
            endLine(bytes, &at)
            return endEvent()
        }
        beginField()
        endLine(bytes, &at)
        return field == .data ? beginData() : .needsMore
    }

    private mutating func beginField() {
        field = name.eventField
        switch field {
        case .event: type = PackedName()
        case .id: hasEventID = true
        case .retry: hasRetry = true
        case .data, .other: break
        }
    }

    private mutating func beginData() -> Progress {
        guard hasData else {
            hasData = true
            return .needsMore
        }
        return .nextLine
    }

    private mutating func readValue(_ bytes: RawSpan, _ at: inout Int) -> Progress {
        let start = at
        at = bytes.endOfLine(from: at)
        if at > start {
            if field == .event { type.append(bytes.extracting(start..<at)) }
            guard field == .data else { return .needsMore }
            dataStart = start
            return .data
        }
        endLine(bytes, &at)
        return .needsMore
    }

    /// Steps over the CR or LF at `at`; an LF after a CR, which may come later, ends no further line.
    private mutating func endLine(_ bytes: RawSpan, _ at: inout Int) {
        skipsLF = bytes.byte(at: at) == 0x0d
        at &+= 1
        state = .lineStart
    }

    private mutating func endEvent() -> Progress {
        guard hasData else {
            type = PackedName()
            return .needsMore
        }
        hasEnded = true
        return .event
    }
}

extension RawSpan {
    /// The position of the first LF or CR at or after `offset`; `byteCount` without one.
    @inline(__always)
    fileprivate func endOfLine(from offset: Int) -> Int {
        var at = offset
        while at &+ 8 <= byteCount {
            let hits = Self.lineEnds(word(at: at))
            if hits != 0 { return at &+ hits.trailingZeroBitCount / 8 }
            at &+= 8
        }
        while at < byteCount, byte(at: at) != 0x0a, byte(at: at) != 0x0d { at &+= 1 }
        return at
    }

    /// The high bit of each LF and CR; only the lowest one set is reliable.
    @inline(__always)
    private static func lineEnds(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let feeds = word ^ 0x0a0a_0a0a_0a0a_0a0a
        let returns = word ^ 0x0d0d_0d0d_0d0d_0d0d
        return ((feeds &- ones) & ~feeds | (returns &- ones) & ~returns) & 0x8080_8080_8080_8080
    }

    /// The position of the first colon, LF or CR at or after `offset`; `byteCount` without one.
    @inline(__always)
    fileprivate func endOfFieldName(from offset: Int) -> Int {
        var at = offset
        while at < byteCount {
            switch byte(at: at) {
            case 0x3a, 0x0a, 0x0d: return at
            default: at &+= 1
            }
        }
        return at
    }
}

extension EventStreamReader {
    /// True if an `accept` names event streams.
    ///
    /// - Parameter value: The header's value: types with parameters, commas between them.
    /// - Returns: True if `text/event-stream` is one of them; `*/*` is not enough.
    public static func isAccepted(_ value: RawSpan) -> Bool {
        var start = 0
        while start < value.byteCount {
            while start < value.byteCount, value.byte(at: start) == 0x20 || value.byte(at: start) == 0x09 { start += 1 }
            let end = value.firstIndex(of: 0x2c, from: start) ?? value.byteCount
            if isContentType(value.extracting(start..<end)) { return true }
            start = end + 1
        }
        return false
    }

    /// True if a `content-type` is that of an event stream; parameters and case do not matter.
    ///
    /// - Parameter value: The header's value.
    /// - Returns: True for `text/event-stream`.
    public static func isContentType(_ value: RawSpan) -> Bool {
        let literal: StaticString = "text/event-stream"
        let count = literal.utf8CodeUnitCount
        guard value.byteCount >= count else { return false }
        if value.byteCount > count {
            let next = value.byte(at: count)
            guard next == 0x3b || next == 0x20 || next == 0x09 else { return false }
        }
        // SAFETY: a literal's bytes live as long as the program and there are as many as it says.
        let known = unsafe RawSpan(_unsafeStart: literal.utf8Start, byteCount: count)
        return value.extracting(0..<count).equals(lowerCased: known)
    }
}
