internal import Clocks
internal import Glibc
internal import NIOCore
internal import Synchronization

/// The reason for closing a connection of the admin API before its client wanted it.
enum AdminCloseReason: Int, CaseIterable {
    /// Another one needed its place.
    case shed
    /// No request came for long.
    case idle
    /// The request did not come to its end in time.
    case slowRequest
    /// The request is too long.
    case largeRequest
    /// The answer was not taken in time.
    case slowReader
    /// The answer was too old to be kept for a client that had not taken it yet.
    case page

    /// The value of the metric label.
    var label: String {
        switch self {
        case .shed: "shed"
        case .idle: "idle"
        case .slowRequest: "slow_request"
        case .largeRequest: "large_request"
        case .slowReader: "slow_reader"
        case .page: "old_page"
        }
    }
}

/// One connection of the admin API: its activity, and the start of it.
final class AdminConnection: Sendable {
    /// The activity of a connection; those before ``working`` may be shed.
    enum Activity: Int, Comparable {
        /// No request is open.
        case idle
        /// A request, or its body, has begun to come.
        case reading
        /// An answer waits for its reader.
        case stalled
        /// An answer is being made.
        case working
        /// It is one of the answers without an end.
        case endless

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    private struct State {
        /// The start of the activity.
        var since: UInt64
        /// The start of its last request, or of the answer to it.
        var exchangeSince: UInt64
        /// The last time that the client took a part of an answer.
        var progress: UInt64 = 0
        var isHeadBegun = true
        var isAnswering = false
        /// True if the request's body is awaited.
        var isReadingBody = false
        /// True if a part of the answer has been written.
        var isAnswerBegun = false
        var isEndless = false
        /// Bytes of an answer that the kernel has not taken.
        var pendingBytes = 0
        /// Bytes that came since the last request was understood.
        var receivedBytes = 0
        var isCut = false
        var isQuiesced = false
        /// Succeeded when nothing waits for the kernel any more.
        var waiter: EventLoopPromise<Void>?

        var activity: (Activity, since: UInt64) {
            if isEndless { return (.endless, since) }
            if isReadingBody { return (.reading, exchangeSince) }
            if pendingBytes > 0 { return (.stalled, progress) }
            if isAnswering { return (.working, since) }
            return (isHeadBegun ? .reading : .idle, since)
        }
    }

    /// Within this time of a connection's beginning, or of a request's first byte, its head must be there.
    static let headNanoseconds: UInt64 = 5_000_000_000
    /// Within this time a reader has to take ``RenderedPage/pieceBytes``.
    static let stallNanoseconds: UInt64 = 5_000_000_000
    /// Within this time a request's body must be there, and from its first bytes on an answer taken.
    static let exchangeNanoseconds: UInt64 = 30_000_000_000
    /// The longest time without a request on a connection.
    static let idleNanoseconds: UInt64 = 75_000_000_000
    /// The longest head of a request, and all that may come after one that is being answered, beside its body.
    static let maxHeadBytes = 64 << 10

    let channel: any Channel
    private let state: Mutex<State>
    private let counters: AdminCounters

    init(_ channel: any Channel, counters: AdminCounters, now: UInt64) {
        self.channel = channel
        self.counters = counters
        state = Mutex(State(since: now, exchangeSince: now))
    }

    // MARK: What happens on it

    /// Bytes came.
    func received(_ count: Int, now: UInt64) {
        let isTooLong = state.withLock { state in
            if !state.isAnswering, !state.isHeadBegun {
                state.isHeadBegun = true
                state.since = now
                state.exchangeSince = now
            }
            state.receivedBytes += count
            let limit = Self.maxHeadBytes + (state.isAnswering ? AdminResponder.maxBodyBytes : 0)
            return state.receivedBytes > limit
        }
        if isTooLong { cut(.largeRequest) }
    }

    /// A request's head is there.
    func requestBegan(now: UInt64) {
        state.withLock { state in
            state.isAnswering = true
            state.isAnswerBegun = false
            state.isEndless = false
            state.since = now
            state.exchangeSince = now
            state.receivedBytes = 0
        }
    }

    /// The request's body is awaited, or is there.
    func awaitsBody(_ isAwaited: Bool) { state.withLock { $0.isReadingBody = isAwaited } }

    /// The answer has no end of its own.
    func becameEndless() { state.withLock { $0.isEndless = true } }

