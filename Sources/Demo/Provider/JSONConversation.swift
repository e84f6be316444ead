internal import Clocks
internal import HTTP1
internal import JSONRPC

/// A provider's side of a connection that speaks JSON-RPC over HTTP/1.1.
final class JSONConversation: Conversation {
    private var random: DemoRandom
    private var bodies = HTTP1Bodies(.requests)
    /// The due time of the last reply: none may come before it.
    private var lastDue: UInt64 = 0

    init(_ random: DemoRandom) { self.random = random }

    func take(_ piece: ArraySlice<UInt8>, on connection: ProviderConnection) throws(PeerFault) {
        for request in try bodies.read(piece) { take(request, connection) }
    }

    private func take(_ request: HTTP1Message, _ connection: ProviderConnection) {
        guard request.head.method == .post else {
            return respond(404, body: "", to: request, connection: connection, after: 0)
        }
        let calls: JSONMessages
        do throws(PeerFault) {
            calls = try JSONMessages(request.body)
        } catch {
            connection.count { $0.decodeErrors += 1 }
            return refuse(PaymentService.parseError, request: request, connection: connection)
        }
        guard !calls.messages.isEmpty else {
            return refuse(PaymentService.invalidRequest, request: request, connection: connection)
        }
        var replies: [String] = []
        var time: UInt64 = 0
        for call in calls.messages {
            let isNotification = call.role == .notification
            connection.count { if isNotification { $0.onewayRequests += 1 } else { $0.requests += 1 } }
            let answer = PaymentService.answer(call, at: request.target)
            time = max(time, random.serviceTimeNanoseconds(answer.nanoseconds))
            if !isNotification { replies.append(answer.text(id: call.id)) }
        }
        guard !replies.isEmpty else { return respond(204, body: "", to: request, connection: connection, after: time) }
        connection.count { $0.replies += UInt64(replies.count) }
        let body = calls.isBatch ? "[" + replies.joined(separator: ",") + "]" : replies[0]
        respond(200, body: body, to: request, connection: connection, after: time)
    }

    /// Answers a body that holds no call.
    private func refuse(_ answer: PaymentService.Answer, request: HTTP1Message, connection: ProviderConnection) {
        connection.count { counts in
            counts.requests += 1
            counts.replies += 1
        }
        respond(200, body: answer.text(id: ""), to: request, connection: connection, after: 0)
    }

    private func respond(
        _ status: UInt16,
        body: String,
        to request: HTTP1Message,
        connection: ProviderConnection,
        after nanoseconds: UInt64
    ) {
        let head = HTTP1ResponseHead(
            status: status,
            contentLength: body.utf8.count,
            persistence: HTTP1ResponseHead.Persistence(answering: request.head)
        )
        var bytes: [UInt8] = []
        head.write(to: &bytes)
        bytes += body.utf8
        lastDue = max(lastDue + 1, SystemClock.now() + nanoseconds)
        connection.answer(ProviderConnection.Reply(bytes: bytes, kind: .control), at: lastDue)
    }
}
