public import Calls

/// The requests that a limit, a filter of calls or a rule means: all given parts must match.
///
/// A limits file writes it as the mapping `match:`, the filters of calls as parameters, see ``CallFilter``. Patterns
/// are the same everywhere, see ``TextPattern``. What a reply brings is no part of it.
///
/// An unknown fact (no version, no such attachment) is the empty text, so that `version: ""` matches calls without one.
/// So does any pattern that matches `0.0.0`, Java's spelling of no version.
public struct RequestMatcher: Equatable, Sendable {
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
