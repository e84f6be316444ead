/// The words by which a process that was taken over from answers its successor.
///
/// It connects to the successor's name and says who it is; from then on the successor asks and it answers. A message is
/// one or more packets, each with a line in front and up to ``maxPayloadBytes`` of what it is about:
///
///     old   weir-report 1 9f86d081884c7d65 predecessor    a number that the process drew; the last word only of the
///                                                         process that was taken over from last
///     new   ask 17 numbers 0 0                            number, what, bytes of all of it, bytes before these
///     old   answer 17 200 131072 0                        number, status, bytes of all of it, bytes before these
///     old   answer 17 200 131072 65536
///     old   last 0 numbers 70000 0                        before it ends: its last answer to that question, unasked
///     old   lines 12 200 300 0                            of what question 12 asked for: more, unasked
struct TakeoverPacket: Equatable {
    static let hello = "weir-report 1 "
    static let predecessor = " predecessor"
    static let maxPayloadBytes = 65_536
    static let maxHeadBytes = 128
    /// The largest message.
    static let maxBytes = 16 << 20

    enum Kind: String {
        case ask
        case answer
        case last
        case lines
        case state
    }

    var kind: Kind
    /// The number of its question.
    var number: UInt64
    /// The question, the name of a last report, or the status of the answer.
    var word: String
    var totalBytes: Int
    var offset: Int
    var payload: ArraySlice<UInt8>

    /// The packet of those bytes; `nil` for what is none.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.prefix(Self.maxHeadBytes).firstIndex(of: 0x0a) else { return nil }
        let words = String(decoding: bytes[..<end], as: UTF8.self).split(separator: " ")
        guard
            words.count == 5,
            let kind = Kind(rawValue: String(words[0])),
            let number = UInt64(words[1]),
            let total = Int(words[3]),
            let offset = Int(words[4])
        else { return nil }
        let payload = bytes[(end + 1)...]
        guard 0...Self.maxBytes ~= total, 0...total ~= offset, payload.count <= total - offset else { return nil }
        guard !payload.isEmpty || total == 0 else { return nil }
        self.kind = kind
        self.number = number
        word = String(words[2])
        totalBytes = total
        self.offset = offset
        self.payload = payload
    }

    /// Who wants to report, if that is what a first message says.
    static func reporter(_ text: String) -> (process: UInt64, isPredecessor: Bool)? {
        guard text.hasPrefix(hello) else { return nil }
        let isPredecessor = text.hasSuffix(predecessor)
        let digits = text.dropFirst(hello.count).dropLast(isPredecessor ? predecessor.count : 0)
        guard 1...16 ~= digits.utf8.count, digits.allSatisfy(\.isHexDigit) else { return nil }
        return UInt64(digits, radix: 16).map { ($0, isPredecessor) }
    }

    /// What a process says first that reports.
    static func hello(_ process: UInt64, isPredecessor: Bool) -> String {
        hello + String(process, radix: 16) + (isPredecessor ? predecessor : "")
    }
}

/// A question or an answer, whole.
struct TakeoverMessage: Equatable {
    var kind: TakeoverPacket.Kind
    var number: UInt64
    var word: String
    var body: [UInt8]

    /// Its packet that begins with a byte of the body.
    func packet(at offset: Int) -> [UInt8] {
        let end = min(body.count, offset + TakeoverPacket.maxPayloadBytes)
        return Array("\(kind.rawValue) \(number) \(word) \(body.count) \(offset)\n".utf8) + body[offset..<end]
    }

    /// Adds the packet that follows; whether it does follow.
    mutating func add(_ packet: TakeoverPacket) -> Bool {
        guard kind == packet.kind, number == packet.number, body.count == packet.offset else { return false }
        body += packet.payload
        return true
    }
}
