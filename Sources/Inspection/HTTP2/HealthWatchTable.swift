internal import HTTP2
internal import Policy
internal import Triple
internal import Wire

/// The health streams of a connection, by which dubbo-go is told that an interface is drained, and the room that DATA
/// of Weir's own takes in them.
///
/// While its service is drained a stream's client is told NOT_SERVING, and the server's messages are withheld;
/// afterwards it is told the server's last message. Bounds: ``maxCount`` streams, a message of 1 KiB each. Source:
/// dubbo-go `triple_invoker.go`; RFC 9113 §5.2 for windows.
struct HealthWatchTable {
    /// The most health streams of a connection that are told of drains.
    static let maxCount = 256

    /// A message for a client.
    struct Notice: Equatable {
        /// The change that it tells.
        enum Change {
            case drained
            case restored
            case none
        }

        /// The message, with gRPC's prefix.
        var message: [UInt8]
        var change: Change
    }

    /// The DATA that the client still accepts on the connection.
    private(set) var connectionWindow = FlowWindow()
    /// True if the windows are known; nothing is inserted into streams otherwise.
    private(set) var areWindowsKnown: Bool
    private var watches: [UInt32: HealthWatch] = [:]
    /// The client's INITIAL_WINDOW_SIZE.
    private var initialWindowBytes = HTTP2Default.windowBytes
    /// The withheld DATA that is to be credited to the server on the connection.
    private var creditBytes: UInt32 = 0

    /// A table without streams.
    ///
    /// - Parameter areWindowsKnown: True if the connection is seen from its beginning.
    init(areWindowsKnown: Bool) { self.areWindowsKnown = areWindowsKnown }

    // MARK: Facts

    /// True if there are no health streams.
    var isEmpty: Bool { watches.isEmpty }

    /// True if the stream is a health stream.
    func contains(_ id: UInt32) -> Bool { watches[id] != nil }

    /// The health streams, in their order.
    var streamIDs: [UInt32] { watches.keys.sorted() }

    /// True if a client is to be told something.
    var isStatusDue: Bool { !watches.isEmpty && watches.values.contains { $0.due != nil } }

    /// True if inserted DATA has taken room that the server still believes to have.
    var hasDebt: Bool {
        connectionWindow.debtBytes > 0 || (!watches.isEmpty && watches.values.contains { $0.window.debtBytes > 0 })
    }

    /// True if messages of the server's are withheld, or will be.
    var filtersReplies: Bool { !watches.isEmpty && watches.values.contains { $0.isDrained || $0.isWithholding } }

    /// True if Weir has told a client that something is not there, and not yet that it is again.
    var isToldNotServing: Bool {
        !watches.isEmpty
            && watches.values.contains { $0.told == HealthStatus.notServing && ($0.isDrained || $0.due != nil) }
    }

    // MARK: Streams

    /// A client begins to wait.
    ///
    /// - Parameter id: The stream.
    /// - Returns: False if the stream is not told of drains: there are too many, or windows are not known.
    mutating func begin(_ id: UInt32) -> Bool {
        guard areWindowsKnown, watches.count < Self.maxCount else { return false }
        watches[id] = HealthWatch(window: FlowWindow(initialBytes: initialWindowBytes))
        return true
    }

    /// A client waits no longer, or the server has said everything.
    ///
    /// - Parameter id: The stream.
    /// - Returns: False if it was no health stream.
    mutating func end(_ id: UInt32) -> Bool { watches.removeValue(forKey: id) != nil }

    /// Content of a request's DATA.
    ///
    /// - Parameters:
    ///   - piece: The content.
    ///   - id: The stream.
    /// - Returns: True if it tells the interface that is watched.
    mutating func receiveRequest(_ piece: RawSpan, on id: UInt32) -> Bool {
        guard let watch = watches[id], watch.interface == nil else { return false }
        return watches[id]?.takeRequest(piece) == true
    }

    /// Content of a reply's DATA.
    mutating func receiveReply(_ piece: RawSpan, on id: UInt32) { watches[id]?.takeReply(piece) }

    /// Forgets a stream whose messages cannot be found.
    mutating func removeDamaged(_ id: UInt32) { if watches[id]?.isDamaged == true { watches[id] = nil } }

    /// Drains have changed, or an interface has become known.
    ///
    /// - Parameter isDrained: True for an interface that is drained.
    mutating func update(isDrained: (String) -> Bool) {
        for (id, watch) in watches { watches[id]?.isDrained = isDrained(watch.interface ?? "") }
    }

    /// Takes the message that a stream's client is to be told, if it stands between two messages and has room.
    ///
    /// - Parameter id: A stream whose reply has begun.
    /// - Returns: The message, for which room was taken; `nil` if there is none.
    mutating func tell(_ id: UInt32) -> Notice? {
        guard var watch = watches[id], let status = watch.due, !watch.isInsideMessage else { return nil }
        let count = UInt32(status.count)
        guard connectionWindow.fits(count), watch.window.insert(count), connectionWindow.insert(count) else {
            return nil
        }
        let wasToldNotServing = watch.told == HealthStatus.notServing
        watch.told = status
        watches[id] = watch
        return Notice(message: status, change: watch.isDrained ? .drained : wasToldNotServing ? .restored : .none)
    }

