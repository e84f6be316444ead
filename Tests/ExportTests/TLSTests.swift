import Foundation
import Testing

@testable import Export

/// Collectors that are trusted, or not.
@Suite(.serialized, .enabled(if: Collector.isThere, Collector.missing))
struct TLSTests {
    /// Two authorities and a certificate for 127.0.0.1 of the first, in a folder that goes with it.
    private final class Certificates {
        let folder: String
        var authority: String { folder + "/ca.pem" }
        var stranger: String { folder + "/other.pem" }
        var arguments: [String] { ["--cert", folder + "/server.pem", "--key", folder + "/server.key"] }

        init() throws {
            folder = NSTemporaryDirectory() + "/weir-tls-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
            let script = """
                set -e
                cd "$1"
                curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                openssl req -x509 $curve -keyout ca.key -out ca.pem -days 2 -subj "/CN=test authority"
                openssl req -x509 $curve -keyout other.key -out other.pem -days 2 -subj "/CN=another authority"
                openssl req $curve -keyout server.key -out server.csr -subj "/CN=collector"
                printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\nextendedKeyUsage=serverAuth\\n' >ext
                openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext \
                    -out server.pem
                """
            guard try Collector.run(["bash", "-c", script, "bash", folder]) == 0 else {
                throw Failure("openssl made no certificates")
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }
    }

    @Test("a collector whose authority is given is trusted", arguments: ExportConfiguration.Transport.allCases)
    func trusted(_ transport: ExportConfiguration.Transport) async throws {
        let certificates = try Certificates()
        let collector = try await Collector(certificates.arguments)
        let fixture = Fixture()
        let configuration = try collector.configuration(transport, caFile: certificates.authority)
        fixture.record(1..<101)
        try await running(fixture.exporter(configuration)) {
            try await eventually("all arrive") { fixture.haveEnded(100) }
        }
        #expect(fixture.counts == [100, 0, 0])
        #expect(try await collector.spans.count == 100)
    }

    @Test("a collector of another authority gets nothing", arguments: ExportConfiguration.Transport.allCases)
    func untrusted(_ transport: ExportConfiguration.Transport) async throws {
        let certificates = try Certificates()
        let collector = try await Collector(certificates.arguments)
        let fixture = Fixture()
        var configuration = try collector.configuration(transport, caFile: certificates.stranger)
        configuration.flushTimeout = .milliseconds(200)
        fixture.record(1..<11)
        try await running(fixture.exporter(configuration)) {
            try await eventually("it is tried") { fixture.log.lines.contains { $0.contains("cannot be reached") } }
        }
        #expect(fixture.counts == [0, 0, 10])
        #expect(try await collector.requests.isEmpty)
    }
}
