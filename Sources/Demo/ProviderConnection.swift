internal import Dubbo
internal import Hessian
internal import Synchronization

/// One consumer's connection to the demo provider: a thread that reads, and one that writes replies as they are due.
///
/// A method's time passes in a queue, not in a thread that sleeps: any number of calls run side by side.
final class ProviderConnection: Sendable {
    /// The most calls at a time; past it they are refused as a full Java thread pool refuses them, and past twice as
    /// many (a peer that sends and does not read) the connection ends.
    static let maxCalls = 4096

    private enum Reply {
        case toRequest([UInt8])
        case toHeartbeat([UInt8])
    }

    private struct State {
        var isStopped = false
        var counts = DemoProviderCounts()
        var replies = DueQueue<Reply>()
    }

    private let socket: DemoSocket
    private let firstRandom: DemoRandom
    private let bell = DemoBell()
    private let state = Mutex(State())

    init(_ socket: DemoSocket, random: DemoRandom) {
        self.socket = socket
        firstRandom = random
    }

    var counts: DemoProviderCounts { state.withLock { $0.counts } }

    /// Ends the connection and both threads.
    func stop() {
        state.withLock { $0.isStopped = true }
        socket.shutDown()
        bell.ring()
    }

    // MARK: Reading

    /// Reads requests until the connection ends.
    func serve() {
        var random = firstRandom
        var frames = FrameBuffer()
        var buffer = [UInt8](repeating: 0, count: 16_384)
        do throws(FrameError) {
            while case let count = socket.read(into: &buffer), count > 0 {
                frames.append(buffer[..<count])
                while let frame = try frames.next() { take(frame, &random) }
            }
        } catch {
            // Java's peers look for the next frame in what follows; a demo may hang up.
            state.withLock { $0.counts.decodeErrors += 1 }
        }
        stop()
    }

    private func take(_ frame: DemoFrame, _ random: inout DemoRandom) {
        let header = frame.header
        // A reply answers nothing that a provider asked; a oneway event (READONLY) asks for nothing.
        guard header.isRequest, header.isTwoWay || !header.isEvent else { return }
        if header.isEvent { return answer(.toHeartbeat(FrameBytes.heartbeatReply(id: header.requestID)), after: 0) }
        guard let request = decoded(frame) else { return }
        let result = DemoServices.answer(request)
        let time = random.serviceTimeNanoseconds(result.nanoseconds)
        guard header.isTwoWay else { return }
        let knowsAttachments = request.dubboVersion == DubboVersion.protocol
        let reply = FrameBytes.reply(result.content, id: header.requestID, withAttachments: knowsAttachments)
        if let reply { answer(.toRequest(reply), after: time) }
    }

    /// The request that a frame holds, counted; one that cannot be read is answered as Java answers it.
    private func decoded(_ frame: DemoFrame) -> DemoRequest? {
        let request: DemoRequest?
        let content: DemoAnswer.Content
        do throws(HessianError) {
            request = try DemoRequest(frame)
            content = .failure(status: 100, text: "Server side(127.0.0.1) thread pool is exhausted")
        } catch {
            request = nil
            content = .failure(status: 40, text: "Fail to decode request due to: \(error.label)")
        }
        let isFull = state.withLock { state in
            if frame.header.isTwoWay { state.counts.requests += 1 } else { state.counts.onewayRequests += 1 }
            if request == nil { state.counts.decodeErrors += 1 }
            if request?.isGeneric == true { state.counts.genericRequests += 1 }
            return state.replies.count >= Self.maxCalls
        }
        if let request, !isFull { return request }
        guard frame.header.isTwoWay else { return nil }
        let reply = FrameBytes.reply(content, id: frame.header.requestID, withAttachments: false)
        if let reply { answer(.toRequest(reply), after: 0) }
        return nil
    }

    // MARK: Replying

    private func answer(_ reply: Reply, after nanoseconds: UInt64) {
        let due = DemoClock.now() + nanoseconds
        let (isFirst, isTooMany) = state.withLock { state in
            state.replies.insert(reply, due: due)
            return (state.replies.nextDue == due, state.replies.count > 2 * Self.maxCalls)
        }
        if isTooMany { return stop() }
        if isFirst { bell.ring() }
    }

    /// Writes replies until the connection ends.
    func sendReplies() {
        while true {
            let now = DemoClock.now()
            let (isStopped, reply, next) = state.withLock { state in
                (state.isStopped, state.replies.popDue(at: now), state.replies.nextDue)
            }
            if isStopped { return }
            guard let reply else {
                bell.wait(until: next ?? .max)
                continue
            }
            guard send(reply) else { return stop() }
        }
    }

    /// Writes one reply, counted before the peer can know it: whether the peer takes more.
    private func send(_ reply: Reply) -> Bool {
        switch reply {
        case .toRequest(let bytes):
            state.withLock { $0.counts.replies += 1 }
            return socket.write(bytes)
        case .toHeartbeat(let bytes):
            state.withLock { $0.counts.heartbeats += 1 }
            return socket.write(bytes)
        }
    }
}
