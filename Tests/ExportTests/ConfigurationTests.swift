import Foundation
import Testing

@testable import Export

/// What the settings may say.
@Suite struct ConfigurationTests {
    @Test(
        "URLs are taken apart",
        arguments: [
            ("http://collector", "http://collector:80", "http://collector:80/v1/traces"),
            ("http://collector:4318/", "http://collector:4318", "http://collector:4318/v1/traces"),
            ("HTTPS://a.b_c-d:1/x/y?z=1", "https://a.b_c-d:1/x/y?z=1", "https://a.b_c-d:1/x/y?z=1"),
            ("http://127.0.0.1:4318?k=v", "http://127.0.0.1:4318?k=v", "http://127.0.0.1:4318/v1/traces?k=v"),
            ("https://[::1]", "https://[::1]:443", "https://[::1]:443/v1/traces"),
            ("http://[fe80::1]:65535/t", "http://[fe80::1]:65535/t", "http://[fe80::1]:65535/t"),
        ]
    )
    func endpoints(_ url: String, _ described: String, _ target: String) throws {
        #expect(try ExportEndpoint(url).description == described)
        #expect(try ExportConfiguration(endpoint: url).url == target)
    }

    @Test(
        "anything else is refused in one line",
        arguments: [
            "", "collector", "collector:4318", "//x", "ftp://x", "http://", "http:///v1", "http://:80", "http://x:0",
            "http://x:65536", "http://x:+1", "http://x:", "http://user@x", "http://x/#f", "http://x y", "http://x\n",
            "http://[::1", "http://[]", "http://[x]", "http://[::1]x", "http://ä",
            "http://" + String(repeating: "x", count: 300),
            "http://x/" + String(repeating: "x", count: 3_000),
        ]
    )
    func badEndpoints(_ url: String) {
        let problem = #expect(throws: ExportProblem.self) { try ExportConfiguration(endpoint: url) }
        #expect(problem.map { !$0.description.contains("\n") && $0.description.utf8.count < 400 } == true)
    }

    @Test("a gRPC collector has no path")
    func grpcPath() {
        #expect(throws: ExportProblem.self) { try ExportConfiguration(endpoint: "http://x:1/v1", transport: .grpc) }
        #expect(throws: Never.self) { try ExportConfiguration(endpoint: "http://x:1/", transport: .grpc) }
    }

    @Test("headers are checked and their values not shown")
    func headers() {
        let bad: [(String, String, ExportConfiguration.Transport)] = [
            ("", "v", .http), ("a b", "v", .http), ("a:", "v", .http), ("ä", "v", .http),
            ("a", "secret\r\nx: y", .http),
            ("Content-Length", "1", .http), ("host", "x", .grpc), ("grpc-timeout", "1", .grpc), ("x-bin", "1", .grpc),
        ]
        for (name, value, transport) in bad {
            let problem = #expect(throws: ExportProblem.self) {
                try ExportConfiguration(endpoint: "http://x", transport: transport, headers: [(name, value)])
            }
            #expect(problem?.description.contains("secret") == false)
        }
        #expect(throws: Never.self) {
            try ExportConfiguration(endpoint: "http://x", headers: [("Authorization", "Bearer a\tb"), ("x-bin", "ä")])
        }
    }

    @Test("a file without certificates is refused in one line")
    func caFile() throws {
        let empty = NSTemporaryDirectory() + "/weir-ca-\(UUID().uuidString)"
        try Data("no certificate".utf8).write(to: URL(fileURLWithPath: empty))
        defer { try? FileManager.default.removeItem(atPath: empty) }
        for path in [empty, empty + "-missing", "/"] {
            let problem = #expect(throws: ExportProblem.self) {
                try ExportConfiguration(endpoint: "https://x", caFile: path)
            }
            #expect(problem?.description.contains(path) == true)
            #expect(problem?.description.contains("\n") == false)
        }
    }
}
