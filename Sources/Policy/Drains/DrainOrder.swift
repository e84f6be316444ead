public import Calls
internal import Synchronization

/// The target of a drain: the whole service, an interface of it, or a method of an interface.
public struct DrainTarget: Hashable, Sendable {
    /// The interface's full name; empty for the whole service.
    public let interface: String
    /// The method; empty for all of the interface.
    public let method: String

    /// The whole service.
    public static let service = DrainTarget(interface: "", method: "")

    /// A target of that name.
    ///
    /// - Parameters:
    ///   - interface: The interface's full name, of any version and group; empty for the whole service.
    ///   - method: The method; empty for all of the interface.
    public init(interface: String, method: String = "") {
        self.interface = interface
        self.method = interface.isEmpty ? "" : method
    }

    /// True if it is the whole service.
    public var isService: Bool { interface.isEmpty }

    /// True if it covers a call.
    ///
    /// - Parameters:
    ///   - interface: The interface called.
    ///   - method: The method called.
    /// - Returns: True if the call is drained.
    public func covers(interface: String, method: String) -> Bool {
        isService || (interface == self.interface && (self.method.isEmpty || method == self.method))
    }

    /// True if it covers the calls of an operation; a tool's belong to `tools/call`.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: True if the operation is drained.
    public func covers(_ operation: Operation) -> Bool {
        covers(interface: operation.interface, method: operation.method)
            || covers(interface: operation.interface, method: operation.methodWithoutTool)
    }
}

/// The stage of a drain.
public enum DrainPhase: UInt8, Comparable, Sendable {
    /// Nothing is drained.
    case none
    /// Consumers are told; their calls still pass.
    case grace
    /// Calls are refused where their protocol lets the consumer try elsewhere.
    case reject
    /// The deadline has passed: what was left open has been closed.
    case ended

    /// The word in the JSON form.
    public var label: StaticString {
        switch self {
        case .none: "none"
        case .grace: "grace"
        case .reject: "reject"
        case .ended: "ended"
        }
    }

    /// The order of time.
    public static func < (left: DrainPhase, right: DrainPhase) -> Bool { left.rawValue < right.rawValue }
}

/// The rule for telling consumers of a drain before they are refused.
public enum DrainSignalling: String, CaseIterable, Sendable {
    /// They are told at once, in their protocol's own way, on new connections too.
    case auto
    /// They are told nothing before the refusing stage: without another provider READONLY is an outage for Dubbo Java
    /// 3.3, and `closing` for dubbo-go.
    case none
}

/// A drain that was requested and has not been undone.
public final class DrainOrder: Sendable {
    /// The target.
    public let target: DrainTarget
    /// The reason, in the words of the requester.
    public let reason: String
    /// The start, in monotonic nanoseconds.
    public let start: UInt64
    /// The start of refusing.
    public let rejectTime: UInt64
    /// The time at which the remaining connections are closed; not before ``rejectTime``.
    public let deadline: UInt64
    /// The rule for telling consumers before they are refused.
    public let signalling: DrainSignalling
    /// True if dubbo-go is told by the attachment `closing` of a reply; see ``isLeaving``.
    public let givesClosing: Bool
    private let rejected = Atomic<UInt64>(0)
    private let passed = Atomic<UInt64>(0)
    private let closed = Atomic<UInt64>(0)

    /// A drain that begins now.
    ///
    /// - Parameters:
    ///   - target: The target.
    ///   - reason: The reason.
    ///   - now: The time, in monotonic nanoseconds.
    ///   - grace: The time for which requests still pass, in nanoseconds.
    ///   - deadline: After how long what is left is closed, in nanoseconds; at least the grace.
    ///   - signalling: The rule for telling consumers before they are refused.
    ///   - givesClosing: True if dubbo-go is told by the attachment `closing`.
    public init(
        target: DrainTarget,
        reason: String = "",
        now: UInt64,
        grace: UInt64,
        deadline: UInt64,
        signalling: DrainSignalling = .auto,
        givesClosing: Bool = false
    ) {
        self.target = target
        self.reason = reason
        self.signalling = signalling
        self.givesClosing = givesClosing
        start = now
        rejectTime = now &+ min(grace, .max &- now)
        self.deadline = max(rejectTime, now &+ min(deadline, .max &- now))
    }

