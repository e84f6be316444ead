/// The vocabulary of one protocol of calls: all that counting, spans, limits and drains have to know of it.
///
/// It holds data only; the product's protocols are in ``product``, others are given a place by ``register(_:)``. All
/// but the label has defaults for a protocol without codes of its own.
public struct ProtocolTraits: Sendable {
    /// The value of the metric label `protocol`, of settings and filters: 1 to 32 of `a` to `z`, digits and `_`.
    public var label: StaticString
    /// The result codes.
    public var codes = Codes()
    /// The names in spans.
    public var spans: Spans
    /// The answers of Weir in upstream's place.
    public var localReplies = LocalReplies()
    /// The method whose calls name a tool behind a colon, `tools/call:NAME`; `nil` if there is none.
    public var toolMethod: StaticString?

    /// The traits of a protocol that has a name and nothing else.
    ///
    /// - Parameter label: See ``label``; spans have it as the name of the system.
    public init(label: StaticString) {
        self.label = label
        spans = Spans(system: label)
    }

    /// The result codes of a protocol.
    public struct Codes: Sendable {
        /// The names that the protocol gives its codes.
        public var names: [Int32: String] = [:]
        /// The codes that the protocol itself defines; each has a series.
        public var own = CodeSet.these([])
        /// The most further codes of an operation with a series of their own.
        public var maxOthers = 16
        /// The codes of errors that are the server's own fault, as OpenTelemetry has them for its spans.
        public var serverFaults = CodeSet.these([])
        /// The failures that Dubbo's own metrics tell apart; those of other codes are unknown ones.
        public var dubboFailures: [Int32: DubboFailure] = [:]
        /// True if a call without an error has a code too.
        public var haveSuccess = true

        /// A protocol without codes.
        public init() {}
    }

    /// The names of a protocol in OpenTelemetry's spans; an attribute that is `nil` is not written.
    public struct Spans: Sendable {
        /// The value of `rpc.system.name`, the name since version 1.39 of the conventions.
        public var system: StaticString
        /// The value of `rpc.system`, the name before.
        public var classicSystem: StaticString
        /// The attribute of the code among the classic names.
        public var classicCodeKey: StaticString?
        /// The attribute of the request's id as text among the classic names.
        public var classicRequestIDKey: StaticString?
        /// The attribute of the request's id as text among the current names.
        public var requestIDKey: StaticString?
        /// The attribute of the request's number, whatever names are used.
        public var requestNumberKey: StaticString?
        /// The attribute of the code, whatever names are used.
        public var codeKey: StaticString?

        /// Spans with a system and nothing of the protocol's own.
        ///
        /// - Parameter system: The name of the system, old and new.
        public init(system: StaticString) {
            self.system = system
            classicSystem = system
        }
    }

    /// The answers of Weir in upstream's place.
    public struct LocalReplies: Sendable {
        /// The usual code of a call over a limit; ``ResultCode/none`` for a protocol without codes.
        public var limitedCode = ResultCode.none
        /// The usual code of a call that comes although its service is drained.
        public var drainedCode = ResultCode.none
        /// The key of the code in a limit's `reject`; `nil` if it cannot be set.
        public var setting: StaticString?
        /// The codes that can be set.
        public var settable = CodeSet.these([])
        /// True if `retry: never` is answered with an exception, which has no code that could be set.
        public var throwsWhenFinal = false

        /// Answers without codes.
        public init() {}
    }
}

/// A set of result codes.
public enum CodeSet: Sendable {
    /// These codes and no others.
    case these([Int32])
    /// All of a range.
    case range(ClosedRange<Int32>)
    /// Every code but this one.
    case allBut(Int32)

    /// True if a code is in the set.
    ///
    /// - Parameter code: Any code.
    /// - Returns: True if it is.
    public func contains(_ code: Int32) -> Bool {
        switch self {
        case .these(let codes): codes.contains(code)
        case .range(let range): range ~= code
        case .allBut(let other): code != other
        }
    }

    /// What is wrong with a code that is not in the set: `not one of 70, 100`.
    public var reason: String {
        switch self {
        case .these(let codes): "not one of \(codes.map(String.init).joined(separator: ", "))"
        case .range(let range): "not in \(range.lowerBound)...\(range.upperBound)"
        case .allBut(let other): "\(other)"
        }
    }
}

/// A failure that Dubbo's own metrics tell apart by the code.
public enum DubboFailure: Sendable {
    /// A request or reply could not be read.
    case codec
    /// The service is not there, or not for this caller.
    case serviceUnavailable
    /// Too many calls.
    case limited
}
