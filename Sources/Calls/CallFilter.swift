/// Says which finished calls are wanted.
///
/// A filter that says nothing wants all. A ``CallSieve`` applies it.
public struct CallFilter: Equatable, Sendable {
    /// The interface's name.
    public var interface: NamePattern?
    /// The method's name.
    public var method: NamePattern?
    /// The calling application's name; empty for calls whose caller did not name itself.
    public var caller: NamePattern?
    /// The name of the protocol's own result code; empty for calls that have none.
    public var code: NamePattern?
    /// What may have become of the call.
    public var outcomes: Set<Outcome>?
    /// Where Weir stood.
    public var side: Side?
    /// The call's protocol.
    public var callProtocol: CallProtocol?
    /// The shortest duration that is wanted.
    public var minNanoseconds: UInt64 = 0
    /// How many calls are wanted before the end; counted by whoever hands them on.
    public var limit: UInt64?

    /// A filter that wants all calls.
    public init() {}

    /// Whether the numbers of a call are as wanted; names are not looked at.
    ///
    /// - Parameter call: The call.
    /// - Returns: Whether outcome, side and duration fit.
    public func admits(_ call: FinishedCall) -> Bool {
        guard call.durationNanoseconds >= minNanoseconds else { return false }
        if let side, call.side != side { return false }
        if let outcomes, !outcomes.contains(call.outcome) { return false }
        return true
    }

    /// Whether calls of an operation can be wanted.
    ///
    /// - Parameter operation: The operation.
    /// - Returns: Whether protocol, interface and method fit.
    public func admits(_ operation: Operation) -> Bool {
        if let callProtocol, operation.callProtocol != callProtocol { return false }
        if let interface, !interface.matches(operation.interface) { return false }
        if let method, !method.matches(operation.method), !method.matches(operation.methodWithoutTool) { return false }
        return true
    }
}

/// A name, or a pattern in which every `*` stands for any text.
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

    /// Whether the pattern stands for that name, letter by letter.
    ///
    /// - Parameter name: Any text.
    /// - Returns: Whether all of it is matched.
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
