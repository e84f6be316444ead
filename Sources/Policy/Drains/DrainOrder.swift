public import Calls
internal import Synchronization

/// What is drained: the whole service, an interface of it, or a method of an interface.
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

    /// Whether it is everything.
    public var isService: Bool { interface.isEmpty }

    /// Whether a call is a part of it.
    ///
    /// - Parameters:
    ///   - interface: The interface called.
    ///   - method: The method called.
    /// - Returns: Whether it is drained.
    public func covers(interface: String, method: String) -> Bool {
        isService || (interface == self.interface && (self.method.isEmpty || method == self.method))
    }

    /// Whether calls of an operation are a part of it: a tool's are a part of `tools/call`.
    ///
    /// - Parameter operation: What is called.
    /// - Returns: Whether it is drained.
    public func covers(_ operation: Operation) -> Bool {
        covers(interface: operation.interface, method: operation.method)
            || covers(interface: operation.interface, method: operation.methodWithoutTool)
    }
}

/// How far a drain has come.
public enum DrainStage: UInt8, Comparable, Sendable {
    /// Nothing is drained.
    case none
    /// Consumers are told; what they still send passes.
    case grace
    /// What they still send is refused where its protocol lets them try elsewhere.
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
    public static func < (left: DrainStage, right: DrainStage) -> Bool { left.rawValue < right.rawValue }
}

/// Whether consumers are told of a drain before they are refused.
public enum DrainSignalling: String, CaseIterable, Sendable {
    /// They are told at once, in their protocol's own way, and new connections too.
    case auto
    /// They are told nothing before the refusing stage: where there is no other provider READONLY is an outage for
    /// Dubbo Java 3.3, and `closing` for dubbo-go.
    case none
}

/// A drain that was asked for and has not been undone.
public final class DrainOrder: Sendable {
    /// What is drained.
    public let target: DrainTarget
    /// Why, in the words of whoever asked.
    public let reason: String
    /// When it began, in monotonic nanoseconds.
    public let start: UInt64
    /// When refusing begins.
    public let rejectTime: UInt64
    /// When what is left is closed; not before ``rejectTime``.
    public let deadline: UInt64
    /// Whether consumers are told before they are refused.
    public let signalling: DrainSignalling
    /// Whether dubbo-go is told by the attachment `closing` of a reply; see ``isLeaving``.
    public let givesClosing: Bool
    private let rejected = Atomic<UInt64>(0)
    private let passed = Atomic<UInt64>(0)
    private let closed = Atomic<UInt64>(0)

    /// A drain that begins now.
    ///
    /// - Parameters:
    ///   - target: What is drained.
    ///   - reason: Why.
    ///   - now: The time, in monotonic nanoseconds.
    ///   - grace: How long requests still pass, in nanoseconds.
    ///   - deadline: After how long what is left is closed, in nanoseconds; at least the grace.
    ///   - signalling: Whether consumers are told before they are refused.
    ///   - givesClosing: Whether dubbo-go is told by the attachment `closing`.
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

    /// Whether consumers are told at once.
    public var isSignalled: Bool { signalling == .auto }

    /// Whether replies may say `closing`.
    ///
    /// dubbo-go from 3.3.2 on takes that for the end of this instance for the whole interface, for 30 s: it is nothing
    /// to say of a method.
    public var isLeaving: Bool { isSignalled && givesClosing && target.method.isEmpty }

    /// Whether a connection of that age is told now that its service is drained, where the only word for it is that the
    /// connection ends.
    ///
    /// In the grace one that came after the drain had begun is not: its consumer may have no other provider, and would
    /// only open the next.
    ///
    /// - Parameters:
    ///   - began: When the connection began, in monotonic nanoseconds.
    ///   - now: The time, in monotonic nanoseconds.
    /// - Returns: Whether it is told.
    public func endsConnections(begunAt began: UInt64, now: UInt64) -> Bool {
        stage(at: now) >= .reject || (isSignalled && began < start)
    }

    /// How far it has come.
    ///
    /// - Parameter now: The time, in monotonic nanoseconds.
    /// - Returns: Any stage but ``DrainStage/none``.
    public func stage(at now: UInt64) -> DrainStage {
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

/// How consumers are told of a drain.
public enum DrainSignal: UInt8, CaseIterable, Sendable {
    /// Dubbo's event that a provider takes no more requests.
    case readonly
    /// Dubbo's event that it takes them again.
    case writeable
    /// The attachment of replies by which dubbo-go leaves a provider.
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

/// Signals that were given.
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
