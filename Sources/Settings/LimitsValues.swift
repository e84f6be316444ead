internal import Calls
internal import Policy

/// So many tokens in every period.
struct LimitRate {
    let count: Int
    let period: Duration
}

extension ValueKind where Value == LimitRate {
    /// Tokens in a time, as `100`, `100/s`, `5000/m` or `20000/h`.
    static var rate: Self {
        let units: [(name: String, period: Duration)] = [
            ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)),
        ]
        return Self(
            parse: { text throws(InvalidValue) in
                let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
                let unit = parts.count > 1 ? parts[1] : "s"
                guard let period = units.first(where: { $0.name == unit })?.period, parts.count <= 2 else {
                    throw InvalidValue(reason: "not a rate: \(text.quoted); write it as 100, 100/s, 5000/m, 20000/h")
                }
                let count = try ValueKind<Int>.integer(LimitBounds.limit).parse(parts[0])
                return LimitRate(count: count, period: period)
            },
            show: { rate in "\(rate.count)/\(units.first { $0.period == rate.period }?.name ?? "s")" }
        )
    }
}

extension ValueKind where Value == String {
    /// The name of a limit.
    static var limitName: Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard LimitDefinition.isName(text) else {
                    let bounds = "1...\(LimitBounds.maxNameBytes) letters, digits, \".\", \"_\" and \"-\""
                    throw InvalidValue(reason: "not a name of \(bounds): \(text.quoted)")
                }
                return text
            },
            show: { $0 }
        )
    }

    /// What a caller is told.
    static var localReplyText: Self {
        Self(
            parse: { text throws(InvalidValue) in
                if let problem = LocalReplyPolicy.problem(of: text) { throw InvalidValue(reason: problem) }
                return text
            },
            show: { $0.quoted }
        )
    }
}

extension ValueKind where Value == Int32 {
    /// The code of a local reply.
    static func replyCode(_ settable: CodeSet) -> Self {
        Self(
            parse: { text throws(InvalidValue) in
                guard let code = Int32(text), "\(code)" == text, settable.contains(code) else {
                    throw InvalidValue(reason: "\(settable.reason): \(text.quoted)")
                }
                return code
            },
            show: { "\($0)" }
        )
    }
}

extension ValueKind where Value: CaseIterable {
    /// One of a few words that something is called in metrics.
    fileprivate static func labelled(
        _ known: @escaping @Sendable () -> [Value] = { Array(Value.allCases) },
        _ label: @escaping @Sendable (Value) -> StaticString
    ) -> Self {
        Self(
            parse: { text throws(InvalidValue) in
                if let value = known().first(where: { label($0).description == text }) { return value }
                let known = Value.allCases.map { label($0).description }.joined(separator: ", ")
                throw InvalidValue(reason: "not one of \(known): \(text.quoted)")
            },
            show: { label($0).description }
        )
    }
}

extension ValueKind where Value == CallProtocol {
    /// A protocol by its metric label.
    static var callProtocol: Self { labelled({ CallProtocol.known }) { $0.label } }
}

extension ValueKind where Value == Side {
    /// A side by its metric label.
    static var side: Self { labelled { $0.label } }
}
