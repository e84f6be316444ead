public import Calls

/// A filter over finished calls: what was asked, and how it ended.
///
/// An empty filter admits every call. A ``CallMatcher`` applies it.
public struct CallFilter: Sendable {
    /// The requests that are wanted.
    ///
    /// A caller that did not name itself has the empty name. Patterns of the peer and of attachments are not there: a
    /// finished call has neither.
    public let request: RequestMatcher
    /// The pattern of the name of the protocol's own result code; empty for calls that have none.
    public let code: TextPattern?
    /// The outcomes that are wanted.
    public let outcomes: Set<Outcome>?
    /// The shortest duration that is wanted.
    public let minNanoseconds: UInt64
    /// The number of calls after which the stream ends; its sender counts them.
    public let limit: UInt64?

    /// ``request`` compiled; `nil` if every request is wanted.
    let matcher: CompiledMatcher?
    /// ``code`` compiled.
    let codeMatcher: TextMatcher?

    /// A filter that wants all calls.
    public init() {
        request = RequestMatcher()
        code = nil
        outcomes = nil
        minNanoseconds = 0
        limit = nil
        matcher = nil
        codeMatcher = nil
    }

    /// The filter of a draft.
    ///
    /// - Throws: The first pattern that cannot be used.
    init(_ draft: Draft) throws(PatternProblem) {
        request = draft.request
        code = draft.code
        outcomes = draft.outcomes
        minNanoseconds = draft.minNanoseconds
        limit = draft.limit
        matcher = request == RequestMatcher() ? nil : try CompiledMatcher(request)
        codeMatcher = if let code { try TextMatcher(code) } else { nil }
    }

    /// The conditions of a filter that is being read.
    struct Draft {
        var request = RequestMatcher()
        var code: TextPattern?
        var outcomes: Set<Outcome>?
        var minNanoseconds: UInt64 = 0
        var limit: UInt64?
    }
}
