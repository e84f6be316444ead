import Calls
import HTTP2
import TestSupport
import Testing

@testable import Demo

@Suite(.timeLimit(.minutes(10)), .serialized) struct TripleProviderTests {
    private static func call(_ method: String, _ number: UInt64) -> TripleCall {
        TripleCall(method: method, message: DemoProtobuf.message(number, "x"))
    }

    @Test("methods answer as their numbers ask for")
    func answers() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(TriplePeer(port: provider.port))
        var elsewhere = Self.call("quote", 1)
        elsewhere.interface = "com.example.Nothing"
        var unnumbered = Self.call("quote", 1)
        unnumbered.message = []
        let cases: [(TripleCall, TriplePeer.Outcome)] = [
            (Self.call("quote", 300), .init(status: 0, messages: 1)),
            (Self.call("quote", .max), .init(status: 0, messages: 1)),
            (Self.call("locate", 1), .init(status: 0, messages: 1)),
            (Self.call("book", 127), .init(status: 0, messages: 1)),
            (Self.call("follow", 4), .init(status: 0, messages: 7)),
            (Self.call("locate", TripleServices.lostParcel), .init(status: 5, messages: 0)),
            (Self.call("quote", TripleServices.busyCarrier), .init(status: 8, messages: 0)),
            (Self.call("book", TripleServices.badAddress), .init(status: 0, messages: 1, hasException: true)),
            (Self.call("locate", TripleServices.slowCarrier), .init(status: 4, messages: 0)),
            (Self.call("noSuchMethod", 1), .init(status: 12, messages: 0)),
            (elsewhere, .init(status: 12, messages: 0)), (unnumbered, .init(status: 3, messages: 0)),
        ]
        for (call, expected) in cases {
            let id = try #require(peer.send(call))
            #expect(try peer.outcome(of: id) == expected, "\(call.method) \(hexText(call.message))")
        }
        #expect(provider.counts.requests == UInt64(cases.count))
        #expect(provider.counts.replies == UInt64(cases.count))
        #expect(provider.counts.decodeErrors == 0)
    }

    @Test("a ping is answered, and so are settings")
    func ping() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(TriplePeer(port: provider.port))
        var bytes: [UInt8] = []
        HTTP2FrameWriter.ping(0x0102_0304_0506_0708, isAck: false, into: &bytes)
        #expect(peer.socket.write(bytes))
        while peer.pongs == 0 { _ = try #require(try peer.next()) }
        #expect(provider.counts.heartbeats == 1)
    }

    @Test("a stream that its caller gives up ends there")
    func cancel() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(TriplePeer(port: provider.port))
        let slow = try #require(peer.send(Self.call("follow", TripleServices.slowCarrier)))
        while let event = try peer.next() {
            if case .data(slow, _, _) = event { break }
        }
        var bytes: [UInt8] = []
        HTTP2FrameWriter.resetStream(slow, errorCode: HTTP2ErrorCode.cancel, into: &bytes)
        #expect(peer.socket.write(bytes))
        #expect(comesTrue { provider.counts.cancelledRequests == 1 })
        // A second call's reply comes, the first one's does not.
        let other = try #require(peer.send(Self.call("locate", TripleServices.slowCarrier)))
        #expect(try peer.outcome(of: other)?.status == 4)
        #expect(provider.counts.replies == 1)
    }

    @Test("megabytes of requests pass within the windows that the provider keeps open")
    func flowControl() throws {
        let provider = try DemoProvider()
        defer { provider.stop() }
        let peer = try #require(TriplePeer(port: provider.port))
        var call = Self.call("locate", 5)
        call.message = DemoProtobuf.message(5, String(repeating: "x", count: 8000))
        for _ in 0..<400 {
            while !peer.window.fits(TripleBytes.dataBytes(call.message)) { _ = try #require(try peer.next()) }
            let id = try #require(peer.send(call))
            if id % 40 == 1 { #expect(try peer.outcome(of: id)?.status == 0) }
        }
        #expect(comesTrue { provider.counts.replies == 400 })
    }

    @Test("a reader gives credit for DATA, padding included")
    func credit() throws {
        var reader = HTTP2Reader(isServer: false)
        var frame: [UInt8] = []
        HTTP2FrameWriter.header(
            HTTP2FrameHeader(payloadBytes: 8192, type: 0, flags: HTTP2Flag.padded, streamID: 1),
            into: &frame
        )
        frame += [200] + [UInt8](repeating: 0, count: 8191)
        reader.append(frame[...])
        guard case .data(1, let content, endsStream: false) = try reader.next() else {
            Issue.record("no DATA")
            return
        }
        #expect(content.count == 8192 - 201)
        #expect(reader.takeDue().isEmpty)
        reader.append(frame[...])
        _ = try reader.next()
        #expect(reader.takeDue() == hex("000004 08 00 00000000 00004000"))
        #expect(reader.takeDue().isEmpty)
    }

    private static let wrongFrames: [(name: String, hex: String, fault: PeerFault)] = [
        ("no preface", "505249202a20485454502f312e310d0a0d0a534d0d0a0d0a", .unknownProtocol),
        ("too long", "004001 00 00 00000001", .tooLong), ("CONTINUATION alone", "000000 09 04 00000001", .badFrame),
        ("DATA inside a header block", "000000 01 00 00000001 000000 00 00 00000001", .badFrame),
        ("a block that ends in a field", "000001 01 04 00000001 ff", .badHeaders),
        ("padding longer than the frame", "000001 00 08 00000001 05", .badFrame),
        ("settings of five bytes", "000005 04 00 00000000 0000000000", .badFrame),
        ("no window", "000006 04 00 00000000 000400000000", .badWindow),
        ("a ping of one byte", "000001 06 00 00000000 00", .badFrame),
        ("a window update of two bytes", "000002 08 00 00000000 0001", .badFrame),
    ]

    @Test("what is no HTTP/2 is an error, byte by byte too", arguments: wrongFrames.indices)
    func wrong(_ index: Int) {
        let wrong = Self.wrongFrames[index]
        let isPreface = wrong.fault == .unknownProtocol
        for step in [1, 1000] {
            var reader = HTTP2Reader(isServer: isPreface)
            #expect(throws: wrong.fault, "\(wrong.name)") {
                let bytes = hex(wrong.hex)
                for start in stride(from: 0, to: bytes.count, by: step) {
                    reader.append(bytes[start..<min(start + step, bytes.count)])
                    while try reader.next() != nil {}
                }
            }
        }
    }
}
