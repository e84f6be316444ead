import Calls
import Inspection
import Telemetry
import Wire

/// A toy protocol, registered from outside the product: lines of words.
///
/// A client says `CALL <id> <interface>.<method>` or, without an answer, `TELL <interface>.<method>`; `from=<name>` and
/// `traceparent=<context>` may follow. The server says `OK <id>` or `ERR <id> <text>`.
struct LineProtocol: ProtocolExtension {
    let callProtocol: CallProtocol

    /// The protocol under its own label.
    ///
    /// - Returns: `nil` if all places for protocols from outside are taken.
    init?() {
        var traits = ProtocolTraits(label: "line")
        traits.codes.names = [0: "OK", 1: "ERR"]
        traits.codes.own = .these([0, 1])
        traits.codes.serverFaults = .these([1])
        traits.localReplies.limitedCode = 1
        traits.localReplies.drainedCode = 1
        guard let callProtocol = ProtocolTraits.register(traits) else { return nil }
        self.callProtocol = callProtocol
    }

    static let verbs = ["CALL ", "TELL "].map { Array($0.utf8) }

    func recognizes(_ bytes: RawSpan, going direction: Direction) -> Bool? {
        guard direction == .toUpstream else { return false }
        let start = bytes.extracting(first: 5).array
        guard Self.verbs.contains(where: { $0.starts(with: start) }) else { return false }
        return start.count == 5 ? true : nil
    }

    func makeSession(recognizedBy direction: Direction) -> any ProtocolSession {
        LineSession(callProtocol, requests: direction)
    }

    var stateName: StaticString { "line" }

    func restoreSession(from reader: inout ReportReader) throws(ReportError) -> any ProtocolSession {
        guard let direction = Direction(rawValue: UInt8(clamping: try reader.number())) else { throw .malformed }
        return LineSession(callProtocol, requests: direction)
    }
}

/// A request line, taken apart.
struct LineRequest {
    /// `nil` of one that wants no answer.
    var id: UInt64?
    var interface: String
    var method: String
    var caller = ""
    var traceparent = ""

    /// - Returns: `nil` if the line is no request.
    init?(_ line: [UInt8]) {
        var words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)[...]
        switch words.popFirst() {
        case "CALL":
            guard let id = words.popFirst().flatMap({ UInt64($0) }) else { return nil }
            self.id = id
        case "TELL": id = nil
        default: return nil
        }
        guard let name = words.popFirst(), let dot = name.lastIndex(of: ".") else { return nil }
        interface = String(name[..<dot])
        method = String(name[name.index(after: dot)...])
        for word in words {
            if word.hasPrefix("from=") { caller = String(word.dropFirst(5)) }
            if word.hasPrefix("traceparent=") { traceparent = String(word.dropFirst(12)) }
        }
    }
}

/// A reply line, taken apart.
struct LineReply {
    var id: UInt64
    var isError: Bool

    /// - Returns: `nil` if the line is no reply.
    init?(_ line: [UInt8]) {
        let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count >= 2, words[0] == "OK" || words[0] == "ERR", let id = UInt64(words[1]) else { return nil }
        self.id = id
        isError = words[0] == "ERR"
    }
}
