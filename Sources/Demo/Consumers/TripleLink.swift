internal import Calls
internal import HTTP2
internal import Synchronization
internal import Triple
internal import Wire

/// A connection that speaks Triple, which is gRPC over HTTP/2.
final class TripleLink: ConsumerLink {
    /// A pending call is found by its stream.
    typealias Waiting = TripleCall

    /// The deadline's own timer fires a little late, as timers do: the call is over for the peer by then.
    private static let lateMilliseconds: UInt64 = 50
    /// Past this stream the connection is made again, long before there are no more.
    private static let lastStreamID: UInt32 = 1 << 30

    /// The most open streams, fewer than the provider allows: further calls are not made.
    private static let maxStreams = 1024

    private struct Sending {
        var nextStreamID: UInt32 = 1
        /// The room for DATA that the peer has on the connection.
        var window = FlowWindow()
    }

    /// The part of a reply that has come.
    private struct Reply {
        var head = TripleResponseHead()
        var messages = GRPCMessageReader()
    }

    let pending = PendingCalls<TripleCall>()
    private let socket: DemoSocket
    private let tally: DemoTally
    private let sending = Mutex(Sending())

    init(_ socket: DemoSocket, _ tally: DemoTally) {
        self.socket = socket
        self.tally = tally
    }

    // MARK: Sending

    func begin() {
        if !socket.write(TripleBytes.clientHello()) { close() }
    }

    func send(_ call: TripleCall, by application: DemoApplication<TripleCall>, traceParent: String?) {
        guard pending.count < Self.maxStreams else { return }
        let id: UInt32? = sending.withLock { sending in
            let id = sending.nextStreamID
            let count = TripleBytes.dataBytes(call.message)
            guard id < Self.lastStreamID, sending.window.fits(count) else { return nil }
            sending.window.forward(count)
            sending.nextStreamID += 2
            return id
        }
        // A peer that does not read, or one that has been asked a thousand million times.
        guard let id else { return close() }
        tally.update { $0.count(sent: call) }
        let milliseconds = call.cancelsAfterMilliseconds ?? call.timeoutMilliseconds + Self.lateMilliseconds
        pending.insert(call, id: UInt64(id), nanoseconds: milliseconds * 1_000_000)
        let bytes = TripleBytes.request(call, streamID: id, application: application.name, traceParent: traceParent)
        if !socket.write(bytes) { close() }
    }

    func heartbeat(id: UInt64) {
        tally.update { $0.heartbeats += 1 }
        var bytes: [UInt8] = []
        HTTP2FrameWriter.ping(id, isAck: false, into: &bytes)
        if !socket.write(bytes) { close() }
    }

    func expire(_ now: UInt64) {
        while let (id, call) = pending.takeExpired(now) {
            var bytes: [UInt8] = []
            let streamID = UInt32(truncatingIfNeeded: id)
            HTTP2FrameWriter.resetStream(streamID, errorCode: HTTP2ErrorCode.cancel, into: &bytes)
            if !socket.write(bytes) { close() }
            tally.update { $0.count(call, ended: call.outcomeGivenUp) }
        }
    }

    func end() {
        var bytes: [UInt8] = []
        HTTP2FrameWriter.goAway(lastStreamID: 0, errorCode: HTTP2ErrorCode.noError, into: &bytes)
        _ = socket.write(bytes)
        close()
        let waiting = pending.takeAll()
        tally.update { counts in
            for call in waiting { counts.count(call, ended: .unanswered) }
        }
    }

    private func close() {
        pending.close()
        socket.shutDown()
    }

    // MARK: Receiving

    func readReplies() {
        var reader = HTTP2Reader(isServer: false)
        var replies: [UInt32: Reply] = [:]
        var buffer = [UInt8](repeating: 0, count: 16_384)
        do throws(PeerFault) {
            while case let count = socket.read(into: &buffer), count > 0 {
                reader.append(buffer[..<count])
                while let event = try reader.next() { try take(event, &replies) }
                let due = reader.takeDue()
                if !due.isEmpty, !socket.write(due) { close() }
            }
        } catch {
            tally.update { $0.decodeErrors += 1 }
        }
        close()
    }

    private func take(_ event: HTTP2Event, _ replies: inout [UInt32: Reply]) throws(PeerFault) {
        switch event {
        case .headers(let id, let fields, let endsStream):
            var reply = replies.removeValue(forKey: id) ?? Reply()
            reply.head.add(fields.reply)
            if endsStream { finish(id, reply) } else { keep(reply, id, in: &replies) }
        case .data(let id, let bytes, let endsStream):
            guard var reply = replies.removeValue(forKey: id) else { return }
            var at = 0
            while reply.messages.next(bytes.byteSpan, &at) != nil {}
            if endsStream { finish(id, reply) } else { replies[id] = reply }
        case .reset(let id):
            replies[id] = nil
            guard let call = pending.take(UInt64(id)) else { return }
            tally.update { $0.count(call, ended: .serverError) }
        case .pong: tally.update { $0.heartbeatReplies += 1 }
        case .credit(let increment): try credit(increment)
        }
    }

    /// Keeps the first part of a reply; those of calls that were given up are never finished.
    private func keep(_ reply: Reply, _ id: UInt32, in replies: inout [UInt32: Reply]) {
        replies[id] = reply
        if replies.count > 2 * ProviderConnection.maxCalls, let oldest = replies.keys.min() { replies[oldest] = nil }
    }

    private func credit(_ increment: UInt32) throws(PeerFault) {
        let fits = sending.withLock { (try? $0.window.update(increment)) != nil }
        if !fits { throw .badWindow }
    }

    private func finish(_ id: UInt32, _ reply: Reply) {
        guard let call = pending.take(UInt64(id)) else { return tally.update { $0.lateReplies += 1 } }
        let isReadable = !reply.messages.isInsideMessage && !reply.messages.isDamaged
        let outcome = TripleResult(reply: reply.head, form: .grpc).outcome
        tally.update { counts in
            if !isReadable { counts.decodeErrors += 1 }
            counts.count(call, ended: isReadable ? outcome : .lost)
        }
    }
}

extension TripleResponseHead {
    /// Adds the facts of the trailers to those of the headers.
    fileprivate mutating func add(_ later: TripleResponseHead) {
        if later.httpStatus != 0 { httpStatus = later.httpStatus }
        if later.grpcStatus != Self.noStatus { grpcStatus = later.grpcStatus }
        if later.hasExceptionCode { hasExceptionCode = true }
    }
}
