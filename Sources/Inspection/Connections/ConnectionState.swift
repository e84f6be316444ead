internal import Calls
internal import Policy
internal import Telemetry

/// Which end of a connection is the client, as the connection's ends are named.
enum ClientEnd: UInt8 {
    /// The end that is called downstream, as everywhere but in captures.
    case downstream
    /// The end that is called upstream: a capture took the server for the client.
    case upstream
    /// It is not known yet: a capture did not see the connection's beginning.
    case unknown
}

/// The calls of one connection, in numbers.
struct ConnectionCalls {
    /// The head of the connection's list in the call table.
    var first = CallTable.none
    /// The calls waiting for a reply.
    var inFlight = 0
    /// The calls that were answered or given up, or of which no reply was asked.
    var finished: UInt64 = 0
    /// Bytes of replies that have passed; counted only while calls are traced.
    var replyBytes: UInt64 = 0
}

/// The caller on a connection.
struct ConnectionCaller {
    /// The most bytes of a name that are kept: one more than limits compare, so that they know a longer one.
    static let maxBytes = 1025

    /// The last caller's place in the process's ``CallerRegistry``, if calls are counted by caller.
    var number = CallerRegistry.unknown
    /// The last caller's name, truncated; empty if unknown or not tracked.
    var name: [UInt8] = []
    /// The client's address as text; `nil` until a limit asks.
    var address: [UInt8]?
}

/// The signals of drains to a connection's consumer, and its calls since.
struct ConnectionDrain {
    /// How the consumer was told.
    var signals: DrainSignals = []
    /// Calls to what is drained that came nevertheless.
    var lateCalls: UInt64 = 0
    /// True if the consumer may keep away from the connection because of READONLY.
    var mayKeepAway = false
    /// The expectation of the consumer; `nil` while there is none.
    var recall: DrainRecall?
    /// True if the consumer answers events that ask for no answer.
    var answersEvents = false
}

/// A connection whose protocol is not known yet.
struct DetectionState {
    /// The bytes of each direction while they are too few to tell, at most 8 KiB each.
    private var up: [UInt8] = []
    private var down: [UInt8] = []
    /// True if the relay holds the client's bytes back.
    var isHeld = false
    /// True if the connection's beginning was not seen, so that the first bytes may be the middle of anything.
    var isMidstream: Bool
    /// How many bytes have passed of a connection that began with text, while frames may follow; `nil` for all others.
    var textBytes: Int?
    /// How many bytes were searched in vain for a beginning; they are not counted yet.
    var searchedBytes = 0

    /// The state before the first byte.
    ///
    /// - Parameter isMidstream: True if the connection's beginning was not seen.
    init(isMidstream: Bool) { self.isMidstream = isMidstream }

    /// True if nothing waits for more bytes.
    var isIdle: Bool { up.isEmpty && down.isEmpty && textBytes == nil }

    /// The kept bytes of a direction; they are forgotten.
    mutating func take(_ direction: Direction) -> [UInt8] {
        var taken: [UInt8] = []
        if direction == .toUpstream { swap(&taken, &up) } else { swap(&taken, &down) }
        return taken
    }

    /// Keeps the bytes of a direction until more of them come.
    mutating func keep(_ bytes: [UInt8], of direction: Direction) {
        if direction == .toUpstream { up = bytes } else { down = bytes }
    }

    /// Writes the state of a connection of which all bytes were passed on.
    ///
    /// - Returns: False if it cannot be moved: bytes are held, or its beginning is being searched for.
    func encode(to writer: inout ReportWriter) -> Bool {
        guard !isHeld, !isMidstream, searchedBytes == 0 else { return false }
        writer.add(up)
        writer.add(down)
        writer.add(textBytes.map { $0 + 1 } ?? 0)
        return true
    }

    /// The state that another process wrote.
    init(_ reader: inout ReportReader) throws(ReportError) {
        self.init(isMidstream: false)
        up = Array(try reader.piece())
        down = Array(try reader.piece())
        let text = try reader.number()
        guard max(up.count, down.count) <= ProtocolDetector.maxFirstLineBytes,
            text <= UInt64(Inspector.maxTextBytes) + 1
        else { throw .malformed }
        textBytes = text == 0 ? nil : Int(text) - 1
    }
}
