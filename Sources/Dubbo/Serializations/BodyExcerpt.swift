internal import Wire

/// The wanted parts of a body that is not Hessian and came in pieces.
///
/// At most `limitBytes` are kept. Large values are shortened to their first bytes, so that the attachments after them
/// are found: values of fastjson2, which have lengths, and lines of fastjson and Gson after the first half of the room.
/// For other forms the first part of the body is kept.
struct BodyExcerpt {
    private enum Form {
        case chunks
        case lines
        case other
    }

    /// The most that is kept of one body.
    static let limitBytes = 65_536
    /// A fastjson2 value is cut to this length once the names are behind: enough for an exception's class and message.
    static let largeValueBytes = 8_192

    private var kept: [UInt8] = []
    private var form = Form.other
    private var valuesLeft = 0
    /// The number of bytes of the current line so far.
    private var lineBytes = 0
    private var prefixNeeds = 0
    private var prefix: UInt32 = 0
    private var valueBytes: UInt32 = 0
    private var keepBytes: UInt32 = 0

    /// True if a part that might have been wanted was left out.
    private(set) var hasLost = false
    /// True if nothing more can be kept.
    private(set) var isFull = false

    var isEmpty: Bool { kept.isEmpty && prefixNeeds == 4 }

    mutating func reset() {
        hasLost = false
        isFull = false
        prefixNeeds = 4
        prefix = 0
        valueBytes = 0
        keepBytes = 0
        lineBytes = 0
        if !kept.isEmpty { kept = [] }
    }

    /// Begins a body; its first `stringCount` values are kept whatever their length.
    mutating func begin(serialization: UInt8, stringCount: Int) {
        switch serialization {
        case Serialization.fastjson2: form = .chunks
        case Serialization.fastjson, Serialization.gson: form = .lines
        default: form = .other
        }
        valuesLeft = stringCount
    }

    mutating func append(_ bytes: RawSpan) {
        guard !isFull else { return }
        switch form {
        case .chunks: appendChunks(bytes)
        case .lines: appendLines(bytes)
        case .other: keep(bytes)
        }
    }

    private mutating func appendLines(_ bytes: RawSpan) {
        var at = 0
        while at < bytes.byteCount, !isFull {
            let end = bytes.firstIndex(of: 0x0a, from: at)
            let count = (end ?? bytes.byteCount) - at
            let room = max(Self.limitBytes / 2 - kept.count, Self.largeValueBytes - lineBytes, 0)
            keep(bytes.extracting(at..<at + (valuesLeft > 0 ? count : min(count, room))))
            lineBytes += count
            at += count
            guard let end else { continue }
            keep(bytes.extracting(end..<end + 1))
            at += 1
            lineBytes = 0
            valuesLeft -= 1
        }
    }

    private mutating func appendChunks(_ bytes: RawSpan) {
        var at = 0
        while at < bytes.byteCount, !isFull {
            if prefixNeeds > 0 {
                prefix = prefix << 8 | UInt32(bytes.byte(at: at))
                at += 1
                prefixNeeds -= 1
                if prefixNeeds == 0 { beginValue() }
                continue
            }
            let count = min(Int(valueBytes), bytes.byteCount - at)
            let wanted = min(Int(keepBytes), count)
            if wanted > 0 { keep(bytes.extracting(at..<at + wanted)) }
            keepBytes -= UInt32(wanted)
            at += count
            valueBytes -= UInt32(count)
            if valueBytes == 0 { endValue() }
        }
    }

    /// The bytes kept so far; gathering goes on.
    var front: [UInt8] { kept }

    /// The bytes kept; the excerpt is empty afterwards.
    mutating func take() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &kept)
        return taken
    }

    private mutating func beginValue() {
        valueBytes = prefix
        keepBytes = valuesLeft > 0 ? prefix : min(prefix, UInt32(Self.largeValueBytes))
        valuesLeft -= 1
        var word: [UInt8] = []
        word.appendBigEndian(keepBytes)
        keep(word.byteSpan)
        if valueBytes == 0 { endValue() }
    }

    private mutating func endValue() {
        prefixNeeds = 4
        prefix = 0
    }

    /// Keeps bytes up to the bound, however many come at once.
    private mutating func keep(_ bytes: RawSpan) {
        let room = Self.limitBytes - kept.count
        if bytes.byteCount > room {
            isFull = true
            hasLost = true
        }
        unsafe bytes.extracting(first: room).withUnsafeBytes {
            // SAFETY: the pointer is used inside the closure only.
            unsafe kept.append(contentsOf: $0)
        }
    }
}
