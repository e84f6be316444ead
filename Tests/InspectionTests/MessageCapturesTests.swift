import HTTP2
import Testing
import Triple
import Wire

@testable import Inspection

@Suite struct MessageCapturesTests {
    /// Gives a stream's messages to the captures in pieces.
    private static func take(
        _ message: [UInt8],
        into captures: inout MessageCaptures,
        on id: UInt32,
        isRequest: Bool,
        piece: Int
    ) -> Bool {
        var reader = GRPCMessageReader()
        var isKnown = false
        for start in stride(from: 0, to: message.count, by: piece) {
            let bytes = Array(message[start..<min(start + piece, message.count)])
            var at = 0
            while let part = reader.next(bytes.byteSpan, &at) {
                if captures.take(part, bytes.byteSpan, on: id, isRequest: isRequest) { isKnown = true }
            }
        }
        return isKnown
    }

    @Test("a generic call's method is found in its first message, whatever the pieces", arguments: 1...70)
    func method(piece: Int) {
        var captures = MessageCaptures()
        #expect(captures.isEmpty && !captures.awaitsMethod(of: 1))
        captures.begin(.method, on: 1)
        #expect(captures.awaitsMethod(of: 1) && !captures.awaitsMethod(of: 3))
        let message = H2.message(H2.generic("buy"))
        #expect(Self.take(message, into: &captures, on: 1, isRequest: true, piece: piece) == true)
        #expect(captures.takeMethod(of: 1)?.search.method == Array("buy".utf8))
        #expect(captures.takeMethod(of: 1) == nil)
        #expect(captures.isEmpty)
    }

    @Test("a reply's message names an exception, and no method", arguments: [1, 7, 64, 1000])
    func exception(piece: Int) {
        var captures = MessageCaptures()
        captures.begin(.exception, on: 5)
        let message = H2.message(H2.exception("com.x.Sold"))
        #expect(Self.take(message, into: &captures, on: 5, isRequest: true, piece: piece) == false)
        #expect(Self.take(message, into: &captures, on: 5, isRequest: false, piece: piece) == false)
        #expect(captures.takeMethod(of: 5) == nil)
        #expect(captures.takeException(of: 5) == "com.x.Sold")
        #expect(captures.takeException(of: 5).isEmpty)
    }

    @Test("a compressed message is not looked into, and says nothing")
    func compressed() {
        var captures = MessageCaptures()
        captures.begin(.method, on: 1)
        let message = H2.message(H2.generic("buy"), isCompressed: true)
        #expect(Self.take(message, into: &captures, on: 1, isRequest: true, piece: 1000) == true)
        #expect(captures.takeMethod(of: 1)?.search.method == nil)
        captures.begin(.method, on: 3)
        captures.remove(3)
        #expect(captures.isEmpty)
    }
}
