/// A filter over finished calls.
///
/// An empty filter admits every call. A ``CallMatcher`` applies it.
public struct CallFilter: Equatable, Sendable {
    /// The interface's name.
    public var interface: NamePattern?
    /// The method's name.
    public var method: NamePattern?
    /// The pattern of the calling application's name, which is empty for callers that did not name themselves.
    public var caller: NamePattern?
    /// The name of the protocol's own result code; empty for calls that have none.
    public var code: NamePattern?
    /// The outcomes that are wanted.
    public var outcomes: Set<Outcome>?
    /// The side that Weir was on.
    public var side: Side?
    /// The call's protocol.
    public var callProtocol: CallProtocol?
    /// The shortest duration that is wanted.
    public var minNanoseconds: UInt64 = 0
    /// The number of calls after which the stream ends; its sender counts them.
    public var limit: UInt64?

    /// A filter that wants all calls.
    public init() {}

    /// True if the numeric facts of a call match; names are not compared.
    ///
    /// - Parameter call: The call.
    /// - Returns: True if outcome, side and duration match.
    public func admits(_ call: FinishedCall) -> Bool {
        guard call.durationNanoseconds >= minNanoseconds else { return false }
        if let side, call.side != side { return false }
        if let outcomes, !outcomes.contains(call.outcome) { return false }
        return true
    }

    /// True if calls of the operation can match.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: True if protocol, interface and method match.
    public func admits(_ operation: Operation) -> Bool {
        if let callProtocol, operation.callProtocol != callProtocol { return false }
        if let interface, !interface.matches(operation.interface) { return false }
        if let method, !method.matches(operation.method), !method.matches(operation.methodWithoutTool) { return false }
        return true
    }
}

/// A name, or a pattern in which every `*` matches any text.
public struct NamePattern: Equatable, Sendable {
    /// The longest pattern, in bytes.
    public static let maxBytes = 1024

    /// The texts between the asterisks: the first begins the name, the last ends it.
    private let parts: [[UInt8]]

    /// The pattern that is spelled so.
    ///
    /// - Parameter text: At most ``maxBytes``; `nil` for a longer one.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.maxBytes else { return nil }
        parts = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
    }

    /// True if the pattern matches the name, letter by letter.
    ///
    /// - Parameter name: Any text.
    /// - Returns: True if the whole name is matched.
    public func matches(_ name: String) -> Bool {
        let bytes = name.utf8Span.span
        guard let first = parts.first, let last = parts.last, Self.stands(first, in: bytes, at: 0) else { return false }
        guard parts.count > 1 else { return bytes.count == first.count }
        let end = bytes.count - last.count
        var at = first.count
        guard end >= at, Self.stands(last, in: bytes, at: end) else { return false }
        // What stands between two asterisks may be taken where it is first found: more room is then left for the rest.
        for part in parts[1..<parts.count - 1] {
            while !Self.stands(part, in: bytes, at: at) {
                at += 1
                guard at + part.count <= end else { return false }
            }
            at += part.count
            guard at <= end else { return false }
        }
        return true
    }

    private static func stands(_ part: [UInt8], in bytes: Span<UInt8>, at start: Int) -> Bool {
        guard start + part.count <= bytes.count else { return false }
        for index in part.indices where bytes[start + index] != part[index] { return false }
        return true
    }
}
