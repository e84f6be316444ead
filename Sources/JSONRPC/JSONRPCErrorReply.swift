internal import Calls
internal import Wire

/// A writer for the error objects that Weir answers calls with.
///
/// The text is escaped once, when the reply is made; writing copies bytes.
public struct JSONRPCErrorReply: Sendable {
    /// The error's code.
    public let code: Int32
    /// `{"code":…,"message":…}`.
    private let error: [UInt8]

    /// A reply with that code and text.
    ///
    /// - Parameters:
    ///   - code: The error code; −32000 to −32099 for errors of Weir's own.
    ///   - message: Any text.
    public init(code: Int32, message: String) {
        self.code = code
        var text = JSONText()
        text.beginObject()
        text.key("code")
        text.number(code)
        text.key("message")
        text.string(message)
        text.endObject()
        error = text.bytes
    }

    /// Appends the reply to one request.
    ///
    /// - Parameters:
    ///   - id: The request's id as on the wire (``JSONScanner/idText``); empty for null.
    ///   - version: The request's version; without one the reply is JSON-RPC 1.0, which names `result` too.
    ///   - bytes: Grows by the object, without a line's end.
    public func write(id: RawSpan, version: JSONRPCFacts.Version = .two, to bytes: inout [UInt8]) {
        if version == .absent {
            bytes.append(contentsOf: #"{"result":null,"error":"#.utf8)
        } else {
            bytes.append(contentsOf: #"{"jsonrpc":"2.0","error":"#.utf8)
        }
        bytes.append(contentsOf: error)
        bytes.append(contentsOf: #","id":"#.utf8)
        if id.byteCount == 0 {
            bytes.append(contentsOf: "null".utf8)
        } else {
            for index in 0..<id.byteCount { bytes.append(id.byte(at: index)) }
        }
        bytes.append(0x7d)
    }

    /// Appends the reply to a batch: an array with one object for each request that is remembered.
    ///
    /// A member that is neither request nor notification gets one with a null id, as JSON-RPC 2.0 §6 wants; a batch
    /// of notifications and responses gets no answer. One of more members than are remembered gets a single object
    /// with a null id.
    ///
    /// - Parameters:
    ///   - batch: The batch that is refused.
    ///   - bytes: Grows by the array, without a line's end.
    /// - Returns: True if anything was written.
    @discardableResult
    public func write(batch: borrowing JSONRPCBatch, to bytes: inout [UInt8]) -> Bool {
        guard batch.isComplete else {
            guard batch.requestCount + batch.neitherCount > 0 else { return false }
            write(id: batch.text.slice(.empty), to: &bytes)
            return true
        }
        var isFirst = true
        for member in batch.members where member.role == .request || member.role == .neither {
            bytes.append(isFirst ? 0x5b : 0x2c)
            isFirst = false
            let id = member.role == .request ? member.id : .empty
            write(id: batch.text.slice(id), to: &bytes)
        }
        if !isFirst { bytes.append(0x5d) }
        return !isFirst
    }
}
