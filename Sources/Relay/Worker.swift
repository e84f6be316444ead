internal import Calls
internal import Clocks
internal import Glibc
internal import Inspection
internal import Policy
internal import Telemetry
internal import Wire

/// One thread: an event loop and its connections.
///
/// It shares nothing with other workers but the operation registry and the count of connections. The loop is
/// level-triggered and reads each ready socket once a turn, at most a buffer full, so that no connection starves the
/// others. What was read goes to the session and, as its plan says, straight out of the read buffer.
final class Worker {
    /// The socket that an event belongs to: one of a pair's, or one of the loop's own descriptors.
    enum Token {
        static let upstreamBit: UInt64 = 1
        static let commands: UInt64 = .max
        /// Listeners count down from here.
        static let firstListener: UInt64 = .max - 1

        static func pair(_ slot: Int, _ generation: UInt32, isUpstream: Bool) -> UInt64 {
            UInt64(generation) << 32 | UInt64(slot) << 1 | (isUpstream ? upstreamBit : 0)
        }
    }

    struct Listener {
        var descriptor: Int32
        let configuration: ListenerConfiguration
        let port: UInt16
    }

    private static let tickNanoseconds: UInt64 = 100_000_000
    private static let shortTickNanoseconds: UInt64 = 10_000_000

    let configuration: RelayConfiguration
    let shared: SharedState
    let mailbox: Mailbox
    let queue: EventQueue
    let buffer: ReadBuffer
    let core: InspectionCore
    let hooks: RelayHooks
    /// The core's, which every read needs.
    var inspector: Inspector { core.inspector }
    var recorder: Recorder { core.recorder }
    var plan = Plan()
    var listeners: [Listener]
    var pairs: [Pair?] = []
    var freeSlots: [Int] = []
    var generation: UInt32 = 0
    var openPairs = 0
    /// Pairs with a deadline: connecting or aborting.
    var waitingPairs: Set<Int> = []
    var isAcceptPaused = false
    /// The highest number that the pair accepted last has as a descriptor.
    var lastDescriptor: Int32 = 0
    var acceptPausedUntil: UInt64 = 0
    var nextTick: UInt64 = 0
    /// The time of this turn's first read; 0 before it.
    var batchStart: UInt64 = 0
    var markTimes = CallMarkTimes()
    var drainDeadline: UInt64?
    /// The time at which connections end after another process has taken over, far away for never; `nil` before.
    var leaveDeadline: UInt64?
    /// The drain of the service whose consumers were told that refusing has begun.
    var refusingOrder: DrainOrder?
    var isStopped = false
    /// True if the last session that was asked held back too much.
    var isOverrun = false

    init?(
        configuration: RelayConfiguration,
        listeners: [Listener],
        shared: SharedState,
        mailbox: Mailbox,
        hooks: RelayHooks
    ) {
        guard let queue = EventQueue() else { return nil }
        self.queue = queue
        buffer = ReadBuffer(byteCount: configuration.readBufferBytes)
        self.configuration = configuration
        self.listeners = listeners
        self.shared = shared
        self.mailbox = mailbox
        self.hooks = hooks
        core = Self.core(configuration.inspection, shared: shared, hooks: hooks)
        guard self.queue.add(mailbox.event, EventQueue.readable, token: Token.commands) == 0 else { return nil }
        mailbox.watch(self.queue)
        for index in self.listeners.indices {
            let token = Token.firstListener - UInt64(index)
            guard self.queue.add(self.listeners[index].descriptor, EventQueue.readable, token: token) == 0 else {
                return nil
            }
        }
    }

    // MARK: The loop

    /// Runs until the worker is told to stop and its last connection is gone.
    func run() {
        var last = SystemClock.now()
        var turns: UInt64 = 0
        while !isStopped {
            let count = queue.wait(milliseconds: timeout(last))
            turns &+= 1
            mailbox.turnBegan(turns)
            batchStart = 0
            for index in 0..<count {
                let event = queue.event(index)
                handle(event.mask, event.token)
            }
            let now = SystemClock.now()
            if batchStart > 0 { recorder.loopLag(nanoseconds: now - batchStart) }
            if now >= nextTick { tick(now) }
            if count > 0 { markTimes.isStale = true }
            if markTimes.isStale, now >= markTimes.next { takeMarks(now) }
            last = now
        }
        mailbox.ended()
        closeListeners()
        core.finish(now: SystemClock.now())
    }

    private var needsShortTicks: Bool {
        drainDeadline != nil || inspector.drainGate?.service != nil
            || waitingPairs.contains { pairs[$0]?.phase == .aborting }
    }

    private func timeout(_ now: UInt64) -> Int32 {
        let next = needsTicks ? nextTick : markTimes.next
        guard needsTicks || markTimes.isStale else { return -1 }
        guard next > now else { return 0 }
        return Int32((next - now + 999_999) / 1_000_000)
    }

