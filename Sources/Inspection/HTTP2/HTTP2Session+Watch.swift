internal import Calls
internal import HTTP2
internal import Policy
internal import Triple
internal import Wire

/// A stream of `grpc.health.v1.Health/Watch`: its client waits to be told how a service is.
struct HTTP2Watch {
    /// The most bytes of a message that are kept: those of a status have two.
    private static let maxMessageBytes = 1024

    /// What the client still takes of DATA on the stream.
    var window: FlowWindow
    /// The interface it is about, empty for the whole server; `nil` while that is not known.
    var interface: String?
    private var requests = GRPCMessageReader()
    private var replies = GRPCMessageReader()
    /// The message being read, with gRPC's prefix.
    private var message: [UInt8] = []
    private var isMessageKept = true
    /// What upstream said last; `nil` before its first message.
    private(set) var last: [UInt8]?
    /// What the client was told last.
    var told: [UInt8]?
    /// Whether its service is drained.
    var isDrained = false
    /// Whether upstream's messages do not reach the client.
    var isWithholding = false
    /// Withheld DATA that is to be credited back.
    var creditBytes: UInt32 = 0

    init(window: FlowWindow) { self.window = window }

    /// What the client is to be told, if it was not.
    var due: [UInt8]? {
        let wanted = isDrained ? HealthStatus.notServing : last
        return wanted == told ? nil : wanted
    }

    var isDue: Bool { due != nil }

    /// Whether upstream is in the middle of a message.
    var isMidway: Bool { replies.isMidway }

    /// Whether its messages cannot be found.
    var isDamaged: Bool { requests.isDamaged || replies.isDamaged }

    /// Content of the request's DATA.
    ///
    /// - Returns: Whether the interface is known from here on.
    mutating func takeRequest(_ piece: RawSpan) -> Bool {
        var at = 0
        while let part = requests.next(piece, &at) {
            guard interface == nil, requests.messageCount <= 1 else { continue }
            keep(part, piece)
            guard part.isEnd, isMessageKept, !part.isCompressed else { continue }
            let bytes = Array(message.dropFirst(GRPCMessageReader.prefixBytes))
            let payload = bytes.byteSpan
            guard let health = HealthRequest(payload) else { continue }
            interface = payload.slice(health.interface(in: payload)).text
        }
        return interface != nil
    }

    /// Content of a reply's DATA.
    mutating func takeReply(_ piece: RawSpan) {
        var at = 0
        while let part = replies.next(piece, &at) {
            keep(part, piece)
            guard part.isEnd else { continue }
            // What is too long to be said again was no status that anyone knows.
            last = isMessageKept ? message : HealthStatus.serving
            if !isWithholding { told = last }
        }
    }

    private mutating func keep(_ part: GRPCMessagePart, _ piece: RawSpan) {
        if part.isStart {
            let length = part.lengthBytes
            message = [part.isCompressed ? 1 : 0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }
            isMessageKept = length <= Self.maxMessageBytes
        }
        if isMessageKept { message.append(piece.slice(part.payload)) }
    }
}

/// Health streams, by which dubbo-go is told that an interface is drained, and what Weir's own DATA in them takes of
/// windows.
///
/// While its service is drained a stream's client is told NOT_SERVING, and upstream's messages are withheld; afterwards
/// it is told what upstream had said last. Source: dubbo-go `triple_invoker.go`.
extension HTTP2Session {
    /// The most health streams of a connection that are told of drains.
    private static let maxWatches = 256

    /// A client begins to wait.
    func beginWatch(_ id: UInt32, _ context: ConnectionContext) {
        guard isSignalled(context), areWindowsKnown, watches.count < Self.maxWatches else { return }
        watches[id] = HTTP2Watch(window: FlowWindow(initialBytes: initialWindowBytes))
        isWatching = true
        guard context.pipeline.drains.isActive else { return }
        judgeWatches(context)
        updateNews()
    }

    /// It waits no longer, or everything was said.
    func endWatch(_ id: UInt32) {
        guard watches.removeValue(forKey: id) != nil else { return }
        updateNews()
    }

    /// Content of DATA of a stream that is no call.
    func watchData(_ half: HTTP2Half, _ piece: RawSpan, _ context: ConnectionContext) {
        let id = half.frame.streamID
        guard let watch = watches[id] else { return }
        if half.direction != requests {
            watches[id]?.takeReply(piece)
        } else if watch.interface == nil, watches[id]?.takeRequest(piece) == true, context.pipeline.drains.isActive {
            judgeWatches(context)
        }
        if watches[id]?.isDamaged == true { watches[id] = nil }
        updateNews()
    }

    /// Sees which health streams are about something that is drained.
    func judgeWatches(_ context: ConnectionContext) {
        guard !watches.isEmpty, let gate = context.pipeline.drains.gate else { return }
        for (id, watch) in watches {
            watches[id]?.isDrained = gate.isSignalled(interface: watch.interface ?? "")
        }
        if !isToldNotServing { context.session.drainSignals.remove(DrainSignals(.notServing)) }
    }

