internal import Clocks
internal import Triple
internal import Wire

/// A provider's side of a connection that speaks Triple.
final class TripleConversation: Conversation {
    /// The longest message taken; nothing in the demo comes near it.
    private static let maxMessageBytes = 16_384

    /// A request that is arriving.
    private struct Request {
        var fields: TripleFields
        var reader = GRPCMessageReader()
        var message: [UInt8] = []
    }

    private var random: DemoRandom
    private var reader = HTTP2Reader(isServer: true)
    private var requests: [UInt32: Request] = [:]
    private var hasBegun = false

    init(_ random: DemoRandom) { self.random = random }

    func take(_ piece: ArraySlice<UInt8>, on connection: ProviderConnection) throws(PeerFault) {
        if !hasBegun {
            hasBegun = true
            // Due before everything else, whatever the clock says.
            connection.answer(ProviderConnection.Reply(bytes: TripleBytes.serverHello(), kind: .control), at: 0)
        }
        reader.append(piece)
        while let event = try reader.next() { try take(event, connection) }
        // Counted before the peer can know it.
        let pongs = reader.takePongs()
        if pongs > 0 { connection.count { $0.heartbeats += pongs } }
        let due = reader.takeDue()
        if !due.isEmpty {
            connection.answer(ProviderConnection.Reply(bytes: due, kind: .control), at: SystemClock.now())
        }
    }

    private func take(_ event: HTTP2Event, _ connection: ProviderConnection) throws(PeerFault) {
        switch event {
        case .headers(let id, let fields, let endsStream):
            // Clients have odd streams; trailers of a request say nothing here.
            guard id & 1 == 1, requests.count < ProviderConnection.maxCalls else { throw .badFrame }
            var request = requests.removeValue(forKey: id) ?? Request(fields: fields)
            if endsStream { finish(id, request: &request, connection: connection) } else { requests[id] = request }
        case .data(let id, let bytes, let endsStream):
            guard var request = requests.removeValue(forKey: id) else { return }
            try read(bytes, into: &request)
            if endsStream { finish(id, request: &request, connection: connection) } else { requests[id] = request }
        case .reset(let id):
            requests[id] = nil
            connection.cancel(id)
        case .credit(let increment): try connection.credit(increment)
        case .pong: break
        }
    }

    /// Adds a piece of DATA to the request's first message; further ones are passed over.
    private func read(_ bytes: [UInt8], into request: inout Request) throws(PeerFault) {
        let piece = bytes.byteSpan
        var at = 0
        while case let isFirst = request.reader.messageCount == 0, let part = request.reader.next(piece, &at) {
            guard part.lengthBytes <= Self.maxMessageBytes else { throw .tooLong }
            if isFirst { request.message.append(piece.slice(part.payload)) }
        }
    }

    // MARK: Replies

    private func finish(_ id: UInt32, request: inout Request, connection: ProviderConnection) {
        connection.count { $0.requests += 1 }
        let answer: TripleAnswer
        if !request.fields.isRequest || request.reader.messageCount == 0 {
            connection.count { $0.decodeErrors += 1 }
            answer = TripleAnswer(status: 13, "no gRPC request", 0...1)
        } else if connection.isFull {
            answer = TripleAnswer(status: 8, "thread pool is exhausted", 0...1)
        } else {
            answer = TripleServices.answer(request.fields, request.message)
        }
        let due = SystemClock.now() + random.serviceTimeNanoseconds(answer.nanoseconds)
        guard !answer.messages.isEmpty else {
            let bytes = TripleBytes.failure(answer.status, answer.text, streamID: id)
            return connection.answer(ProviderConnection.Reply(bytes: bytes, streamID: id), at: due)
        }
        for (place, message) in answer.messages.enumerated() {
            let isLast = place == answer.messages.count - 1
            var bytes = place == 0 ? TripleBytes.replyHead(streamID: id, hasException: answer.hasException) : []
            bytes += TripleBytes.message(message, streamID: id)
            if isLast { bytes += TripleBytes.trailers(streamID: id) }
            let reply = ProviderConnection.Reply(
                bytes: bytes,
                kind: isLast ? .whole : .part,
                streamID: id,
                dataBytes: TripleBytes.dataBytes(message)
            )
            connection.answer(reply, at: due + UInt64(place) * answer.gapNanoseconds)
        }
    }
}
