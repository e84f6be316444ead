public import Calls
public import Dubbo
public import Policy
public import Wire

/// The ends of a connection.
public struct ObservedConnection: BitwiseCopyable, Equatable, Sendable {
    /// Who opened it; or, if that was not seen, who sent the first request.
    public let clientEnd: Endpoint
    /// The other end.
    public let serverEnd: Endpoint

    /// ``clientEnd`` as `ip:port`.
    public var client: String { clientEnd.description }
    /// ``serverEnd`` as `ip:port`.
    public var server: String { serverEnd.description }

    /// A connection between those ends.
    public init(client: Endpoint, server: Endpoint) {
        clientEnd = client
        serverEnd = server
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
    /// The bytes that the ranges of the metadata point into.
    public let texts: RawSpan
    /// True if its body could be read to the end.
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

/// One half of a Triple or gRPC stream as an observer sees it, once it is complete.
public struct ObservedStreamHalf: Sendable {
    /// The stream.
    public var streamID: UInt32 = 0
    /// Which way it went, seen from the client.
    public var direction = Direction.toUpstream
    /// When its first byte was seen, in nanoseconds.
    public var start: UInt64 = 0
    /// The payload lengths of its messages, in order; at most ``maxMessages`` of them.
    public var messageBytes: [UInt64] = []
    /// The called service, of a request; `nil` where the path could not be read.
    public var interface: String?
    /// The path's method, of a request.
    public var method: String?
    /// The service's version, of a request that names one.
    public var version: String?
    /// The service's group, of a request that names one.
    public var group: String?
    /// The attachments of a request, by header name.
    public var attachments: [(name: String, value: String)] = []
    /// The gRPC status of a reply, as it is spelled.
    public var grpcStatus: String?
    /// The gRPC message of a reply, percent-decoded.
    public var grpcMessage: String?
    /// True if a reply was a single block of headers.
    public var isTrailersOnly = false

    /// The most message lengths that are kept of one half.
    public static let maxMessages = 65_536

    /// A half of which nothing is known.
    public init() {}
}

/// A JSON-RPC message as an observer sees it.
public struct ObservedRPC: Sendable {
    /// One request, notification or response.
    public struct Member: Sendable {
        /// The id as JSON text, `nil` without one.
        public var id: String?
        /// The method, `nil` without one.
        public var method: String?
        /// The error's code, `nil` without one.
        public var errorCode: Int64?

        /// A member of those values.
        public init(id: String?, method: String?, errorCode: Int64?) {
            self.id = id
            self.method = method
            self.errorCode = errorCode
        }
    }

    /// True if it asks or answers.
    public var isRequest: Bool
    /// Which way it went, seen from the client.
    public var direction: Direction
    /// When its first byte was seen, in nanoseconds.
    public var start: UInt64
    /// Its members.
    public var members: [Member]
    /// True if it is a batch.
    public var isBatch: Bool

    /// A message of those values.
    public init(isRequest: Bool, direction: Direction, start: UInt64, members: [Member], isBatch: Bool) {
        self.isRequest = isRequest
        self.direction = direction
        self.start = start
        self.members = members
        self.isBatch = isBatch
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

    /// The request half of a Triple or gRPC stream.
    ///
    /// - Parameters:
    ///   - half: What was read of it.
    ///   - connection: Where it was seen.
    func streamRequest(_ half: ObservedStreamHalf, on connection: ObservedConnection)

    /// The response half of a Triple or gRPC stream.
    ///
    /// - Parameters:
    ///   - half: What was read of it.
    ///   - connection: Where it was seen.
    func streamResponse(_ half: ObservedStreamHalf, on connection: ObservedConnection)

    /// A JSON-RPC message.
    ///
    /// - Parameters:
    ///   - message: What was read of it.
    ///   - connection: Where it was seen.
    func rpc(_ message: ObservedRPC, on connection: ObservedConnection)
}

/// A finished call with the texts that counting does not need.
public struct ObservedCall: Sendable {
    /// The call.
    public var call: FinishedCall
    /// The protocol's own id.
    public var id: String
    /// The client and the server of the connection.
    public var connection: ObservedConnection
    /// The calling application, if it named itself.
    public var caller: String
    /// The class of the exception that answered it; empty without one.
    public var exception: String
    /// The trace context that came with the request.
    public var trace: TraceContext?
}

extension CallMatcher {
    /// True if a call is wanted; it costs no allocation once the operation was seen.
    ///
    /// - Parameter observed: The call.
    /// - Returns: True if all of the filter fits.
    public func admits(_ observed: ObservedCall) -> Bool { admits(observed.call, caller: observed.caller) }
}

/// Is told every call when its end is known.
public protocol CallObserver: AnyObject {
    /// A call ended.
    ///
    /// - Parameter call: The call and its texts.
    func finished(_ call: ObservedCall)
}
