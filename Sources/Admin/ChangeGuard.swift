internal import HTTPTypes
internal import Hummingbird

/// Says who may change what Weir does.
struct ChangeGuard: Sendable {
    /// The token that a change has to carry; `nil` when none is needed.
    let token: String?

    /// Why a change is not made; `nil` when it may be.
    func refusal(of request: Request) -> Response? {
        // A browser says from which page a request comes; no page is Weir's.
        if request.headers[.origin] != nil { return AdminResponder.problem(.forbidden, "not from a web page") }
        guard let token else { return nil }
        guard Self.isEqual(request.headers[.authorization] ?? "", "Bearer \(token)") else {
            var response = AdminResponder.problem(.unauthorized, "a change needs admin.token as its bearer token")
            response.headers[.wwwAuthenticate] = "Bearer"
            return response
        }
        return nil
    }

    /// Compares without telling by the time it takes how much is equal.
    private static func isEqual(_ given: String, _ wanted: String) -> Bool {
        let (given, wanted) = (Array(given.utf8), Array(wanted.utf8))
        guard given.count == wanted.count else { return false }
        return zip(given, wanted).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
