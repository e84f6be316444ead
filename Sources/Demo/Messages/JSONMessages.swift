internal import Calls
internal import JSONRPC
internal import Wire

/// One message of JSON-RPC as it was read.
struct JSONMessage: Sendable {
    /// Its role.
    var role: JSONRPCRole
    /// Its method; empty for a reply.
    var method: String
    /// Its id as on the wire; empty without one.
    var id: String
    /// The outcome of its call, for a reply.
    var outcome: Outcome
    /// All of it.
    var text: String
}

/// The messages of one body.
struct JSONMessages: Sendable {
    var isBatch = false
    var messages: [JSONMessage] = []

    /// Reads a body that is one message or a batch.
    ///
    /// - Parameter body: The whole body.
    /// - Throws: ``PeerFault/badJSON`` for what is no JSON.
    init(_ body: [UInt8]) throws(PeerFault) {
        let bytes = body.byteSpan
        var scanner = JSONScanner(.single)
        do throws(JSONError) {
            var at = 0
            while at < bytes.byteCount {
                switch try scanner.read(bytes, &at) {
                case .message, .batchMember: messages.append(Self.message(scanner, bytes))
                case .needsMore, .batchEnd, .lineEnd: break
                }
            }
            // A number's end is not seen before the body's.
            if try scanner.finish() { messages.append(Self.message(scanner, bytes)) }
        } catch {
            throw .badJSON
        }
        isBatch = scanner.isBatch
    }

    private static func message(_ scanner: borrowing JSONScanner, _ bytes: RawSpan) -> JSONMessage {
        let facts = scanner.facts
        return JSONMessage(
            role: facts.role,
            method: facts.method == .text ? scanner.method.text : "",
            id: scanner.idText.text,
            outcome: facts.outcome,
            text: bytes.extracting(Int(facts.startOffset)..<Int(facts.endOffset)).text
        )
    }
}
