internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Policy
internal import Telemetry
internal import Triple
internal import Wire

/// A stream whose request may be JSON-RPC, or is: its body and its reply's are read for that.
final class RPCStream {
    /// The request's headers.
    let headers: HeaderTextsBox
    /// The value that stands for its path among ``RPCPaths``.
    let pathKey: UInt64
    /// The request's body; `nil` once it is known what it is.
    var body: RPCBody?
    /// The calls of the request, once they are known.
    var exchange: RPCExchange?
    /// The decision that was made before the body's end.
    var early: EarlyDecision?
    /// The reason for which nothing was decided; counted if the request turns out to be a call.
    var passed: PartialVerdictReason?
    /// The reply's body, while it is read.
    var reply: RPCReader?
    /// The reply as an event stream, if it is one.
    var events: EventStream?
    /// The time of the reply's first byte, in nanoseconds.
    var replyStart: UInt64 = 0
    /// The result of a reply that was complete before the request.
    var earlyResult: (outcome: Outcome, code: Int32)?

    /// A stream whose request has begun.
    ///
    /// - Parameters:
    ///   - headers: The request's headers, which it keeps.
    ///   - context: Whom it belongs to.
    init(_ headers: HeaderTextsBox, _ context: ConnectionContext) {
        self.headers = headers
        let server = context.session.connection?.serverEnd
        pathKey = headers.texts.withPath { RPCPaths.key(RPCExchange.interface($0), server) }
    }

    /// Gives back what the stream has of others; it is used no more.
    func close(_ context: ConnectionContext) {
        if let early { context.pipeline.end(early.decided.permits) }
        early = nil
        endBody(context)
        if let reply { context.pool.giveBack(reply) }
        reply = nil
        if let events { context.pool.giveBack(events) }
        events = nil
        context.pool.giveBack(headers)
    }

    /// The request's body is read no more.
    func endBody(_ context: ConnectionContext) {
        body?.giveBack(to: context.pool)
        body = nil
    }
}

extension HeaderTexts {
    /// The coding of a request's body.
    var contentCoding: ContentCoding { ContentCoding(texts.bytes.slice(request.contentEncoding)) }

    /// True if a request's path is one of those, its query left out.
    func isPath(of paths: PathPatterns) -> Bool {
        guard !paths.isEmpty else { return false }
        let path = texts.bytes.slice(request.path)
        return paths.matches(path.extracting(first: path.firstIndex(of: 0x3f) ?? path.byteCount))
    }

    /// True if a request may be JSON-RPC by its headers: a POST of JSON that nothing marks as Triple.
    var mayBeRPC: Bool {
        guard request.form == nil, !request.path.isEmpty, !request.contentTypeText.isEmpty else { return false }
        let bytes = texts.bytes
        return bytes.slice(request.httpMethod).equals("POST") && bytes.slice(request.contentTypeText).namesJSON
    }
}