    /// Decides whether a DATA frame of the server's is kept from the client; a message goes the way that it began.
    ///
    /// - Parameters:
    ///   - frame: The frame.
    ///   - isPassed: True if its first bytes were passed on already.
    /// - Returns: True if it is withheld.
    mutating func withholds(_ frame: HTTP2FrameHeader, isPassed: Bool) -> Bool {
        guard let watch = watches[frame.streamID] else { return false }
        guard !watch.isInsideMessage else { return watch.isWithholding && !isPassed }
        let hasDebt = watch.window.debtBytes > 0 || connectionWindow.debtBytes > 0
        let fits = watch.window.fits(frame.payloadBytes) && connectionWindow.fits(frame.payloadBytes)
        let isWithholding = !isPassed && (watch.isDrained || watch.due != nil || (hasDebt && !fits))
        watches[frame.streamID]?.isWithholding = isWithholding
        return isWithholding
    }

    // MARK: Windows

    /// True if a DATA frame of the server's is more than the client accepts, because of DATA of Weir's own.
    func overruns(_ frame: HTTP2FrameHeader) -> Bool {
        if connectionWindow.debtBytes > 0, !connectionWindow.fits(frame.payloadBytes) { return true }
        guard !watches.isEmpty, let window = watches[frame.streamID]?.window else { return false }
        return window.debtBytes > 0 && !window.fits(frame.payloadBytes)
    }

    /// True if a WINDOW_UPDATE of that stream, or of the connection, has a debt to pay first.
    func hasDebt(on id: UInt32) -> Bool {
        (id == 0 ? connectionWindow.debtBytes : watches[id]?.window.debtBytes ?? 0) > 0
    }

    /// A DATA frame of the server's passes to the client.
    @inline(__always)
    mutating func forward(_ frame: HTTP2FrameHeader) {
        connectionWindow.forward(frame.payloadBytes)
        if !watches.isEmpty { watches[frame.streamID]?.window.forward(frame.payloadBytes) }
    }

    /// A DATA frame of the server's was withheld.
    mutating func withhold(_ frame: HTTP2FrameHeader) {
        creditBytes += connectionWindow.withhold(frame.payloadBytes)
        if let credit = watches[frame.streamID]?.window.withhold(frame.payloadBytes) {
            watches[frame.streamID]?.creditBytes += credit
        }
    }

    /// A WINDOW_UPDATE of the client's; what it owes to DATA of Weir's own is taken off.
    ///
    /// - Parameters:
    ///   - increment: Its increment.
    ///   - id: Its stream; 0 for the connection.
    ///   - isPassed: True if the frame was passed on already.
    /// - Returns: The disposition of the frame.
    /// - Throws: ``FlowError``; the peers will see for themselves, and windows are not known any longer.
    mutating func update(_ increment: UInt32, on id: UInt32, isPassed: Bool) throws(FlowError) -> FrameDisposition {
        do throws(FlowError) {
            let passed =
                id == 0
                ? try connectionWindow.update(increment, isPassed: isPassed)
                : try watches[id]?.window.update(increment, isPassed: isPassed)
            guard let passed else { return .forward }
            return passed == increment ? .forward : passed == 0 ? .drop : .rewrite(increment: passed)
        } catch {
            forgetWindows()
            throw error
        }
    }

    /// The client changes what it accepts on a stream at first, of open ones too.
    ///
    /// - Parameter bytes: Its INITIAL_WINDOW_SIZE.
    /// - Throws: ``FlowError`` when it is too large; windows are not known any longer then.
    mutating func changeInitialWindow(to bytes: UInt32) throws(FlowError) {
        let old = initialWindowBytes
        initialWindowBytes = bytes
        for id in watches.keys {
            do throws(FlowError) {
                try watches[id]?.window.changeInitial(from: old, to: bytes)
            } catch {
                forgetWindows()
                throw error
            }
        }
    }

    /// Takes room for the content of an answer on a stream of its own.
    ///
    /// - Parameter bytes: The length of the content.
    /// - Returns: False if the client has no room, or it is not known whether.
    mutating func takeRoom(_ bytes: UInt32) -> Bool {
        areWindowsKnown && bytes <= initialWindowBytes && connectionWindow.insert(bytes)
    }

    /// Bytes are missing: what the client accepts is not known any longer, and nothing is owed.
    mutating func forgetWindows() {
        areWindowsKnown = false
        connectionWindow = FlowWindow()
        if !watches.isEmpty { watches = [:] }
    }

    /// Takes the frames that give the server the room back that withheld DATA took.
    mutating func takeCredit() -> [UInt8] {
        var frames: [UInt8] = []
        HTTP2FrameWriter.windowUpdate(creditBytes, streamID: 0, into: &frames)
        creditBytes = 0
        guard !watches.isEmpty else { return frames }
        for (id, watch) in watches where watch.creditBytes > 0 {
            HTTP2FrameWriter.windowUpdate(watch.creditBytes, streamID: id, into: &frames)
            watches[id]?.creditBytes = 0
        }
        return frames
    }
}
