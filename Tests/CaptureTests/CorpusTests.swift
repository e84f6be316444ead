import Wire
import Capture
import FoundationEssentials
import Testing

/// Captures of real traffic, compared with what their index says of every connection.
@Suite struct CorpusTests {
    struct Way: Decodable {
        var segments: Int
        var bytes: Int
        var gaps: [[UInt64]]
        var retrans: Int
        var ooo: Int
    }
    struct Connection: Decodable {
        var client: String
        var server: String
        var syn_seen: Bool
        var c2s: Way
        var s2c: Way
    }
    struct Capture: Decodable {
        var file: String
        var frames: Int
        var connections: [Connection]
    }

    static let folder: String? = {
        let given = ProcessInfo.processInfo.environment["WEIR_CORPUS"]
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = given ?? root.path + "/../shared/corpus"
        return FileManager.default.fileExists(atPath: path + "/captures/INDEX.json") ? path : nil
    }()

    /// An endpoint's text without IPv6 brackets, as the index writes it.
    static func plain(_ endpoint: Endpoint) -> String { "\(endpoint.addressText):\(endpoint.port)" }

    @Test("every capture gives the connections, bytes and holes that its index lists")
    func captures() throws {
        guard let folder = Self.folder else {
            print("corpus not found: captures are not compared")
            return
        }
        let index = try JSONDecoder().decode(
            [Capture].self,
            from: Data(contentsOf: URL(filePath: folder + "/captures/INDEX.json"))
        )
        #expect(index.count >= 50)
        for capture in index {
            let (recorder, counters, error) = CaptureFileTests.read(path: folder + "/" + capture.file)
            #expect(error == nil, "\(capture.file)")
            #expect(recorder.problems == [], "\(capture.file)")
            #expect(counters.packets == UInt64(capture.frames), "\(capture.file)")
            #expect(counters.malformedTotal == 0, "\(capture.file)")
            #expect(recorder.connections.count == capture.connections.count, "\(capture.file)")
            for (index, expected) in capture.connections.enumerated() where index < recorder.connections.count {
                compare(recorder.connections[index], expected, "\(capture.file) connection \(index)")
            }
            let ways = capture.connections.flatMap { [$0.c2s, $0.s2c] }
            let retransmitted = ways.reduce(0) { $0 + $1.retrans }
            #expect(counters.retransmittedSegments == UInt64(retransmitted), "\(capture.file)")
            #expect(counters.outOfOrderSegments == UInt64(ways.reduce(0) { $0 + $1.ooo }), "\(capture.file)")
        }
    }

    private func compare(_ seen: Recorder.Connection, _ expected: Connection, _ name: Comment) {
        let clientIsFirst = Self.plain(seen.first) == expected.client
        #expect(Set([Self.plain(seen.first), Self.plain(seen.second)]) == [expected.client, expected.server], name)
        #expect(seen.client == (expected.syn_seen ? .known(clientIsFirst ? .first : .second) : .unknown), name)
        for (way, stream) in [
            (expected.c2s, seen.streams[clientIsFirst ? 0 : 1]), (expected.s2c, seen.streams[clientIsFirst ? 1 : 0]),
        ] {
            #expect(stream.bytes.count == way.bytes, name)
            // The index does not list what the snap length cut off the last segment.
            let holes = stream.holes.filter { $0[0] + $0[1] < stream.position || way.gaps.contains($0) }
            #expect(holes == way.gaps, name)
        }
    }
}
