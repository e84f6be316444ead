internal import Calls
internal import HTTP1
internal import HTTP2
internal import Telemetry
internal import Triple
internal import Wire

/// The protocol after HTTP/1 on the same connection.
extension HTTP1Session {
    /// The most bytes of settings in a request's header that are looked at.
    private static let maxSettingsText = 1024

    /// What follows is no HTTP/1: the session that goes on with HTTP/2, or nothing.
    func finishUpgrade(_ context: ConnectionContext) -> HTTP2Session? {
        let exchange = popOldest()
        giveBack(&responses, context.inspector)
        guard reply.httpStatus == 101, responses.upgradesToHTTP2, let exchange, exchange.asksForUpgrade,
            exchange.isComplete, requestReader.isAtBoundary, asked.heldBytes == 0, waiting == 0
        else {
            context.session.decoder = .opaque
            context.inspector.identify(context.session, .opaque)
            return nil
        }
        let http2 = HTTP2Session(requests: requestDirection)
        http2.began = context.now
        adopt(exchange, http2: http2, in: context)
        return http2
    }

    /// HTTP/2 begins: the server's first frames may be here already, the client's preface is to come.
    func upgrade(to http2: HTTP2Session, _ rest: RawSpan, _ context: ConnectionContext) {
        giveBack(&requests, context.inspector)
        context.session.decoder = .other(http2)
        guard rest.byteCount > 0 else { return }
        var unused = Plan()
        let forwarded = context.forwarded
        http2.receive(rest, going: requestDirection.opposite, in: forwarded, plan: &unused)
    }

    /// Makes the request that asked for HTTP/2 its first stream, which is half closed (RFC 7540 §3.2).
    private func adopt(_ exchange: Exchange, http2: HTTP2Session, in context: ConnectionContext) {
        var stream = TripleStream(id: 1)
        stream.form = .http
        stream.marks = .requestEnded
        http2.calls.streams.noteOpened(1)
        // The client's settings hold since its request; its windows are not read from there.
        http2.own.forgetWindows()
        if let bytes = exchange.details?.tableBytes { http2.state(requestDirection.opposite).setTableSize(bytes) }
        let calls = context.tracker.table
        if exchange.kind == .triple, exchange.hasCall {
            let index = moveCall(exchange.number, context)
            if index >= 0 {
                stream.marks.formUnion([.isCall, .isCounted])
                stream.call = index
                stream.start = calls[index].start
                stream.deadline = calls[index].deadline
            }
            if let request = exchange.details?.observed {
                var request = request
                request.streamID = 1
                let direction = context.session.seen(requestDirection.opposite)
                http2.calls.observed.begin(request, repliesTo: direction)
            }
        } else if exchange.hasCall {
            // HTTP/2's replies are not read for JSON-RPC.
            let keys = exchange.details?.keys ?? []
            if keys.isEmpty { end(exchange.number, outcome: .lost, code: ResultCode.none, bytes: 0, in: context) }
            for key in keys { end(key, outcome: .lost, code: ResultCode.none, bytes: 0, in: context) }
        }
        _ = http2.calls.streams.add(stream)
    }

    /// Gives a call the id of HTTP/2's first stream.
    ///
    /// - Returns: Its place in the call table, or ``CallTable/none`` if it is not in flight any more.
    private func moveCall(_ number: UInt64, _ context: ConnectionContext) -> Int32 {
        let (calls, session) = (context.tracker.table, context.session)
        let index = calls.find(session: session.number, direction: requestDirection, id: number)
        guard index >= 0, calls.kind(index) == .call else { return CallTable.none }
        guard number != 1 else { return index }
        var entry = calls[index]
        entry.id = 1
        return context.tracker.move(index, of: session, to: entry, on: session)
    }

    // MARK: Settings

    /// Takes the size of the header table from `HTTP2-Settings`: a SETTINGS frame's payload in base64url.
    func takeSettings(_ value: RawSpan) {
        guard value.byteCount <= Self.maxSettingsText else { return }
        var payload: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for at in 0..<value.byteCount {
            guard let sextet = Self.sextet(value.byte(at: at)) else { return }
            bits = bits << 6 | sextet
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            payload.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        for at in stride(from: 0, to: payload.count - payload.count % 6, by: 6) {
            guard payload[at] == 0, payload[at + 1] == 1 else { continue }
            currentDetails.tableBytes = payload[(at + 2)..<(at + 6)].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    private static func sextet(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x41...0x5a: UInt32(byte - 0x41)
        case 0x61...0x7a: UInt32(byte - 0x61 + 26)
        case 0x30...0x39: UInt32(byte - 0x30 + 52)
        case 0x2d: 62
        case 0x5f: 63
        default: nil
        }
    }
}