    private var needsTicks: Bool {
        inspector.needsTicks || inspector.holdsRequests || !waitingPairs.isEmpty || drainDeadline != nil
            || leaveDeadline.map { $0 != .max } == true || isAcceptPaused || inspector.isDraining
            || inspector.hasRecalls
    }

    private func tick(_ now: UInt64) {
        nextTick = now + (needsShortTicks ? Self.shortTickNanoseconds : Self.tickNanoseconds)
        inspector.tick(now: now)
        if inspector.isReleaseDue(now: now) { releaseHeld(now) }
        for slot in waitingPairs {
            guard let pair = pairs[slot], now >= pair.deadline || pair.phase == .aborting else { continue }
            switch pair.phase {
            case .connecting: upstreamFailed(pair, reason: .connectTimeout, error: ETIMEDOUT)
            case .aborting: continueAbort(pair, now)
            case .ending: giveUpEnding(pair, now)
            case .established, .closed: break
            }
        }
        if isAcceptPaused, now >= acceptPausedUntil { resumeAccepting() }
        if drainDeadline != nil || leaveDeadline != nil || inspector.isDraining { continueDrain(now) }
        if inspector.hasRecalls { continueRecalls(now) }
    }

    /// Makes the next tick come soon.
    func hastenTick() { nextTick = min(nextTick, SystemClock.now() + Self.shortTickNanoseconds) }

    private func handle(_ mask: UInt32, _ token: UInt64) {
        if token == Token.commands { return runCommands() }
        if token > Token.firstListener - UInt64(listeners.count), token <= Token.firstListener {
            return accept(Int(Token.firstListener - token))
        }
        let slot = Int(token & 0xffff_ffff) >> 1
        guard slot < pairs.count, let pair = pairs[slot], pair.generation == UInt32(token >> 32) else { return }
        handle(mask, pair, isUpstream: token & Token.upstreamBit != 0)
    }

    @inline(__always)
    private func handle(_ mask: UInt32, _ pair: Pair, isUpstream: Bool) {
        switch pair.phase {
        case .connecting:
            let isFailed = mask & EventQueue.failed != 0
            if isUpstream { finishConnect(pair, isFailed: isFailed) } else if isFailed { downstreamFailed(pair) }
        case .established:
            if mask & EventQueue.writable != 0 { flush(pair, isUpstream ? .toUpstream : .toDownstream) }
            guard mask & (EventQueue.readable | EventQueue.failed) != 0, pair.phase == .established else { return }
            read(pair, isUpstream ? .toDownstream : .toUpstream, isFailed: mask & EventQueue.failed != 0)
        case .aborting:
            // The event may be an old one of the socket that is gone.
            guard isUpstream ? pair.upstream.isOpen : pair.downstream.isOpen else { return }
            if mask & EventQueue.failed != 0 { reset(pair) } else { continueAbort(pair, SystemClock.now()) }
        case .ending: continueEnding(pair, isUpstream: isUpstream, mask)
        case .closed: break
        }
    }

    // MARK: Commands

    private func runCommands() {
        Linux.clear(mailbox.event)
        for command in mailbox.take() {
            switch command {
            case .inspection(let command): core.handle(command, for: self)
            case .leave(let deadline): beginLeave(deadline)
            case .drain(let deadline): beginDrain(deadline)
            }
        }
    }

    /// Takes note of how many calls have begun on each connection.
    private func takeMarks(_ now: UInt64) {
        let slot = markTimes.begin(now)
        for pair in pairs {
            guard let pair else { continue }
            pair.marks.note(pair.session.begunCalls, at: slot)
        }
    }

    /// The parts of a worker's core that the workers share, or that each has of its own.
    private static func core(
        _ limits: Inspector.Limits,
        shared: SharedState,
        hooks: RelayHooks
    ) -> InspectionCore {
        var configuration = InspectionCore.Configuration(registry: shared.registry, labels: shared.labels)
        configuration.limits = limits
        configuration.epochOffset = { SystemClock.epochOffset() }
        configuration.correlation = shared.correlation
        configuration.tracer = hooks.makeTracer()
        configuration.callers = hooks.callerRegistry
        configuration.limitRegistry = hooks.limits
        configuration.drainRegistry = hooks.drains
        configuration.subscribers = hooks.subscribers
        return InspectionCore(configuration)
    }
}

extension Worker: ConnectionOwner {
    var connectionReports: [ConnectionReport] {
        let now = SystemClock.now()
        return pairs.compactMap { pair in
            guard let pair else { return nil }
            let ends = ConnectionReport.Ends(
                id: UInt64(pair.generation) << 32 | UInt64(pair.slot),
                peer: pair.peer,
                upstream: pair.destination,
                bytesToUpstream: pair.up.receivedBytes,
                bytesToDownstream: pair.down.receivedBytes,
                isConnecting: pair.phase == .connecting
            )
            return ConnectionReport(
                ends,
                session: pair.session,
                since: pair.start,
                marks: pair.marks,
                times: markTimes,
                now: now
            )
        }
    }
}
