internal import Calls
internal import HTTP1
internal import JSONRPC
internal import Synchronization

/// A connection that speaks JSON-RPC over HTTP/1.1; requests do not wait for the replies to those before them.
final class JSONLink: ConsumerLink {
    /// A pending response: its calls that are no notifications, and their ids.
    struct Waiting {
        let calls: [(id: String, call: JSONCall)]
    }

    /// The longest wait for a response; HTTP/1.1 can only give up all of a connection's.
    private static let patienceNanoseconds: UInt64 = 3_000_000_000

    /// The most requests without a response: as with a pool that is exhausted, further ones are not made.
    private static let maxWaiting = 512

    let pending = PendingCalls<Waiting>()
    private let socket: DemoSocket
    private let tally: DemoTally
    /// The number of requests sent.
    private let requests = Atomic<UInt64>(0)

    init(_ socket: DemoSocket, _ tally: DemoTally) {
        self.socket = socket
        self.tally = tally
    }

    // MARK: Sending

    func send(_ post: JSONPost, by application: DemoApplication<JSONPost>, traceParent: String?) {
        guard pending.count < Self.maxWaiting else { return }
        let ids = post.calls.map { _ in application.requestID() }
        let waiting = zip(ids, post.calls).filter { !$0.1.isNotification }.map { (id: String($0.0), call: $0.1) }
        tally.update { counts in
            for call in post.calls {
                counts.count(sent: call)
                if call.isNotification { counts.count(call, ended: .oneway) }
            }
        }
        let number = requests.wrappingAdd(1, ordering: .relaxed).oldValue
        pending.insert(Waiting(calls: waiting), id: number, nanoseconds: Self.patienceNanoseconds)
        let bytes = post.bytes(ids: ids, application: application.name, traceParent: traceParent)
        if !socket.write(bytes) { close() }
    }

    func heartbeat(id: UInt64) {}

    func expire(_ now: UInt64) {
        guard let (_, waiting) = pending.takeExpired(now) else { return }
        close()
        unanswered([waiting])
    }

    func end() {
        close()
        unanswered(pending.takeAll())
    }

    private func unanswered(_ waiting: [Waiting]) {
        tally.update { counts in
            for (_, call) in waiting.flatMap(\.calls) { counts.count(call, ended: .unanswered) }
        }
    }

    private func close() {
        pending.close()
        socket.shutDown()
    }

    // MARK: Receiving

    func readReplies() {
        var bodies = HTTP1Bodies(.responses)
        // Responses come in the order of the requests.
        var responses: UInt64 = 0
        var buffer = [UInt8](repeating: 0, count: 16_384)
        do throws(PeerFault) {
            while case let count = socket.read(into: &buffer), count > 0 {
                for message in try bodies.read(buffer[..<count]) {
                    try take(message, responses)
                    responses += 1
                }
            }
        } catch {
            tally.update { $0.decodeErrors += 1 }
        }
        close()
    }

    private func take(_ message: HTTP1Message, _ number: UInt64) throws(PeerFault) {
        guard let waiting = pending.take(number) else { return tally.update { $0.lateReplies += 1 } }
        guard !waiting.calls.isEmpty else { return }
        let replies: [JSONMessage]
        do throws(PeerFault) {
            replies = try JSONMessages(message.body).messages
        } catch {
            unanswered([waiting])
            throw error
        }
        tally.update { counts in
            for (id, call) in waiting.calls {
                let reply = replies.first { $0.role == .response && $0.id == id }
                counts.count(call, ended: reply?.outcome ?? .unanswered)
            }
        }
    }
}
