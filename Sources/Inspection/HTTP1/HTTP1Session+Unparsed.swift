internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Triple
internal import Wire

/// Requests that a JSON-RPC service could not read, as its reply says: −32700 or −32600 with a null id (JSON-RPC 2.0
/// §5.1). They were meant as calls; of what cannot be told.
extension HTTP1Session {
    /// A request whose body is no JSON-RPC, until its response is known.
    struct UnparsedRequest {
        /// The service that the path names, cut at ``maxPathBytes``.
        var interface: [UInt8]
        /// When it began.
        var start: UInt64
        /// How long it was.
        var bytes: UInt64
        static let maxPathBytes = 255
    }

    /// Keeps what is needed of the request being read, should its response say so.
    func noteUnparsed(_ context: ConnectionContext) {
        guard requests.head.method == .post, let box = requests.headers else { return }
        currentDetails.unparsed = UnparsedRequest(
            interface: box.texts.withPath {
                RPCExchange.interface($0).extracting(first: UnparsedRequest.maxPathBytes).array
            },
            start: requests.start,
            bytes: requests.bytes
        )
    }

    /// The response to such a request is JSON-RPC: counts a call if it says that the request could not be read.
    func countUnparsed(_ request: UnparsedRequest, exchange: Exchange, in context: ConnectionContext) {
        guard let rpc = responses.rpc, !rpc.scanner.isBatch else { return }
        let facts = rpc.scanner.facts
        guard facts.isError, facts.id == .null || facts.id == .absent,
            facts.errorCode == -32700 || facts.errorCode == -32600
        else { return }
        let (inspector, session) = (context.inspector, context.session)
        if session.connectionProtocol != .jsonrpc { inspector.identify(session, .jsonrpc) }
        inspector.rpcPaths.noteAnswered(exchange.pathKey)
        let interface = request.interface.byteSpan
        let operation = inspector.operations.operation(ofMethod: interface.extracting(0..<0), interface: interface)
        var entry = rpcEntry(operation, id: exchange.number, bytes: request.bytes, context)
        entry.start = request.start
        let index = inspector.tracker.begin(entry, on: session, now: context.now) { CallTexts() }
        guard index >= 0 else { return }
        var result = CallResult(facts.outcome, code: facts.resultCode, end: context.now)
        result.responseBytes = responses.bytes
        inspector.tracker.end(index, on: session, with: result)
    }
}

extension RawSpan {
    /// True if a content-type is one of JSON: its name has `json` in it, whatever the case.
    var namesJSON: Bool {
        guard byteCount >= 4 else { return false }
        // As it nearly always is: application/json.
        if byteCount >= 16, uint32(at: 12) | 0x2020_2020 == 0x6a73_6f6e { return true }
        for at in 0...(byteCount &- 4) where uint32(at: at) | 0x2020_2020 == 0x6a73_6f6e { return true }
        return false
    }
}
