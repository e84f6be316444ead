internal import Wire

/// The known facts of one call besides its operation; texts are empty until they are noted.
struct RequestFacts: ~Copyable {
    private struct Fact: BitwiseCopyable {
        var range = ByteRange.empty
        /// True if the text is longer than its kept part.
        var isCut = false
    }

    /// The longest kept part of a text.
    static let maxTextBytes = 1024
    private static let maxBytes = 16 << 10

    private var bytes = PrefixBuffer(limitBytes: RequestFacts.maxBytes)
    /// The caller, the peer, then the attachments in the order of their names.
    private var facts: [Fact]
    private var isNoted = false

    /// Empty facts with room for the attachments.
    init(attachments: Int) { facts = Array(repeating: Fact(), count: attachments + 2) }

    /// Forgets everything.
    mutating func clear() {
        guard isNoted else { return }
        isNoted = false
        bytes.removeAll()
        for index in facts.indices { facts[index] = Fact() }
    }

    /// Notes the caller.
    mutating func note(caller: RawSpan) { note(caller, at: 0) }

    /// Notes the peer's address.
    mutating func note(peer: RawSpan) { note(peer, at: 1) }

    /// Notes the value of an attachment.
    mutating func note(_ value: RawSpan, ofAttachment index: Int) { note(value, at: index + 2) }

    private mutating func note(_ text: RawSpan, at place: Int) {
        isNoted = true
        let count = min(text.byteCount, Self.maxTextBytes)
        let start = bytes.count
        guard count > 0, bytes.append(text.extracting(0..<count)) else {
            facts[place] = Fact(range: .empty, isCut: count > 0)
            return
        }
        facts[place] = Fact(range: ByteRange(offset: start, count: count), isCut: count < text.byteCount)
    }

    /// The calling application.
    var caller: RawSpan {
        @_lifetime(borrow self)
        get { bytes.bytes.slice(facts[0].range) }
    }

    /// The peer's address.
    var peer: RawSpan {
        @_lifetime(borrow self)
        get { bytes.bytes.slice(facts[1].range) }
    }

    /// The value of an attachment.
    @_lifetime(borrow self)
    func attachment(_ index: Int) -> RawSpan { bytes.bytes.slice(facts[index + 2].range) }

    /// True if the caller's name was too long to be kept.
    var isCallerCut: Bool { facts[0].isCut }

    /// True if the value was too long to be kept.
    func isCut(attachment index: Int) -> Bool { facts[index + 2].isCut }
}