    /// True if consumers are told at once.
    public var isSignalled: Bool { signalling == .auto }

    /// True if replies may carry `closing`.
    ///
    /// dubbo-go from 3.3.2 on takes that for the end of this instance for the whole interface, for 30 s, so it is not
    /// sent for a method.
    public var isLeaving: Bool { isSignalled && givesClosing && target.method.isEmpty }

    /// True if a connection of that age is now told of the drain by its end, the only signal that its protocol has.
    ///
    /// During the grace a connection that began after the drain is not closed: its consumer may have no other provider,
    /// and would only open the next one.
    ///
    /// - Parameters:
    ///   - began: The start of the connection, in monotonic nanoseconds.
    ///   - now: The time, in monotonic nanoseconds.
    /// - Returns: True if it is told.
    public func endsConnections(begunAt began: UInt64, now: UInt64) -> Bool {
        stage(at: now) >= .reject || (isSignalled && began < start)
    }

    /// The stage at a time.
    ///
    /// - Parameter now: The time, in monotonic nanoseconds.
    /// - Returns: Any stage but ``DrainPhase/none``.
    public func stage(at now: UInt64) -> DrainPhase {
        now < rejectTime ? .grace : now < deadline ? .reject : .ended
    }

    /// Calls that were refused for its sake.
    public var rejectedCalls: UInt64 { rejected.load(ordering: .relaxed) }
    /// Calls that came after it had begun and were passed on.
    public var passedCalls: UInt64 { passed.load(ordering: .relaxed) }

    /// Connections that were closed for its sake.
    public var closedConnections: UInt64 { closed.load(ordering: .relaxed) }

    /// Calls came that were refused.
    public func countRejected(_ calls: Int = 1) { rejected.wrappingAdd(UInt64(calls), ordering: .relaxed) }

    /// A connection was closed.
    public func countClosed() { closed.wrappingAdd(1, ordering: .relaxed) }

    /// Calls came that passed.
    public func countPassed(_ calls: Int = 1) { passed.wrappingAdd(UInt64(calls), ordering: .relaxed) }
}

/// The signals by which consumers are told of a drain.
public enum DrainSignal: UInt8, CaseIterable, Sendable {
    /// Dubbo's event that a provider takes no more requests.
    case readonly
    /// Dubbo's event that it takes them again.
    case writeable
    /// The attachment of replies that makes dubbo-go leave a provider.
    case closing
    /// HTTP/2's frame that no more streams are taken.
    case goAway
    /// The answer of gRPC's health watch that a service is not there.
    case notServing
    /// The same that it is there again.
    case serving
    /// HTTP/1's header that the connection ends.
    case connectionClose

    /// The value of the metric label `signal`, and the word in the JSON form.
    public var label: StaticString {
        switch self {
        case .readonly: "readonly"
        case .writeable: "writeable"
        case .closing: "closing"
        case .goAway: "goaway"
        case .notServing: "not_serving"
        case .serving: "serving"
        case .connectionClose: "connection_close"
        }
    }
}

/// The signals that were given.
public struct DrainSignals: OptionSet, Sendable {
    /// A bit for each signal.
    public let rawValue: UInt8

    /// The set of those bits.
    ///
    /// - Parameter rawValue: A bit for each signal.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The set of one signal.
    ///
    /// - Parameter signal: The signal.
    public init(_ signal: DrainSignal) { rawValue = 1 << signal.rawValue }

    /// The signals in it.
    public var all: [DrainSignal] { DrainSignal.allCases.filter { contains(DrainSignals($0)) } }
}
