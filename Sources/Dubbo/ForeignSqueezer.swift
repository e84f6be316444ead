internal import Wire

/// Gathers the body of a frame that is not Hessian and came in pieces, leaving out what nobody will read.
///
/// At most `limitBytes` are kept. Of fastjson2's length-prefixed values the large ones are shortened to their front, so
/// that the attachments behind a big argument are still found; of other forms the front of the body is kept.
struct ForeignSqueezer {
    /// The most that is kept of one body.
    static let limitBytes = 65_536
    /// A fastjson2 value is cut to this length once the names are behind: enough for an exception's class and message.
    static let largeValueBytes = 8_192

    private var kept: [UInt8] = []
    private var isChunked = false
    private var valuesLeft = 0
    private var prefixNeeds = 0
    private var prefix: UInt32 = 0
    private var valueBytes: UInt32 = 0
    private var keepBytes: UInt32 = 0

    /// Whether something that might have been wanted was left out.
    private(set) var hasLost = false
    /// Whether nothing more can be kept.
    private(set) var isFull = false

    var isEmpty: Bool { kept.isEmpty && prefixNeeds == 4 }

    mutating func reset() {
        hasLost = false
        isFull = false
        prefixNeeds = 4
        prefix = 0
        valueBytes = 0
        keepBytes = 0
        if !kept.isEmpty { kept = [] }
    }

    /// Begins a body whose first `stringCount` values are kept whatever their length.
    mutating func begin(serialization: UInt8, stringCount: Int) {
        isChunked = serialization == Serialization.fastjson2
        valuesLeft = stringCount
    }

    mutating func append(_ bytes: RawSpan) {
        guard !isFull else { return }
        guard isChunked else { return keep(bytes) }
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

    /// The bytes kept; the squeezer is empty afterwards.
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
        for shift in stride(from: 24, through: 0, by: -8) { word.append(UInt8(truncatingIfNeeded: keepBytes >> shift)) }
        keep(unsafe word.span.bytes)
        if valueBytes == 0 { endValue() }
    }

    private mutating func endValue() {
        prefixNeeds = 4
        prefix = 0
    }

    private mutating func keep(_ bytes: RawSpan) {
        guard kept.count + bytes.byteCount <= Self.limitBytes else {
            isFull = true
            hasLost = true
            return
        }
        unsafe bytes.withUnsafeBytes {
            // SAFETY: the pointer is used inside the closure only.
            unsafe kept.append(contentsOf: $0)
        }
    }
}
