import Calls
import Inspection
import Telemetry
import TestSupport
import Testing

/// Replies of which the status cannot be told, because the table entry that says it was never seen.
@Suite struct HTTP2UnknownTests {
    @Test("a status in an entry never seen is unknown, one that is spelled out is not", arguments: Watching.allCases)
    func midstream(watching: Watching) {
        let http2 = HTTP2Bench(watching, isGreeted: false, isMidstream: true)
        // What was said before is in the tables only.
        _ = http2.server.reply(1)
        _ = http2.server.head(1, [("grpc-status", "14")], end: true)
        for id: UInt32 in [3, 5, 7, 9] { http2.up(http2.client.call(id)) }
        http2.down(http2.server.reply(3))
        http2.down(http2.server.reply(5, "13"))
        http2.down(http2.server.head(7, [("grpc-status", "14")], end: true))
        http2.down(H2.headers(9, http2.server.encoder.block([(":status", "503")]), end: true))
        // Of 13 the value was said, but not the name.
        let expected = ["com.x.Shop.buy server_error 503 1", "com.x.Shop.buy unknown  3"]
        #expect(http2.counts == expected && http2.session.inFlight == 0)
        // Once it was said, it is known.
        http2.up(http2.client.call(11))
        http2.down(H2.headers(11, http2.client.encoder.block([(":status", "200"), ("x", "y")]), end: false))
        http2.down(H2.headers(11, [0, 11] + Array("grpc-status".utf8) + [1, 0x30], end: true))
        #expect(http2.counts == ["com.x.Shop.buy ok OK 1"] + expected)
        let report = http2.bench.snapshot.report("buy")
        #expect(report?.duration.count == 5, "an unknown reply's duration says something of the service")
    }

    @Test("a reply without a status is still an error where everything was seen")
    func noStatus() {
        let http2 = HTTP2Bench()
        http2.up(http2.client.call(1))
        http2.down(http2.server.head(1) + H2.data(1, [], end: true))
        #expect(http2.counts == ["com.x.Shop.buy server_error UNKNOWN 1"])
    }

    @Test("Triple's plain form, whose entry of :status is lost, and with one that is not")
    func plain() {
        let http2 = HTTP2Bench(isGreeted: false, isMidstream: true)
        let more = [("triple-protocol-version", "1")]
        var lost = http2.server.encoder
        _ = lost.block([(":status", "201")])
        for id: UInt32 in [1, 3] {
            http2.up(http2.client.request(id, "/com.x.Shop/buy", more, type: "text/json", end: true))
        }
        http2.down(H2.headers(1, lost.block([(":status", "201")]), end: true))
        http2.down(H2.headers(3, http2.server.encoder.block([(":status", "200"), ("a", "b")]), end: true))
        #expect(http2.counts == ["com.x.Shop.buy ok 200 1", "com.x.Shop.buy unknown  1"])
    }

    /// A capture with holes: of one direction of a long connection pieces are missing, and the entries with them.
    @Test("holes make no errors of good calls", arguments: 0..<20)
    func holes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let http2 = HTTP2Bench(.nothing)
        var id: UInt32 = 1
        for _ in 0..<60 {
            http2.up(http2.client.call(id))
            let reply = http2.server.reply(id)
            if Int.random(in: 0..<6, using: &random) == 0 {
                let cut = Int.random(in: 0..<reply.count, using: &random)
                http2.down(Array(reply[..<cut]))
                http2.bench.inspector.missed(
                    http2.session,
                    count: UInt64(reply.count - cut),
                    going: .toDownstream,
                    now: 2000
                )
                // Whoever has come into the table meanwhile is lost, too.
                if Bool.random(using: &random) { http2.server = HTTP2Speaker(encoder: Self.used(http2.server.encoder)) }
            } else {
                http2.down(reply)
            }
            id += 2
        }
        http2.close()
        for count in http2.counts {
            let outcome = count.split(separator: " ")[1]
            #expect(["ok", "unknown", "unanswered"].contains(outcome), "\(count)")
        }
        #expect(http2.counts.contains { $0.contains(" unknown ") } || seed > 2)
    }

    /// An encoder whose entries stand elsewhere now.
    private static func used(_ encoder: IndexingEncoder) -> IndexingEncoder {
        var encoder = encoder
        _ = encoder.block([("grpc-status", "0"), ("some", "thing"), ("grpc-status", "7")])
        return encoder
    }
}
