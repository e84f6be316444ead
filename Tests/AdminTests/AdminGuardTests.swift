import Testing

@testable import Admin

/// The access rules in docs/admin-api.md.
@Suite struct AdminGuardTests {
    private func status(
        _ demand: AdminGuard.Demand,
        token: String? = nil,
        onLoopback: Bool = true,
        host: String? = "localhost",
        fromPage: Bool = false,
        given: String? = nil
    ) -> Int {
        let client = AdminGuard.Client(
            isOnLoopback: onLoopback,
            host: host,
            isFromPage: fromPage,
            authorization: given
        )
        return AdminGuard(token: token, hosts: ["weir.internal"]).denial(demand, client)?.status ?? 200
    }

    @Test("scrapers and probes are asked for nothing", arguments: [true, false]) func open(_ isOnLoopback: Bool) {
        for token in [nil, "secret-1"] {
            let host = "any name at all"
            #expect(status(.open, token: token, onLoopback: isOnLoopback, host: host, fromPage: true) == 200)
            #expect(status(.open, token: token, onLoopback: isOnLoopback, host: nil) == 200)
        }
    }

    @Test("the table of tokens, on loopback and beyond") func tokens() {
        let (right, wrong) = ("Bearer secret-1", "Bearer secret-2")
        for demand in [AdminGuard.Demand.reading, .change] {
            let isChange = demand == .change
            #expect(status(demand) == 200)
            #expect(status(demand, token: "secret-1") == (isChange ? 401 : 200))
            #expect(status(demand, token: "secret-1", given: wrong) == (isChange ? 401 : 200))
            #expect(status(demand, token: "secret-1", given: right) == 200)
            #expect(status(demand, onLoopback: false) == 403)
            #expect(status(demand, onLoopback: false, given: right) == 403)
            #expect(status(demand, token: "secret-1", onLoopback: false) == 401)
            for given in [wrong, "Bearer secret-1 ", "bearer secret-1", "secret-1", "Bearer ", ""] {
                #expect(status(demand, token: "secret-1", onLoopback: false, given: given) == 401)
            }
            #expect(status(demand, token: "secret-1", onLoopback: false, given: right) == 200)
        }
    }

    @Test("a change never comes from a web page, reading may") func pages() {
        #expect(status(.change, fromPage: true) == 403)
        #expect(status(.change, token: "secret-1", fromPage: true, given: "Bearer secret-1") == 403)
        #expect(status(.reading, fromPage: true) == 200)
    }

    @Test(
        "Host is an address, localhost or a name that was configured",
        arguments: [
            ("127.0.0.1", true), ("127.0.0.1:16080", true), ("10.1.2.3:1", true), ("[::1]:16080", true),
            ("[::1]", true),
            ("[2001:db8::7]:80", true), ("localhost", true), ("LOCALHOST:16080", true), ("localhost.", true),
            ("weir.internal", true), ("Weir.Internal.:80", true), ("weir.internal:", true),
            ("evil.example", false), ("localhost.evil.example", false), ("127.0.0.1.evil.example", false),
            ("127.0.0.1.", false), ("1.2.3", false), ("1.2.3.256", false), ("1.2.3.-4", false), ("2130706433", false),
            ("[evil.example]", false), ("[::1", false), ("::1", false), ("[::1]x", false), ("[127.0.0.1]", false),
            ("localhost:80:80", false), ("localhost:x", false), ("user@localhost", false), ("localhost/", false),
            ("", false), (":80", false), ("[]", false), ("..", false),
        ]
    )
    func hosts(_ host: String, _ isOurs: Bool) {
        #expect(status(.reading, host: host) == (isOurs ? 200 : 403))
        #expect(status(.change, host: host) == (isOurs ? 200 : 403))
    }

    @Test("without Host, or with a very long one, nothing is told") func noHost() {
        #expect(status(.reading, host: nil) == 403)
        #expect(status(.reading, host: String(repeating: "1.", count: 10_000)) == 403)
    }

    @Test("every path of the API is guarded, and those for scrapers are not") func paths() async throws {
        try await withServer(configure: { $0.token = "secret-1" }) { ports in
            for path in ["/v1/operations", "/v1/connections", "/v1/calls", "/v1/limits", "/v1/drain", "/v1/config"] {
                #expect(await ask(ports.main, path, host: "evil.example")?.status == 403, "\(path)")
                #expect(await ask(ports.main, path, method: "HEAD", host: "evil.example")?.status == 403, "\(path)")
            }
            for path in ["/metrics", "/healthz", "/readyz"] {
                #expect(await ask(ports.main, path, host: "evil.example")?.status == 200)
            }
            for (method, path) in [("PUT", "/v1/limits"), ("POST", "/v1/drain"), ("DELETE", "/v1/drain")] {
                let refused = try #require(await ask(ports.main, path, method: method))
                #expect(refused.status == 401)
                #expect(refused.headers["www-authenticate"] == "Bearer")
                let authorization = ["Authorization: Bearer secret-1"]
                #expect(await ask(ports.main, path, method: method, headers: authorization)?.status == 503)
                let page = authorization + ["Origin: http://localhost"]
                #expect(await ask(ports.main, path, method: method, headers: page)?.status == 403)
            }
            // One of two hosts must not decide.
            #expect(await ask(ports.main, "/v1/operations", headers: ["Host: evil.example"])?.status == 403)
            #expect(await ask(ports.main, "/v1/operations")?.status == 200)
        }
    }
}
