internal import Clocks
internal import Dubbo
internal import Hessian

/// A provider's side of a connection that speaks Dubbo 2.
final class DubboConversation: Conversation {
    private var random: DemoRandom
    private var frames = FrameBuffer()

    init(_ random: DemoRandom) { self.random = random }

    func take(_ piece: ArraySlice<UInt8>, on connection: ProviderConnection) throws(PeerFault) {
        frames.append(piece)
        do throws(FrameError) {
            while let frame = try frames.next() { take(frame, connection) }
        } catch {
            throw .badFrame
        }
    }

    private func take(_ frame: DemoFrame, _ connection: ProviderConnection) {
        let header = frame.header
        // A reply answers nothing that a provider asked; a oneway event (READONLY) asks for nothing.
        guard header.isRequest, header.isTwoWay || !header.isEvent else { return }
        let now = SystemClock.now()
        if header.isEvent {
            let bytes = FrameBytes.heartbeatReply(id: header.requestID)
            return connection.answer(ProviderConnection.Reply(bytes: bytes, kind: .heartbeat), at: now)
        }
        guard let request = decoded(frame, connection) else { return }
        let result = DemoServices.answer(request)
        let time = random.serviceTimeNanoseconds(result.nanoseconds)
        guard header.isTwoWay else { return }
        let knowsAttachments = request.dubboVersion == DubboVersion.protocol
        let reply = FrameBytes.reply(result.content, id: header.requestID, withAttachments: knowsAttachments)
        if let reply { connection.answer(ProviderConnection.Reply(bytes: reply), at: now + time) }
    }

    /// The request that a frame holds, counted; one that cannot be read is answered as Java answers it.
    private func decoded(_ frame: DemoFrame, _ connection: ProviderConnection) -> DemoRequest? {
        let request: DemoRequest?
        let content: DemoAnswer.Content
        do throws(HessianError) {
            request = try DemoRequest(frame)
            content = .failure(status: 100, text: "Server side(127.0.0.1) thread pool is exhausted")
        } catch {
            request = nil
            content = .failure(status: 40, text: "Fail to decode request due to: \(error.label)")
        }
        connection.count { counts in
            if frame.header.isTwoWay { counts.requests += 1 } else { counts.onewayRequests += 1 }
            if request == nil { counts.decodeErrors += 1 }
            if request?.isGeneric == true { counts.genericRequests += 1 }
        }
        if let request, !connection.isFull { return request }
        guard frame.header.isTwoWay else { return nil }
        let reply = FrameBytes.reply(content, id: frame.header.requestID, withAttachments: false)
        if let reply { connection.answer(ProviderConnection.Reply(bytes: reply), at: SystemClock.now()) }
        return nil
    }
}
