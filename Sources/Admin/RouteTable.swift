internal import HTTPTypes
internal import Hummingbird

/// The routes by path and method.
///
/// Hummingbird's own router is not used: it treats an unsupported method as an unknown path (404 without `Allow`), and
/// takes `//metrics` and `/metrics/` for `/metrics`.
struct RouteTable: Sendable {
    typealias Answer = @Sendable (Request, AdminConnection) async throws -> Response

    /// A method of a path.
    struct Route: Sendable {
        let path: String
        /// The methods it answers.
        let methods: [HTTPRequest.Method]
        /// The demand of ``AdminGuard`` on a client.
        ///
        /// Open routes are on the listener for scraping too.
        let demand: AdminGuard.Demand
        let answer: Answer

        /// A route for everybody.
        static func open(_ path: String, _ answer: @escaping Answer) -> Route {
            Route(path: path, methods: [.get, .head], demand: .open, answer: answer)
        }

        /// Shows what Weir knows.
        static func read(_ path: String, _ answer: @escaping Answer) -> Route {
            Route(path: path, methods: [.get, .head], demand: .reading, answer: answer)
        }

        /// Changes what Weir does.
        static func change(_ method: HTTPRequest.Method, _ path: String, answer: @escaping Answer) -> Route {
            Route(path: path, methods: [method], demand: .change, answer: answer)
        }
    }

    /// The result for a request.
    enum Match {
        case route(Route)
        /// The path takes these methods only.
        case otherMethods([HTTPRequest.Method])
        case nothing
    }

    private var paths: [String: [Route]] = [:]

    /// A table of these routes; no two of them may answer the same.
    init(_ routes: [Route]) {
        for route in routes {
            let known = paths[route.path, default: []].flatMap(\.methods)
            precondition(Set(known).isDisjoint(with: route.methods), "two routes answer the same method of a path")
            paths[route.path, default: []].append(route)
        }
    }

    /// The routes of a path, in the order in which they were given.
    func match(_ method: HTTPRequest.Method, _ path: String, on listener: AdminServer.Listener) -> Match {
        let routes = (paths[path] ?? []).filter { listener == .main || $0.demand == .open }
        guard !routes.isEmpty else { return .nothing }
        guard let route = routes.first(where: { $0.methods.contains(method) }) else {
            return .otherMethods(routes.flatMap(\.methods))
        }
        return .route(route)
    }
}
