import Admin
import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Testing

@Suite(.timeLimit(.minutes(10))) struct AdminServerTests {
    @Test("metrics are text unless OpenMetrics is asked for") func metrics() async throws {
        try await withServer { ports in
            let text = try #require(await ask(ports.main, "/metrics"))
            #expect(text.status == 200)
            #expect(text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(text.headers["content-length"] == "\(text.body.count)")
            #expect(text.text.contains("weir_calls_total{side=\"provider\",protocol=\"dubbo\",interface=\"com.x.S\""))
            #expect(text.text.contains("weir_build_info{version=\"1.2.3\",revision=\"abc\"} 1\n"))
            #expect(text.text.contains("\nprocess_resident_memory_bytes "))
            #expect(text.text.contains("weir_scrape_stale_workers_total 2\n"))
            let other = try #require(
                await ask(ports.main, "/metrics", accept: "application/openmetrics-text;version=1.0.0")
            )
            #expect(other.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            #expect(other.text.hasSuffix("# EOF\n"))
            #expect(other.text.contains("weir_scrape_stale_workers_total 4\n"))
        }
    }

    @Test("health is always fine, readiness follows the backend") func health() async throws {
        let backend = FakeBackend()
        try await withServer(backend) { ports in
            #expect(await ask(ports.main, "/healthz")?.status == 200)
            #expect(await ask(ports.main, "/readyz")?.status == 200)
            backend.isReady = false
            #expect(await ask(ports.main, "/readyz")?.status == 503)
            #expect(await ask(ports.main, "/healthz")?.status == 200)
        }
    }

    @Test("operations and connections are JSON") func json() async throws {
        try await withServer { ports in
            let operations = try #require(await ask(ports.main, "/v1/operations"))
            #expect(operations.headers["content-type"] == "application/json")
            let all = try JSONSerialization.jsonObject(with: Data(operations.body)) as? [[String: Any]]
            #expect(all?.first?["method"] as? String == "get")
            let answer = try #require(await ask(ports.main, "/v1/connections"))
            let connections = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [[String: Any]]
            let first = try #require(connections?.first)
            #expect(first["id"] as? Int == 7)
            #expect(first["peer"] as? String == "127.0.0.1:5000")
            #expect(first["upstream"] as? String == "[::1]:20880")
            #expect(first["side"] as? String == "consumer")
            #expect(first["protocol"] as? String == "dubbo")
            #expect(first["state"] as? String == "half_closed")
            #expect(first["age_seconds"] as? Double == 1.5)
            #expect(first["in_flight"] as? Int == 3)
            #expect(first["bytes_to_upstream"] as? Int == 100)
            #expect(first["bytes_to_downstream"] as? Int == 200)
        }
    }

    @Test("unknown paths, wrong methods and HEAD are answered as HTTP asks") func edges() async throws {
        try await withServer { ports in
            let missing = try #require(await ask(ports.main, "/nothing"))
            #expect(missing.status == 404)
            #expect(missing.headers["content-type"] == "application/json")
            #expect(missing.text == "{\"error\":\"no such path\"}\n")
            let wrong = try #require(await ask(ports.main, "/metrics", method: "POST"))
            #expect(wrong.status == 405)
            #expect(wrong.headers["allow"] == "GET, HEAD")
            for path in ["/metrics", "/healthz", "/readyz", "/v1/operations", "/v1/connections"] {
                let head = try #require(await ask(ports.main, path, method: "HEAD"))
                #expect(head.status == 200)
                #expect(head.body.isEmpty)
                #expect((Int(head.headers["content-length"] ?? "") ?? 0) > 0)
            }
            #expect(await ask(ports.main, "/healthz?x=1")?.status == 200)
        }
    }

    @Test("the second listener serves scrapers only") func second() async throws {
        try await withServer(metrics: true) { ports in
            #expect(ports.main != ports.metrics)
            for path in ["/metrics", "/healthz", "/readyz"] { #expect(await ask(ports.metrics, path)?.status == 200) }
            for path in ["/v1/operations", "/v1/connections"] {
                #expect(await ask(ports.metrics, path)?.status == 404)
                #expect(await ask(ports.main, path)?.status == 200)
            }
        }
    }

    @Test("a port in use is a typed error that names it", arguments: [false, true]) func inUse(_ second: Bool)
        async throws
    {
        try await withServer { ports in
            let taken = AdminServer.Address(host: "127.0.0.1", port: ports.main)
            let free = AdminServer.Address(host: "127.0.0.1", port: 0)
            let server = AdminServer(
                configuration: .init(main: [second ? free : taken], metrics: second ? [taken] : []),
                backend: FakeBackend(),
                logger: silent
            )
            let error = AdminError.cannotListen(host: "127.0.0.1", port: ports.main, reason: "the address is in use")
            await #expect(throws: error) { try await server.run() }
            // It arrives unchanged through the group of services that a process runs.
            let again = AdminServer(configuration: .init(main: [taken]), backend: FakeBackend(), logger: silent)
            let group = ServiceGroup(configuration: .init(services: [again], logger: silent))
            await #expect(throws: error) { try await group.run() }
            #expect(error.description == "cannot listen on 127.0.0.1:\(ports.main): the address is in use")
        }
    }

    @Test("an address that is none of ours is a typed error", arguments: ["192.0.2.1", "no.such.host.invalid"])
    func notOurs(_ host: String) async {
        let address = AdminServer.Address(host: host, port: 0)
        let server = AdminServer(configuration: .init(main: [address]), backend: FakeBackend(), logger: silent)
        await #expect(throws: AdminError.self) { try await server.run() }
    }

    @Test("a graceful stop closes idle connections") func stop() async throws {
        let idle = Idle()
        try await withServer { ports in
            idle.descriptor = try #require(connected(ports.main))
            // One that has said nothing is still the kernel's.
            let request = Array("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
            #expect(send(idle.descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count)
            let isAnswered = await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    var first: UInt8 = 0
                    continuation.resume(returning: recv(idle.descriptor, &first, 1, 0) == 1)
                }
            }
            #expect(isAnswered)
        }
        var rest = [UInt8](repeating: 0, count: 1024)
        while recv(idle.descriptor, &rest, rest.count, 0) > 0 {}
        #expect(recv(idle.descriptor, &rest, 1, 0) == 0)
        close(idle.descriptor)
    }

    private final class Idle: @unchecked Sendable { var descriptor: Int32 = -1 }

    @Test("many at once are all answered") func many() async throws {
        try await withServer { ports in
            let statuses = await withTaskGroup(of: Int?.self) { tasks in
                for number in 0..<40 {
                    tasks.addTask { await ask(ports.main, number % 2 == 0 ? "/metrics" : "/v1/operations")?.status }
                }
                return await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses == [Int?](repeating: 200, count: 40))
        }
    }
}
