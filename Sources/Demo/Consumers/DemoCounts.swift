public import Calls

/// The counts of the demo consumers, to be compared with those of a proxy between them and the provider.
///
/// Generic calls count under the method they name, as Weir counts them. Versions and groups are added together.
public struct DemoCounts: Equatable, Sendable {
    /// A method of an interface.
    public struct Method: Hashable, Sendable {
        /// The protocol it is called in.
        public let callProtocol: CallProtocol
        /// The interface's full name.
        public let interface: String
        /// The method's name.
        public let method: String

        /// The method of that name.
        public init(_ callProtocol: CallProtocol, interface: String, method: String) {
            self.callProtocol = callProtocol
            self.interface = interface
            self.method = method
        }
    }

    /// Calls sent, oneway ones too.
    public internal(set) var sent: [Method: UInt64] = [:]
    /// The ended calls by outcome.
    public internal(set) var results: [Method: [Outcome: UInt64]] = [:]
    /// The calls whose end was not the expected one for their arguments.
    public internal(set) var unexpected: UInt64 = 0
    /// Replies with an id that no call waits for, such as one after its call's deadline.
    public internal(set) var lateReplies: UInt64 = 0
    /// Heartbeats and HTTP/2 pings sent.
    public internal(set) var heartbeats: UInt64 = 0
    /// Heartbeats answered.
    public internal(set) var heartbeatReplies: UInt64 = 0
    /// Frames, bodies and connections that could not be read.
    public internal(set) var decodeErrors: UInt64 = 0
    /// Connections made.
    public internal(set) var connections: UInt64 = 0
    /// Connections that could not be made.
    public internal(set) var failedConnections: UInt64 = 0

    /// Zero counts.
    public init() {}

    /// The number of calls sent.
    public var totalSent: UInt64 { sent.values.reduce(0, +) }

    /// The number of calls sent in one protocol.
    ///
    /// - Parameter callProtocol: The protocol.
    /// - Returns: The sum over its methods.
    public func totalSent(in callProtocol: CallProtocol) -> UInt64 {
        sent.reduce(0) { $0 + ($1.key.callProtocol == callProtocol ? $1.value : 0) }
    }

    /// The number of ended calls.
    public var totalEnded: UInt64 { results.values.reduce(0) { $0 + $1.values.reduce(0, +) } }

    /// The number of calls that wait for a reply.
    public var inFlight: UInt64 { totalSent - totalEnded }

    /// The number of calls with one outcome.
    ///
    /// - Parameter outcome: The way.
    /// - Returns: The sum over all methods.
    public func total(_ outcome: Outcome) -> UInt64 { results.values.reduce(0) { $0 + ($1[outcome] ?? 0) } }

    /// The number of calls of one protocol with one outcome.
    ///
    /// - Parameters:
    ///   - outcome: The way.
    ///   - callProtocol: The protocol.
    /// - Returns: The sum over its methods.
    public func total(_ outcome: Outcome, in callProtocol: CallProtocol) -> UInt64 {
        results.reduce(0) { $0 + ($1.key.callProtocol == callProtocol ? $1.value[outcome] ?? 0 : 0) }
    }

    mutating func count(sent call: some CountedCall) { sent[call.countedAs, default: 0] += 1 }

    mutating func count(_ call: some CountedCall, ended outcome: Outcome) {
        results[call.countedAs, default: [:]][outcome, default: 0] += 1
        if outcome != call.expected { unexpected += 1 }
    }
}

/// A call as the counts see it.
protocol CountedCall {
    /// Under which names its sending and its end are counted.
    var countedAs: DemoCounts.Method { get }
    /// The outcome it must have.
    var expected: Outcome { get }
}
