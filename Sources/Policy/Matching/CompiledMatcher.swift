internal import Calls

/// A ``RequestMatcher`` with its patterns compiled; shared by all threads, each of which has a ``PCREScratch``.
///
/// The names of an operation decide once, see ``matches(_:_:_:_:ignoringMethod:)``; the other facts call by call, and
/// only when the matcher is not ``isStatic``.
final class CompiledMatcher: Sendable {
    /// The patterns of an operation's names.
    private struct Patterns {
        let interface: TextMatcher?
        let method: TextMatcher?
        let version: TextMatcher?
        let group: TextMatcher?
    }

    /// An attachment's place among the names of ``RequestFacts`` and its pattern.
    struct Attachment: Sendable {
        let index: Int
        let value: TextMatcher
    }

    private let names: Patterns
    private let callProtocol: CallProtocol?
    private let side: Side?
    let caller: TextMatcher?
    let peer: TextMatcher?
    let attachments: [Attachment]

    /// Compiles a matcher.
    ///
    /// - Parameters:
    ///   - matcher: The matcher.
    ///   - attachmentNames: The attachments that ``RequestFacts`` has; those of the matcher are among them.
    /// - Throws: The first pattern that cannot be used.
    init(_ matcher: RequestMatcher, attachmentNames: [String] = []) throws(PatternProblem) {
        names = Patterns(
            interface: try Self.compiled(matcher.interface),
            method: try Self.compiled(matcher.method),
            version: try Self.compiled(matcher.version),
            group: try Self.compiled(matcher.group)
        )
        callProtocol = matcher.callProtocol
        side = matcher.side
        caller = try Self.compiled(matcher.caller)
        peer = try Self.compiled(matcher.peer)
        var attachments: [Attachment] = []
        for attachment in matcher.attachments {
            guard let index = attachmentNames.firstIndex(of: attachment.name) else { continue }
            attachments.append(Attachment(index: index, value: try TextMatcher(attachment.value)))
        }
        self.attachments = attachments
    }

    private static func compiled(_ pattern: TextPattern?) throws(PatternProblem) -> TextMatcher? {
        guard let pattern else { return nil }
        return try TextMatcher(pattern)
    }

    /// True if only the operation and the side decide.
    var isStatic: Bool { caller == nil && peer == nil && attachments.isEmpty }

    /// True if the facts of every call of an operation match, or would with another method.
    func matches(
        _ operation: Operation,
        side: Side,
        scratch: borrowing PCREScratch,
        givenUp: some GivenUpSearches,
        ignoringMethod: Bool = false
    ) -> Bool {
        if let wanted = self.side, wanted != side { return false }
        return matches(operation, scratch: scratch, givenUp: givenUp, ignoringMethod: ignoringMethod)
    }

    /// The same on either side.
    func matches(
        _ operation: Operation,
        scratch: borrowing PCREScratch,
        givenUp: some GivenUpSearches,
        ignoringMethod: Bool = false
    ) -> Bool {
        if let callProtocol, callProtocol != operation.callProtocol { return false }
        if let interface = names.interface, !interface.matches(operation.interface, scratch: scratch, givenUp: givenUp)
        {
            return false
        }
        if let method = names.method, !ignoringMethod,
            !Self.matches(method, operation: operation, scratch: scratch, givenUp: givenUp)
        {
            return false
        }
        if let version = names.version,
            !Self.fits(version, version: operation.version, scratch: scratch, givenUp: givenUp)
        {
            return false
        }
        if let group = names.group, !group.matches(operation.group, scratch: scratch, givenUp: givenUp) { return false }
        return true
    }

    /// True if a call on a side could match.
    func mayMatch(_ side: Side) -> Bool { (self.side ?? side) == side }

    /// True if a call of a protocol could match.
    func mayMatch(_ callProtocol: CallProtocol, _ side: Side) -> Bool {
        (self.callProtocol ?? callProtocol) == callProtocol && mayMatch(side)
    }

    /// True if the facts of this call match.
    func matches(
        _ facts: borrowing RequestFacts,
        scratch: borrowing PCREScratch,
        givenUp: some GivenUpSearches
    ) -> Bool {
        if let caller, !caller.matches(facts.caller, scratch: scratch, givenUp: givenUp) { return false }
        if let peer, !peer.matches(facts.peer, scratch: scratch, givenUp: givenUp) { return false }
        for attachment in attachments {
            if !attachment.value.matches(facts.attachment(attachment.index), scratch: scratch, givenUp: givenUp) {
                return false
            }
        }
        return true
    }

    /// True if a version matches; a missing one also matches if its other spelling does.
    private static func fits(
        _ matcher: TextMatcher,
        version: String,
        scratch: borrowing PCREScratch,
        givenUp: some GivenUpSearches
    ) -> Bool {
        if matcher.matches(version, scratch: scratch, givenUp: givenUp) { return true }
        return version.isEmpty && matcher.matches(Operation.zeroVersion.description, scratch: scratch, givenUp: givenUp)
    }

    /// True if a method matches; that of a tool also matches if all tools are meant.
    private static func matches(
        _ method: TextMatcher,
        operation: Operation,
        scratch: borrowing PCREScratch,
        givenUp: some GivenUpSearches
    ) -> Bool {
        if method.matches(operation.method, scratch: scratch, givenUp: givenUp) { return true }
        let tools = operation.methodWithoutTool
        return tools != operation.method && method.matches(tools, scratch: scratch, givenUp: givenUp)
    }
}
