public import Calls
public import Dubbo

/// A connection as an observer sees it.
public struct ObservedConnection: Sendable {
    /// Who opened it, `ip:port`; or, if that was not seen, who sent the first request.
    public let client: String
    /// The other end.
    public let server: String

    /// A connection between those ends.
    public init(client: String, server: String) {
        self.client = client
        self.server = server
    }
}

/// A whole Dubbo frame as an observer sees it; the bytes are only there during the call.
public struct ObservedFrame: ~Escapable {
    /// The frame's header.
    public let header: FrameHeader
    /// Which way it went, seen from the client.
    public let direction: Direction
    /// When its first byte was seen, in nanoseconds.
    public let start: UInt64
    /// What the ranges of the metadata point into.
    public let texts: RawSpan
    /// Whether its body could be read to the end.
    public let isWhole: Bool

    @_lifetime(copy texts)
    init(header: FrameHeader, direction: Direction, start: UInt64, texts: RawSpan, isWhole: Bool) {
        self.header = header
        self.direction = direction
        self.start = start
        self.texts = texts
        self.isWhole = isWhole
    }
}

/// Is told every message, in order of completion.
public protocol MessageObserver: AnyObject {
    /// A request that is no event.
    ///
    /// - Parameters:
    ///   - frame: The frame.
    ///   - request: What was read of it.
    ///   - connection: Where it was seen.
    func request(
        _ frame: borrowing ObservedFrame,
        _ request: borrowing RequestMetadata,
        on connection: ObservedConnection
    )

    /// A reply that is no event.
    ///
    /// - Parameters:
    ///   - frame: The frame.
    ///   - response: What was read of it.
    ///   - connection: Where it was seen.
    func reply(
        _ frame: borrowing ObservedFrame,
        _ response: borrowing ResponseMetadata,
        on connection: ObservedConnection
    )

    /// An event, request or reply.
    ///
    /// - Parameters:
    ///   - frame: The frame.
    ///   - event: What it says.
    ///   - connection: Where it was seen.
    func event(_ frame: borrowing ObservedFrame, _ event: EventPayload, on connection: ObservedConnection)
}

/// A finished call with the texts that counting does not need.
public struct ObservedCall: Sendable {
    /// The call.
    public var call: FinishedCall
    /// The protocol's own id.
    public var id: Int64
    /// Who made the connection and to whom.
    public var connection: ObservedConnection
    /// The calling application, if it named itself.
    public var caller: String
    /// The class of the exception that answered it; empty without one.
    public var exception: String
    /// The trace context that came with the request.
    public var trace: TraceContext?
}

/// Is told every call when its end is known.
public protocol CallObserver: AnyObject {
    /// A call ended.
    ///
    /// - Parameter call: The call and its texts.
    func finished(_ call: ObservedCall)
}
