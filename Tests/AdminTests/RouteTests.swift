import HTTPTypes
import Telemetry
import Testing

@testable import Admin

/// What is found by path and method.
@Suite struct RouteTests {
    private let table = RouteTable([
        .open("/metrics") { _, _ in AdminResponder.problem(.ok, "") },
        .change(.put, "/v1/limits") { _, _ in AdminResponder.problem(.ok, "") },
        .read("/v1/limits") { _, _ in AdminResponder.problem(.ok, "") },
        .change(.delete, "/v1/limits") { _, _ in AdminResponder.problem(.ok, "") },
    ])

    private func found(_ method: HTTPRequest.Method, _ path: String, on listener: AdminServer.Listener = .main)
        -> String
    {
        switch table.match(method, path, on: listener) {
        case .route(let route): "\(route.demand)"
        case .otherMethods(let methods): methods.map(\.rawValue).joined(separator: ", ")
        case .nothing: "nothing"
        }
    }

    @Test("a route is found by its path and its method, and asks for what its kind asks for") func match() {
        #expect(found(.get, "/metrics") == "open" && found(.head, "/metrics") == "open")
        #expect(found(.get, "/v1/limits") == "reading" && found(.head, "/v1/limits") == "reading")
        #expect(found(.put, "/v1/limits") == "change" && found(.delete, "/v1/limits") == "change")
    }

    @Test("another method is told which there are, in their order") func otherMethods() {
        #expect(found(.post, "/v1/limits") == "PUT, GET, HEAD, DELETE")
        #expect(found(.options, "/metrics") == "GET, HEAD")
    }

    @Test(
        "a path is matched to the letter",
        arguments: [
            "/metrics/", "//metrics", "/Metrics", "/metric", "/metrics/x", "metrics", "", "/", "*", "/%6detrics",
        ]
    )
    func exact(_ path: String) {
        #expect(found(.get, path) == "nothing")
    }

    @Test("other listeners know the open routes only") func listeners() {
        #expect(found(.get, "/metrics", on: .metrics) == "open")
        for method in [HTTPRequest.Method.get, .put, .options] {
            #expect(found(method, "/v1/limits", on: .metrics) == "nothing")
        }
    }

    @Test("a path of the rest of Weir is guarded by the way it was made") func made() {
        let route = { (route: AdminRoute) in (route.path, route.change?.rawValue) }
        #expect(route(.read("/v1/a") { .problem(200, "") }) == ("/v1/a", nil))
        #expect(route(.read("/v1/a", query: { _ in .problem(200, "") })) == ("/v1/a", nil))
        #expect(route(.change(.put, "/v1/b", text: { _ in .problem(200, "") })) == ("/v1/b", "PUT"))
        #expect(route(.change(.post, "/v1/c", form: { _ in .problem(200, "") })) == ("/v1/c", "POST"))
        #expect(route(.change(.delete, "/v1/d") { .problem(200, "") }) == ("/v1/d", "DELETE"))
    }

    @Test("what a route is given of the request, and what is refused before it") func given() async throws {
        try await withServer { ports in
            let echo = "/v1/echo"
            #expect(await ask(ports.main, echo + "?a=1&b=x+y")?.text == "a=1 b=x y")
            #expect(await ask(ports.main, echo + "?a=%zz")?.status == 400)
            let form = ["Content-Length: 7"]
            let posted = await ask(ports.main, echo + "?a=1", method: "POST", headers: form, body: "b=2&c=3")
            #expect(posted?.text == "a=1 b=2 c=3")
            let text = await ask(
                ports.main,
                echo + "?a=%zz",
                method: "PUT",
                headers: ["Content-Length: 4"],
                body: "a=%z"
            )
            #expect(text?.text == "a=%z")
            let deleted = await ask(ports.main, echo + "?a=%zz", method: "DELETE", headers: form, body: "\u{0}%zz&=")
            #expect(deleted?.text == "gone")
            let other = try #require(await ask(ports.main, echo, method: "PATCH"))
            #expect(other.status == 405 && other.headers["allow"] == "GET, HEAD, POST, PUT, DELETE")
            #expect(await ask(ports.main, echo + "/")?.status == 404)
        }
    }

    @Test("the reasons for which connections are closed are those of the metric") func cuts() {
        let metric = MetricCatalog.all.first { $0.family.name == "weir_admin_connections_closed" }
        #expect(metric?.labels.map(\.name) == ["reason"])
        #expect(metric?.labels.first?.values == AdminCloseReason.allCases.map(\.label))
    }
}
