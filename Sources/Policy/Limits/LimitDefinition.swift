/// A part of the key that separates a limit's windows.
public enum LimitKey: Hashable, Sendable {
    /// The calling application.
    case caller
    /// The downstream peer's address, without its port.
    case peer
    /// The value of an attachment or header, by its name in lower case.
    case attachment(String)
    /// The method.
    case method
    /// The interface.
    case interface
}

/// The treatment of a call that is over a limit.
public enum LimitMode: String, CaseIterable, Sendable {
    /// The call is refused.
    case enforce
    /// It passes and is counted; the limit is charged only for calls that are within it, as if the others were refused.
    case observe
}

/// A limit as it is configured.
public struct LimitDefinition: Equatable, Sendable {
    /// The name: letters, digits, `.`, `_` and `-`.
    public var name: String
    /// The calls it applies to.
    public var match = RequestMatcher()
    /// The keys that separate its windows; empty for one window.
    public var keys: [LimitKey] = []
    /// The number of key values with windows of their own; further ones share one.
    public var maxKeys = LimitBounds.maxKeys.upperBound
    /// The algorithm.
    public var algorithm: LimitAlgorithm
    /// The treatment of a call that is over it.
    public var mode = LimitMode.enforce
    /// The reply to refused callers.
    public var localReply = LocalReplyPolicy()

    /// A limit on all calls.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - algorithm: The algorithm.
    public init(name: String, algorithm: LimitAlgorithm) {
        self.name = name
        self.algorithm = algorithm
    }

    /// The text of the reply.
    public var localReplyText: String { localReply.text ?? "limit \(name) exceeded" }

    /// True if windows of the other definition continue for this one.
    ///
    /// - Parameter other: The limit of a set before.
    /// - Returns: True if name, matcher, keys and algorithm are the same; mode and reply may differ.
    public func continues(_ other: LimitDefinition) -> Bool {
        name == other.name && match == other.match && keys == other.keys && algorithm == other.algorithm
            && (keys.isEmpty || maxKeys == other.maxKeys)
    }

    /// The attachments that the limit looks at, in lower case.
    public var attachmentNames: [String] {
        match.attachments.map(\.name)
            + keys.compactMap { key in
                if case .attachment(let name) = key { name } else { nil }
            }
    }
}

extension LimitDefinition {
    /// The first problem with the values, in one line; `nil` if they are valid.
    ///
    /// Patterns are not compiled here, see ``TextPattern/problem()``.
    public var problem: String? {
        guard Self.isName(name) else {
            return "a name has 1...\(LimitBounds.maxNameBytes) letters, digits, \".\", \"_\" and \"-\""
        }
        if let problem = algorithm.problem { return problem }
        guard LimitBounds.maxKeys ~= maxKeys else { return "max_keys is not in 1...\(LimitBounds.maxKeys.upperBound)" }
        guard keys.count <= LimitBounds.maxKeyParts else {
            return "a key has at most \(LimitBounds.maxKeyParts) parts"
        }
        guard Set(keys).count == keys.count else { return "a part of the key is given twice" }
        guard match.attachments.count <= LimitBounds.maxAttachments else {
            return "a limit looks at no more than \(LimitBounds.maxAttachments) attachments"
        }
        return localReply.problem ?? LocalReplyPolicy.problem(of: localReplyText)
    }

    /// True if a text can be the name of a limit.
    ///
    /// - Parameter text: The text.
    /// - Returns: True if it has 1 to 64 letters, digits, `.`, `_` and `-`.
    public static func isName(_ text: String) -> Bool {
        1...LimitBounds.maxNameBytes ~= text.utf8.count
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }
}

extension LimitAlgorithm {
    /// The first problem with the values, in one line; `nil` if they are valid.
    public var problem: String? {
        switch self {
        case .slidingWindow(let limit, let window), .fixedWindow(let limit, let window):
            guard LimitBounds.limit ~= limit else { return "limit is not in 1...\(LimitBounds.limit.upperBound)" }
            return LimitBounds.window ~= window ? nil : "window is not in 1ms...24h"
        case .tokenBucket(let rate, let period, let burst):
            guard LimitBounds.limit ~= rate else { return "rate is not in 1...\(LimitBounds.limit.upperBound)" }
            guard LimitBounds.limit ~= burst else { return "burst is not in 1...\(LimitBounds.limit.upperBound)" }
            guard LimitBounds.window ~= period else { return "period is not in 1ms...24h" }
            let (_, overflow) = UInt64(burst).multipliedReportingOverflow(by: period.nanoseconds << 2)
            return overflow ? "burst is too large for a rate over so long a time" : nil
        case .concurrency(let limit):
            return LimitBounds.concurrency ~= limit ? nil : "limit is not in 1...\(LimitBounds.concurrency.upperBound)"
        }
    }
}
