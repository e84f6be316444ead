import Inspection
import Relay
import Telemetry
import Testing

extension RelaySocketTests {
    /// Connections as one process tells another of them.
    @Suite("Connections of other processes", .timeLimit(.minutes(10)))
    struct ConnectionBytesTests {
        @Test("They come as they went, and nothing else is read")
        func bytes() async throws {
            let application = try TestListener()
            let harness = try Harness(to: application)
            let pairs = try (0..<3).map { _ in try harness.pair(application) }
            for pair in pairs {
                try pair.client.write([1, 2, 3])
                _ = try pair.server.read(exactly: 3)
            }
            let all = await harness.relay.connections()
            #expect(all.count == 3)
            let bytes = ConnectionReport.bytes(of: all, callers: [])
            let read = try ConnectionReport.all(in: bytes)
            #expect(read.map { "\($0)" } == all.map { "\($0)" })
            for count in bytes.indices {
                #expect(throws: ReportError.malformed) { try ConnectionReport.all(in: Array(bytes[..<count])) }
            }
            for at in bytes.indices {
                var changed = bytes
                changed[at] ^= 0x11
                #expect(throws: ReportError.malformed) { try ConnectionReport.all(in: changed) }
            }
            // With the right seal they are read or refused.
            let content = Array(try ReportSeal.opened(bytes))
            for at in content.indices {
                for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
                    var changed = content
                    changed[at] = value
                    _ = try? ConnectionReport.all(in: ReportSeal.sealed(changed))
                }
            }
            await harness.stop()
        }
    }
}