    /// Whether a client was told by Weir that something is not there, and not yet that it is again.
    private var isToldNotServing: Bool {
        watches.values.contains { $0.told == HealthStatus.notServing && ($0.isDrained || $0.isDue) }
    }

    /// Puts what clients are to be told into their streams, where these have begun, stand between two messages, and
    /// have room.
    func tellStatuses(_ context: ConnectionContext, into frames: inout [UInt8]) {
        guard !watches.isEmpty, backlog.isEmpty else { return }
        for id in watches.keys.sorted() {
            guard var watch = watches[id], let status = watch.due, !watch.isMidway else { continue }
            let place = streams.place(of: id)
            let count = UInt32(status.count)
            guard place >= 0, streams[place].marks.contains(.replyBegun), connectionWindow.fits(count),
                watch.window.insert(count), connectionWindow.insert(count)
            else { continue }
            let wasToldNotServing = watch.told == HealthStatus.notServing
            watch.told = status
            watches[id] = watch
            HTTP2FrameWriter.data(
                status.byteSpan,
                streamID: id,
                endsStream: false,
                maxFrameBytes: down.maxFrameBytes,
                into: &frames
            )
            if watch.isDrained {
                context.pipeline.drains.note(.notServing, on: context.session)
            } else if wasToldNotServing {
                context.pipeline.drains.note(.serving, on: context.session)
                if isToldNotServing { context.session.drainSignals.insert(DrainSignals(.notServing)) }
            }
        }
    }

    /// Whether DATA of upstream's is kept from the client.
    ///
    /// A message goes the way that it began.
    func isWithheld(_ frame: HTTP2FrameHeader, isPassed: Bool) -> Bool {
        guard let watch = watches[frame.streamID] else { return false }
        guard !watch.isMidway else { return watch.isWithholding && !isPassed }
        let hasDebt = watch.window.debtBytes > 0 || connectionWindow.debtBytes > 0
        let fits = watch.window.fits(frame.payloadBytes) && connectionWindow.fits(frame.payloadBytes)
        let isWithholding = !isPassed && (watch.isDrained || watch.isDue || (hasDebt && !fits))
        watches[frame.streamID]?.isWithholding = isWithholding
        return isWithholding
    }

    // MARK: Windows

    /// DATA of a reply has ended.
    @inline(__always)
    func countWindow(_ half: HTTP2Half) {
        guard !isWatching else { return countWatched(half) }
        connectionWindow.forward(half.frame.payloadBytes)
    }

    private func countWatched(_ half: HTTP2Half) {
        let (id, count) = (half.frame.streamID, half.frame.payloadBytes)
        guard half.isFrameWithheld else {
            connectionWindow.forward(count)
            watches[id]?.window.forward(count)
            return
        }
        half.isFrameWithheld = false
        replyCreditBytes += connectionWindow.withhold(count)
        if let credit = watches[id]?.window.withhold(count) { watches[id]?.creditBytes += credit }
        updateNews()
    }

    /// A WINDOW_UPDATE of the client's; what it owes to DATA of Weir's own is taken off.
    func updateWindow(_ half: HTTP2Half, _ payload: RawSpan) {
        passedIncrement = nil
        let id = half.frame.streamID
        guard id == 0 || !watches.isEmpty, let increment = try? half.frame.number(in: payload) else { return }
        let isPassed = !half.isFrameHeld
        do throws(FlowError) {
            if id == 0 {
                passedIncrement = try connectionWindow.update(increment, isPassed: isPassed)
            } else {
                passedIncrement = try watches[id]?.window.update(increment, isPassed: isPassed)
            }
        } catch {
            // The peers will see for themselves.
            forgetWindows()
        }
        if !isPassed { updateNews() }
    }

    /// The client changes what it takes on a stream at first, of open ones too.
    func changeInitialWindow(to bytes: UInt32) {
        let old = initialWindowBytes
        initialWindowBytes = bytes
        for id in watches.keys {
            do throws(FlowError) {
                try watches[id]?.window.changeInitial(from: old, to: bytes)
            } catch {
                return forgetWindows()
            }
        }
    }

    /// What clients take is not known any longer.
    func forgetWindows() {
        areWindowsKnown = false
        // Nothing is owed any longer.
        connectionWindow = FlowWindow()
        guard !watches.isEmpty || !backlog.isEmpty else { return }
        watches = [:]
        updateNews()
    }

    /// Gives upstream the room back that withheld DATA took.
    func takeReplyCredit() -> [UInt8] {
        var frames: [UInt8] = []
        HTTP2FrameWriter.windowUpdate(replyCreditBytes, streamID: 0, into: &frames)
        replyCreditBytes = 0
        for (id, watch) in watches where watch.creditBytes > 0 {
            HTTP2FrameWriter.windowUpdate(watch.creditBytes, streamID: id, into: &frames)
            watches[id]?.creditBytes = 0
        }
        return frames
    }
}
