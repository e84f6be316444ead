internal import Clocks
internal import HTTP1
internal import HTTP2
internal import Synchronization
internal import Wire

/// One consumer's connection to the demo provider: a thread that reads, and one that writes replies when they are due.
///
/// A method's time passes in a queue, not in a sleeping thread: any number of calls run side by side.
final class ProviderConnection: Sendable {
    /// The most calls at a time; past it they are refused as a full Java thread pool refuses them, and past twice as
    /// many (a peer that sends and does not read) the connection ends.
    static let maxCalls = 4096

    /// The bytes of a reply.
    struct Reply {
        enum Kind {
            /// A reply, or the last part of one.
            case whole
            /// A reply's part that others follow.
            case part
            /// The answer to a heartbeat.
            case heartbeat
            /// The protocol's own.
            case control
        }

        var bytes: [UInt8]
        var kind = Kind.whole
        /// The HTTP/2 stream; 0 for none.
        var streamID: UInt32 = 0
        /// The part of the HTTP/2 connection's window that it takes.
        var dataBytes: UInt32 = 0
    }

    private struct State {
        var isStopped = false
        var counts = DemoProviderCounts()
        var replies = DueQueue<Reply>()
        /// The HTTP/2 streams whose replies are not complete.
        var openStreams: Set<UInt32> = []
        /// The room for DATA that the HTTP/2 peer has on the connection.
        var window = FlowWindow()
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

    /// True if the number of calls has reached its bound.
    var isFull: Bool { state.withLock { $0.replies.count >= Self.maxCalls } }

    /// Ends the connection and both threads.
    func stop() {
        state.withLock { $0.isStopped = true }
        socket.shutDown()
        bell.ring()
    }

    // MARK: Reading

    /// Reads requests until the connection ends.
    func serve() {
        var conversation: (any Conversation)?
        var unread: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        do throws(PeerFault) {
            while case let count = socket.read(into: &buffer), count > 0 {
                if let conversation {
                    try conversation.take(buffer[..<count], on: self)
                } else {
                    unread += buffer[..<count]
                    conversation = try begin(unread)
                    try conversation?.take(unread[...], on: self)
                }
            }
        } catch {
            // Java's peers look for the next frame in what follows; a demo may hang up.
            state.withLock { $0.counts.decodeErrors += 1 }
        }
        stop()
    }

    /// The conversation that begins with these bytes; `nil` while they are too few to tell.
    private func begin(_ bytes: [UInt8]) throws(PeerFault) -> (any Conversation)? {
        let magic: [UInt8] = [0xda, 0xbb]
        if bytes.prefix(2).elementsEqual(magic.prefix(bytes.count)) {
            return bytes.count < 2 ? nil : DubboConversation(firstRandom)
        }
        let preface = Array(HTTP2Preface.text.description.utf8.prefix(3))
        // `P` alone may begin a POST too.
        if bytes.count > 1, bytes.prefix(3).elementsEqual(preface.prefix(bytes.count)) {
            return bytes.count < 3 ? nil : TripleConversation(firstRandom)
        }
        switch HTTP1Prefix(bytes.byteSpan) {
        case .request: return JSONConversation(firstRandom)
        case .undecided: return nil
        case .response, .other: throw .unknownProtocol
        }
    }

    // MARK: For conversations

    func count(_ change: (inout DemoProviderCounts) -> Void) { state.withLock { change(&$0.counts) } }

    /// Adds a reply, to be written when it is due.
    func answer(_ reply: Reply, at due: UInt64) {
        let (isFirst, isTooMany) = state.withLock { state in
            if reply.streamID != 0 { state.openStreams.insert(reply.streamID) }
            state.replies.insert(reply, due: due)
            return (state.replies.nextDue == due, state.replies.count > 2 * Self.maxCalls)
        }
        if isTooMany { return stop() }
        if isFirst { bell.ring() }
    }

    /// Drops the unsent bytes of an HTTP/2 stream that the peer gave up.
    func cancel(_ streamID: UInt32) {
        state.withLock { state in
            if state.openStreams.remove(streamID) != nil { state.counts.cancelledRequests += 1 }
        }
    }

    /// The HTTP/2 peer takes more DATA.
    func credit(_ increment: UInt32) throws(PeerFault) {
        let fits = state.withLock { (try? $0.window.update(increment)) != nil }
        if !fits { throw .badWindow }
    }

    // MARK: Replying

    /// Writes replies until the connection ends.
    func sendReplies() {
        while true {
            let now = SystemClock.now()
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

    /// Writes one reply, counted before the peer can know it; true if the peer takes more.
    private func send(_ reply: Reply) -> Bool {
        let isWanted: Bool? = state.withLock { state in
            if reply.streamID != 0, !state.openStreams.contains(reply.streamID) { return false }
            // A peer that reads gives room long before it is used up.
            guard state.window.fits(reply.dataBytes) else { return nil }
            state.window.forward(reply.dataBytes)
            switch reply.kind {
            case .whole:
                state.openStreams.remove(reply.streamID)
                state.counts.replies += 1
            case .heartbeat: state.counts.heartbeats += 1
            case .part, .control: break
            }
            return true
        }
        guard let isWanted else { return false }
        return isWanted ? socket.write(reply.bytes) : true
    }
}

/// The reader of one connection of the provider, in the protocol of its first bytes.
protocol Conversation: AnyObject {
    /// Reads bytes and answers the requests that they complete.
    func take(_ piece: ArraySlice<UInt8>, on connection: ProviderConnection) throws(PeerFault)
}