    /// All of the answer has been written, if not taken.
    func answered(now: UInt64) {
        state.withLock { state in
            state.isAnswering = false
            state.isEndless = false
            state.isHeadBegun = false
            state.since = now
        }
    }

    /// Bytes of an answer are to go.
    func writing(_ count: Int, now: UInt64) {
        state.withLock { state in
            if state.pendingBytes == 0 { state.progress = now }
            if !state.isAnswerBegun {
                state.isAnswerBegun = true
                state.exchangeSince = now
            }
            state.pendingBytes += count
        }
    }

    /// The kernel has taken bytes, or never will.
    func wrote(_ count: Int, now: UInt64) {
        let waiter = state.withLock { state in
            state.pendingBytes -= count
            state.progress = now
            guard state.pendingBytes == 0 else { return EventLoopPromise<Void>?.none }
            if !state.isAnswering { state.since = now }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.succeed()
    }

    /// Waits until the kernel has taken all that was written, or never will.
    ///
    /// A task that writes is not held up by the channel before the event loop has seen what it wrote: without this it
    /// could be a whole page ahead.
    func allTaken() async {
        let promise = channel.eventLoop.makePromise(of: Void.self)
        // Behind what the task has written, which is brought to the event loop in the same way.
        channel.eventLoop.execute { [self] in
            let isPending = state.withLock { state in
                guard state.pendingBytes > 0 else { return false }
                state.waiter = promise
                return true
            }
            if !isPending { promise.succeed() }
        }
        try? await promise.futureResult.get()
    }

    // MARK: What is to become of it

    /// The activity, and the start of it.
    var activity: (Activity, since: UInt64) { state.withLock { $0.activity } }

    /// The reason to close it now, if there is one.
    func overdue(at now: UInt64) -> AdminCloseReason? {
        state.withLock { state in
            let (activity, since) = state.activity
            let age = now > since ? now - since : 0
            switch activity {
            case .idle: return age > Self.idleNanoseconds ? .idle : nil
            case .reading:
                let limit = state.isReadingBody ? Self.exchangeNanoseconds : Self.headNanoseconds
                return age > limit ? .slowRequest : nil
            case .stalled:
                let isLong = now > state.exchangeSince + Self.exchangeNanoseconds
                return age > Self.stallNanoseconds || isLong ? .slowReader : nil
            // That takes as long as it takes Weir.
            case .working, .endless: return nil
            }
        }
    }

    /// Has it closed once what was asked on it is answered; what reads HTTP can be told that once only.
    func quiesce() {
        let isFirst = state.withLock { state in
            defer { state.isQuiesced = true }
            return !state.isQuiesced
        }
        if isFirst { ConnectionTable.quiesce(channel) }
    }

    /// Closes it; what waits in the kernel for a reader goes with it.
    func cut(_ reason: AdminCloseReason) {
        let isFirst = state.withLock { state in
            defer { state.isCut = true }
            return !state.isCut
        }
        guard isFirst else { return }
        counters.count(reason)
        if reason != .idle {
            // A client that does not read would keep the rest in the kernel for minutes.
            _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        channel.close(promise: nil)
    }
}

/// A handler that reports a connection's bytes and sets it up for HTTP at the first ones: a silent connection is little
/// more than its socket.
final class ConnectionWatch: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let connection: AdminConnection
    private var setUp: (() -> Void)?

    /// - Parameters:
    ///   - connection: The connection to report to.
    ///   - setUp: Adds what reads the bytes to the pipeline, if that is not there yet.
    init(_ connection: AdminConnection, setUp: (() -> Void)? = nil) {
        self.connection = connection
        self.setUp = setUp
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(Self.unwrapInboundIn(data).readableBytes, now: SystemClock.now())
        if let setUp {
            self.setUp = nil
            setUp()
        }
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        let isEnd = event is ChannelShouldQuiesceEvent || event as? ChannelEvent == .inputClosed
        // Nobody else is there to close it.
        if isEnd, setUp != nil { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let count = Self.unwrapOutboundIn(data).readableBytes
        guard count > 0 else { return context.write(data, promise: promise) }
        connection.writing(count, now: SystemClock.now())
        let promise = promise ?? context.eventLoop.makePromise()
        promise.futureResult.whenComplete { [connection] _ in connection.wrote(count, now: SystemClock.now()) }
        context.write(data, promise: promise)
    }
}
