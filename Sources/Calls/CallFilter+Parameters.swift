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
    private static let maxMilliseconds: UInt64 = 86_400_000
    /// The longest part of a wrong name that an error message repeats, in characters.
    private static let maxShownCharacters = 64

    private enum Parameter: String, CaseIterable {
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

    /// Reads a filter from its parameters, as `/v1/calls` and `weir tap` take them.
    ///
    /// - Parameter parameters: Names and values, decoded. `interface`, `method`, `caller` and `code`: a name or a
    ///   pattern with `*`; `outcome`: outcomes separated by commas, `error` for all that are errors; `min_ms`: a number
    ///   of milliseconds, fractions allowed; `limit`: a number of calls; `side`; `protocol`.
    /// - Throws: Every parameter that is unknown, comes twice or has a value that cannot be taken.
    public init(parameters: [(name: String, value: String)]) throws(CallFilterProblems) {
        self.init()
        var problems: [CallFilterProblems.Problem] = []
        var seen: Set<Parameter> = []
        for (name, value) in parameters {
            let reason: String?
            if let parameter = Parameter(rawValue: name) {
                reason = seen.insert(parameter).inserted ? take(parameter, value) : "given twice"
            } else {
                reason = "no such parameter"
            }
            guard let reason else { continue }
            problems.append(.init(parameter: String(name.prefix(Self.maxShownCharacters)), reason: reason))
        }
        guard problems.isEmpty else { throw CallFilterProblems(problems: problems) }
    }

    /// Sets one parameter; what is wrong with its value, if anything is.
    private mutating func take(_ parameter: Parameter, _ value: String) -> String? {
        switch parameter {
        case .interface: take(value, \.interface)
        case .method: take(value, \.method)
        case .caller: take(value, \.caller)
        case .code: take(value, \.code)
        case .outcome: takeOutcomes(value)
        case .minMilliseconds: takeMilliseconds(value)
        case .limit: takeLimit(value)
        case .side: take(value, all: Side.allCases, label: \.label, place: \.side)
        case .callProtocol: take(value, all: CallProtocol.allCases, label: \.label, place: \.callProtocol)
        }
    }

    private mutating func take(_ value: String, _ place: WritableKeyPath<CallFilter, NamePattern?>) -> String? {
        guard let pattern = NamePattern(value) else { return "longer than \(NamePattern.maxBytes) bytes" }
        self[keyPath: place] = pattern
        return nil
    }

    private mutating func take<Word>(
        _ value: String,
        all: [Word],
        label: (Word) -> StaticString,
        place: WritableKeyPath<CallFilter, Word?>
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
        guard let whole = parts.first.flatMap({ Self.number($0) }), whole <= Self.maxMilliseconds,
            fraction.utf8.count <= 6, let digits = Self.number(fraction)
        else { return "takes milliseconds from 0 to \(Self.maxMilliseconds), with at most six digits after the point" }
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
