internal import Calls

/// All problems found in the parameters of a filter.
public struct CallFilterProblems: Error, Equatable, Sendable, CustomStringConvertible {
    /// One parameter that is not valid.
    public struct Problem: Equatable, Sendable {
        /// The parameter's name.
        public let parameter: String
        /// The problem, as a short text.
        public let reason: String
    }

    /// The problems, in the order of the parameters.
    public let problems: [Problem]

    /// One line: `min_ms: takes …; colour: no such parameter`.
    public var description: String {
        problems.map { "\($0.parameter): \($0.reason)" }.joined(separator: "; ")
    }
}

extension CallFilter {
    /// The names of all parameters.
    public static let parameterNames = Parameter.allCases.map(\.rawValue)

    /// The longest duration that can be asked for, in milliseconds.
    fileprivate static let maxMilliseconds: UInt64 = 86_400_000
    /// The longest part of a wrong name that an error message repeats, in characters.
    private static let maxShownCharacters = 64

    fileprivate enum Parameter: String, CaseIterable {
        case interface
        case method
        case outcome
        case minMilliseconds = "min_ms"
        case limit
        case side
        case callProtocol = "protocol"
        case caller
        case code
    }

    /// Reads a filter from its parameters, as `/v1/calls`, `weir tap` and `log.calls-filter` take them.
    ///
    /// - Parameter parameters: Names and values, decoded. `interface`, `method`, `caller` and `code`: a pattern as
    ///   limits have it, see ``TextPattern/init(shorthand:)``; `outcome`: outcomes separated by commas, `error` for all
    ///   that are errors; `min_ms`: milliseconds, fractions allowed; `limit`: a number of calls; `side`; `protocol`.
    /// - Throws: Every parameter that is unknown, comes twice or has a value that cannot be taken.
    public init(parameters: [(name: String, value: String)]) throws(CallFilterProblems) {
        var draft = Draft()
        var problems: [CallFilterProblems.Problem] = []
        var seen: Set<Parameter> = []
        for (name, value) in parameters {
            let reason: String?
            if let parameter = Parameter(rawValue: name) {
                reason = seen.insert(parameter).inserted ? draft.take(parameter, value) : "given twice"
            } else {
                reason = "no such parameter"
            }
            guard let reason else { continue }
            problems.append(.init(parameter: String(name.prefix(Self.maxShownCharacters)), reason: reason))
        }
        guard problems.isEmpty else { throw CallFilterProblems(problems: problems) }
        do throws(PatternProblem) {
            try self.init(draft)
        } catch {
            // Each pattern was compiled by itself: only memory can fail here.
            throw CallFilterProblems(problems: [.init(parameter: "", reason: error.description)])
        }
    }
}

extension CallFilter.Draft {
    /// Sets one parameter.
    ///
    /// - Returns: The problem with its value, if there is one.
    fileprivate mutating func take(_ parameter: CallFilter.Parameter, _ value: String) -> String? {
        switch parameter {
        case .interface: take(value, \.request.interface)
        case .method: take(value, \.request.method)
        case .caller: take(value, \.request.caller)
        case .code: take(value, \.code)
        case .outcome: takeOutcomes(value)
        case .minMilliseconds: takeMilliseconds(value)
        case .limit: takeLimit(value)
        case .side: take(value, all: Side.allCases, label: \.label, place: \.request.side)
        case .callProtocol: take(value, all: CallProtocol.known, label: \.label, place: \.request.callProtocol)
        }
    }

    private mutating func take(_ value: String, _ place: WritableKeyPath<Self, TextPattern?>) -> String? {
        let pattern = TextPattern(shorthand: value)
        if let problem = pattern.problem() { return problem.description }
        self[keyPath: place] = pattern
        return nil
    }

    private mutating func take<Word>(
        _ value: String,
        all: [Word],
        label: (Word) -> StaticString,
        place: WritableKeyPath<Self, Word?>
    ) -> String? {
        guard let word = all.first(where: { label($0).description == value }) else {
            return "takes " + all.map { label($0).description }.joined(separator: ", ")
        }
        self[keyPath: place] = word
        return nil
    }

    private mutating func takeOutcomes(_ value: String) -> String? {
        var outcomes: Set<Outcome> = []
        for name in value.split(separator: ",", omittingEmptySubsequences: false) {
            if name == "error" {
                outcomes.formUnion(Outcome.allCases.filter(\.isError))
            } else if let outcome = Outcome.allCases.first(where: { $0.label.description == name }) {
                outcomes.insert(outcome)
            } else {
                return "takes error, " + Outcome.allCases.map(\.label.description).joined(separator: ", ")
            }
        }
        self.outcomes = outcomes
        return nil
    }

    private mutating func takeLimit(_ value: String) -> String? {
        guard let count = Self.number(value[...]), count > 0 else { return "takes a number of calls from 1 on" }
        limit = count
        return nil
    }

    private mutating func takeMilliseconds(_ value: String) -> String? {
        let parts = value.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? parts[1] : "0"
        guard let whole = parts.first.flatMap({ Self.number($0) }), whole <= CallFilter.maxMilliseconds,
            fraction.utf8.count <= 6, let digits = Self.number(fraction)
        else {
            return "takes milliseconds from 0 to \(CallFilter.maxMilliseconds), with at most six digits after the point"
        }
        let scale = (fraction.utf8.count..<6).reduce(1) { value, _ in value * 10 }
        minNanoseconds = whole * 1_000_000 + digits * UInt64(scale)
        return nil
    }

    /// The number that decimal digits spell, at most 18 of them.
    private static func number(_ text: Substring) -> UInt64? {
        guard 1...18 ~= text.utf8.count, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return UInt64(text)
    }
}
