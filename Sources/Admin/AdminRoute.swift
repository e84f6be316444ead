/// A name and a value of a request's query, or of a form in its body.
public struct AdminParameter: Equatable, Sendable {
    /// The name.
    public var name: String
    /// The value.
    public var value: String

    /// A parameter with these values.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A path, a method, and the function that answers.
///
/// The guard follows from the way a route is made: ``read(_:_:)`` shows Weir's knowledge, ``change(_:_:answer:)``
/// changes its behaviour, and both are guarded by the table in `docs/admin-api.md`. A route without a guard cannot be
/// made.
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

    /// The part of the request that the function receives.
    enum Answer: Sendable {
        /// None: neither query nor body is read.
        case plain(@Sendable () async -> AdminAnswer)
        /// The parameters of the query.
        case query(@Sendable ([AdminParameter]) async -> AdminAnswer)
        /// The parameters of the query, followed by those of a form in the body.
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
    ///   - answer: The function that answers.
    /// - Returns: The route.
    public static func read(_ path: String, _ answer: @escaping @Sendable () async -> AdminAnswer) -> AdminRoute {
        AdminRoute(path: path, change: nil, answer: .plain(answer))
    }

    /// Shows something that parameters of the query choose, to `GET` and `HEAD`.
    ///
    /// - Parameters:
    ///   - path: The whole path.
    ///   - answer: The function that answers; it receives the parameters as they came.
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

    /// A route that changes a value named by parameters of the query, or of a form in the body.
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

    /// A route that changes a value to the body's content.
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
