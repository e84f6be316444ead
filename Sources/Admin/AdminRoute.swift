/// A name and a value of a request's query, or of a form in its body.
public struct AdminParameter: Equatable, Sendable {
    /// The name.
    public var name: String
    /// The value.
    public var value: String

    /// A parameter of those values.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// One thing that the admin API can be asked for: a path, a method, and the function that answers.
///
/// Who may ask follows from how a route is made: ``read(_:_:)`` shows what Weir knows, ``change(_:_:answer:)`` changes
/// what it does, and both are guarded as `docs/admin-api.md` has it. A route without a guard cannot be made.
public struct AdminRoute: Sendable {
    /// A method that changes something.
    public enum Change: String, Sendable {
        /// Replaces.
        case put = "PUT"
        /// Begins, or sets.
        case post = "POST"
        /// Ends.
        case delete = "DELETE"
    }

    /// What the function is told of the request.
    enum Answer: Sendable {
        /// Nothing: neither query nor body is read.
        case plain(@Sendable () async -> AdminAnswer)
        /// The parameters of the query.
        case query(@Sendable ([AdminParameter]) async -> AdminAnswer)
        /// The parameters of the query and behind them those of a form in the body.
        case form(@Sendable ([AdminParameter]) async -> AdminAnswer)
        /// The body, of 1 MiB of UTF-8 at most.
        case text(@Sendable (String) async -> AdminAnswer)
    }

    let path: String
    /// `nil` for `GET` and `HEAD`.
    let change: Change?
    let answer: Answer

    /// Shows something, to `GET` and `HEAD`.
    ///
    /// - Parameters:
    ///   - path: The whole path.
    ///   - answer: What is shown.
    /// - Returns: The route.
    public static func read(_ path: String, _ answer: @escaping @Sendable () async -> AdminAnswer) -> AdminRoute {
        AdminRoute(path: path, change: nil, answer: .plain(answer))
    }

    /// Shows something that parameters of the query choose, to `GET` and `HEAD`.
    ///
    /// - Parameters:
    ///   - path: The whole path.
    ///   - answer: What is shown; it gets the parameters as they came.
    /// - Returns: The route.
    public static func read(
        _ path: String,
        query answer: @escaping @Sendable ([AdminParameter]) async -> AdminAnswer
    ) -> AdminRoute {
        AdminRoute(path: path, change: nil, answer: .query(answer))
    }

    /// Changes something.
    ///
    /// - Parameters:
    ///   - method: The method that does.
    ///   - path: The whole path.
    ///   - answer: Does it.
    /// - Returns: The route.
    public static func change(
        _ method: Change,
        _ path: String,
        answer: @escaping @Sendable () async -> AdminAnswer
    ) -> AdminRoute {
        AdminRoute(path: path, change: method, answer: .plain(answer))
    }

    /// Changes something that parameters of the query, or of a form in the body, say.
    ///
    /// - Parameters:
    ///   - method: The method that does.
    ///   - path: The whole path.
    ///   - answer: Does it; it gets the parameters as they came, the query's first.
    /// - Returns: The route.
    public static func change(
        _ method: Change,
        _ path: String,
        form answer: @escaping @Sendable ([AdminParameter]) async -> AdminAnswer
    ) -> AdminRoute {
        AdminRoute(path: path, change: method, answer: .form(answer))
    }

    /// Changes something to what the body says.
    ///
    /// - Parameters:
    ///   - method: The method that does.
    ///   - path: The whole path.
    ///   - answer: Does it; it gets the body.
    /// - Returns: The route.
    public static func change(
        _ method: Change,
        _ path: String,
        text answer: @escaping @Sendable (String) async -> AdminAnswer
    ) -> AdminRoute {
        AdminRoute(path: path, change: method, answer: .text(answer))
    }
}
