public import Calls

/// The calls that a limit applies to: all given parts must match.
///
/// An unknown fact (no version, no such attachment) is the empty text, so that `version: ""` matches calls without one.
/// So does any pattern that matches `0.0.0`, Java's spelling of no version.
public struct LimitMatch: Equatable, Sendable {
    /// An attachment or header and the pattern of its value.
    public struct Attachment: Equatable, Sendable {
        /// The name; upper and lower case are not told apart.
        public let name: String
        /// The pattern of the value.
        public let value: TextPattern

        /// An attachment with that value.
        ///
        /// - Parameters:
        ///   - name: The name in any case.
        ///   - value: The pattern of the value.
        public init(name: String, value: TextPattern) {
            self.name = name.lowercased()
            self.value = value
        }
    }

    /// The interface's full name.
    public var interface: TextPattern?
    /// The method; for a generic call the method it names.
    public var method: TextPattern?
    /// The service's version.
    public var version: TextPattern?
    /// The service's group.
    public var group: TextPattern?
    /// The protocol.
    public var callProtocol: CallProtocol?
    /// The side of Weir that the call came in on.
    public var side: Side?
    /// The name of the calling application.
    public var caller: TextPattern?
    /// The address of the downstream peer without its port; an IPv4 address is written as one in every case.
    public var peer: TextPattern?
    /// The attachments, in the order of the file.
    public var attachments: [Attachment] = []

    /// A matcher that every call fits.
    public init() {}
}

/// The part of a matcher that depends on the call itself, compiled.
final class CompiledMatch: Sendable {
    /// An attachment's place among the set's names and its matcher.
    struct Attachment: Sendable {
        let index: Int
        let value: TextMatcher
    }

    let interface: TextMatcher?
    let method: TextMatcher?
    let version: TextMatcher?
    let group: TextMatcher?
    let callProtocol: CallProtocol?
    let side: Side?
    let caller: TextMatcher?
    let peer: TextMatcher?
    let attachments: [Attachment]

    /// Compiles a matcher.
    ///
    /// - Parameters:
    ///   - match: The matcher.
    ///   - names: The attachments that the set looks at; those of the matcher are among them.
    /// - Throws: The first pattern that cannot be used.
    init(_ match: LimitMatch, names: [String]) throws(PatternProblem) {
        interface = try Self.matcher(match.interface)
        method = try Self.matcher(match.method)
        version = try Self.matcher(match.version)
        group = try Self.matcher(match.group)
        callProtocol = match.callProtocol
        side = match.side
        caller = try Self.matcher(match.caller)
        peer = try Self.matcher(match.peer)
        var attachments: [Attachment] = []
        for attachment in match.attachments {
            guard let index = names.firstIndex(of: attachment.name) else { continue }
            attachments.append(Attachment(index: index, value: try TextMatcher(attachment.value)))
        }
        self.attachments = attachments
    }

    private static func matcher(_ pattern: TextPattern?) throws(PatternProblem) -> TextMatcher? {
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
        counters: LimitCounters,
        ignoringMethod: Bool = false
    ) -> Bool {
        if let callProtocol, callProtocol != operation.callProtocol { return false }
        if let wanted = self.side, wanted != side { return false }
        if let interface, !interface.matches(operation.interface, scratch: scratch, counters: counters) { return false }
        if let method, !ignoringMethod,
            !Self.matches(method, operation: operation, scratch: scratch, counters: counters)
        {
            return false
        }
        if let version, !Self.fits(version, version: operation.version, scratch: scratch, counters: counters) {
            return false
        }
        if let group, !group.matches(operation.group, scratch: scratch, counters: counters) { return false }
        return true
    }

    /// True if a call of a protocol could match.
    func mayMatch(_ callProtocol: CallProtocol, _ side: Side) -> Bool {
        (self.callProtocol ?? callProtocol) == callProtocol && (self.side ?? side) == side
    }

    /// True if a version matches; a missing one also matches if its other spelling does.
    private static func fits(
        _ matcher: TextMatcher,
        version: String,
        scratch: borrowing PCREScratch,
        counters: LimitCounters
    ) -> Bool {
        if matcher.matches(version, scratch: scratch, counters: counters) { return true }
        return version.isEmpty
            && matcher.matches(Operation.zeroVersion.description, scratch: scratch, counters: counters)
    }

    /// True if a method matches; that of a tool also matches if all tools are meant.
    private static func matches(
        _ method: TextMatcher,
        operation: Operation,
        scratch: borrowing PCREScratch,
        counters: LimitCounters
    ) -> Bool {
        if method.matches(operation.method, scratch: scratch, counters: counters) { return true }
        let tools = operation.methodWithoutTool
        return tools != operation.method && method.matches(tools, scratch: scratch, counters: counters)
    }

    /// True if the facts of this call match.
    func matches(_ facts: borrowing LimitFacts, scratch: borrowing PCREScratch, counters: LimitCounters) -> Bool {
        if let caller, !caller.matches(facts.caller, scratch: scratch, counters: counters) { return false }
        if let peer, !peer.matches(facts.peer, scratch: scratch, counters: counters) { return false }
        for attachment in attachments {
            if !attachment.value.matches(facts.attachment(attachment.index), scratch: scratch, counters: counters) {
                return false
            }
        }
        return true
    }
}
