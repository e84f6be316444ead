import Calls
import HTTP2
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// Generic calls, whose headers wait for the message that names the method while limits are in force.
@Suite struct HTTP2GenericTests {
    private static let millisecond: UInt64 = 1_000_000

    private static func ends(_ watching: Watching = .messages) -> GovernedHTTP2 {
        let ends = GovernedHTTP2(watching)
        ends.greet()
        ends.moveAll()
        return ends
    }

    private static func call(_ ends: GovernedHTTP2, _ id: UInt32, _ method: String, padding: Int? = nil) -> [UInt8] {
        ends.client.open(id)
        let message = H2.message(H2.generic(method))
        let head = ends.fromClient.request(
            id,
            "/com.x.Shop/$invoke",
            [("id", "\(id)")],
            piece: padding == nil ? 16_384 : 9
        )
        return head + (padding.map { H2.padded(id, message, $0, end: true) } ?? H2.data(id, message, end: true))
    }

    /// What both ends got, in short.
    private static func came(_ ends: GovernedHTTP2) -> String {
        let asked = ends.server.streams.sorted { $0.key < $1.key }.map { id, stream in
            "\(id) \(stream.fields[":path"] ?? "") \(stream.fields["mark"] ?? "-") \(stream.body.count) \(stream.isEnded)"
        }
        let answers = ends.client.streams.sorted { $0.key < $1.key }.map { id, stream in
            "\(id) \(stream.fields["grpc-status"] ?? "-") \(stream.isEnded)"
        }
        return "\(asked) \(answers) \(ends.client.sendWindow) \(ends.governed.bench.counts())"
    }

    @Test("each is judged by its real method, cut at every place", arguments: Watching.allCases)
    func everySplit(watching: Watching) {
        func ends() -> (ends: GovernedHTTP2, up: [UInt8]) {
            let ends = Self.ends(watching)
            ends.client.countsCredit = true
            var up = Self.call(ends, 1, "yes") + Self.call(ends, 3, "more", padding: 7) + Self.call(ends, 5, "no")
            // Frames of others stand between the headers and the message.
            ends.client.open(7)
            ends.client.open(9)
            up += ends.fromClient.request(7, "/com.x.Shop/$invokeAsync") + ends.fromClient.call(9, "/com.x.Shop/no")
            up += H2.update(0, 100) + H2.frame(6, 0, 0, [UInt8](repeating: 7, count: 8))
            let message = H2.message(H2.generic("no"))
            up += H2.data(7, Array(message.prefix(3)), end: false) + H2.data(7, [], end: false)
            up += H2.padded(7, Array(message.dropFirst(3)), 5, end: false) + H2.data(7, [], end: true)
            up += Self.call(ends, 11, "more") + Self.call(ends, 13, "no", padding: 0) + Self.call(ends, 15, "yes")
            return (ends, up)
        }
        func run(_ cut: Int) -> (up: [UInt8], came: String, faults: [String]) {
            let (ends, up) = ends()
            ends.client.sendWindow = 0
            ends.upQueue = Array(up[..<cut])
            ends.moveUp(up.count)
            ends.upQueue = Array(up[cut...])
            ends.moveUp(up.count)
            ends.moveAll()
            #expect(ends.governed.bench.snapshot.verdictsPartial == 0 && ends.governed.up.heldBytes == 0)
            return (ends.governed.up.output, Self.came(ends), ends.client.faults + ends.server.faults)
        }
        let whole = run(0)
        #expect(
            whole.faults.isEmpty && whole.came.contains("com.x.Shop.no limited RESOURCE_EXHAUSTED 4"),
            "\(whole.came)"
        )
        for cut in 1...ends().up.count {
            let split = run(cut)
            #expect(split.up == whole.up && split.came == whole.came && split.faults.isEmpty, "\(cut): \(split.came)")
            if split.came != whole.came { return }
        }
    }

    @Test("byte by byte, many of them, admitted and refused in turn, on a direction that is written anew or not")
    func byteByByte() {
        for first in ["no", "yes"] {
            let ends = Self.ends()
            var refused = 0
            for number in 0..<40 {
                let method = number == 0 ? first : ["yes", "no", "more"][number % 3]
                refused += method == "no" ? 1 : 0
                ends.upQueue += Self.call(ends, UInt32(number) * 2 + 1, method, padding: number % 4 == 0 ? 3 : nil)
            }
            while !ends.upQueue.isEmpty { ends.moveUp(1) }
            ends.moveAll()
            #expect((ends.client.faults + ends.server.faults).isEmpty, "\(ends.client.faults) \(ends.server.faults)")
            #expect(ends.server.streams.count == 40 - refused)
            #expect(ends.server.streams.values.allSatisfy { $0.isEnded && $0.body.count > 60 })
            #expect(ends.client.streams.values.count { $0.fields["grpc-status"] == "8" && $0.isEnded } == refused)
            #expect(ends.governed.session.inFlight == 40 - refused && ends.governed.session.isIdle == false)
        }
    }

    @Test("limits count it by the method that its message names; one that is admitted passes as it was sent")
    func limits() throws {
        let ends = GovernedHTTP2()
        let limited = try LimitedBench([.window(1, method: "pay")], on: ends.governed)
        ends.greet()
        ends.moveAll()
        let before = ends.governed.up.output.count
        let first = Self.call(ends, 1, "pay") + Self.call(ends, 3, "see")
        ends.upQueue = first
        ends.moveAll()
        #expect(Array(ends.governed.up.output[before...]) == first)
        ends.upQueue = Self.call(ends, 5, "pay") + Self.call(ends, 7, "see")
        ends.moveAll()
        #expect(limited.counts().allowed == 1 && limited.counts().rejected == 1)
        #expect(ends.server.streams.keys.sorted() == [1, 3, 7] && ends.server.faults.isEmpty)
        #expect(limited.bench.counts() == ["com.x.Shop.pay limited RESOURCE_EXHAUSTED 1"])
        #expect(
            limited.bench.snapshot.report("pay")?.inFlight == 1 && limited.bench.snapshot.report("see")?.inFlight == 2
        )
    }

    @Test("a message that does not come is not waited for without end", arguments: [false, true])
    func time(isRewriting: Bool) {
        let ends = Self.ends(.nothing)
        if isRewriting {
            ends.upQueue = Self.call(ends, 1, "no")
            ends.moveAll()
        }
        ends.client.open(3)
        let message = H2.message(H2.generic("no"))
        ends.upQueue =
            ends.fromClient.request(3, "/com.x.Shop/$invoke") + H2.data(3, Array(message.prefix(9)), end: false)
        ends.moveAll()
        let inspector = ends.governed.bench.inspector
        #expect(ends.server.streams[3] == nil && inspector.holdsRequests && !ends.governed.session.isIdle)
        ends.release(now: 1000 + 99 * Self.millisecond)
        #expect(ends.server.streams[3] == nil && inspector.holdsRequests)
        ends.release(now: 1000 + 100 * Self.millisecond)
        #expect(ends.server.streams[3]?.body.count == 9 && !inspector.holdsRequests)
        #expect(ends.governed.bench.snapshot.partial(.expect) == 1)
        // It is still counted as what it is.
        ends.upQueue = H2.data(3, Array(message.dropFirst(9)), end: true)
        ends.downQueue = ends.fromServer.reply(3)
        ends.moveAll()
        #expect(ends.governed.bench.counts().contains("com.x.Shop.no ok OK 1"))
        #expect((ends.client.faults + ends.server.faults).isEmpty)
    }

    @Test(
        "what cannot be told is judged by what is known, and counted with its reason",
        arguments: ["encoding", "serialization", "too_large", "expect", "reset"]
    )
    func unknown(reason: String) {
        let ends = Self.ends(.nothing)
        ends.client.open(1)
        let generic = H2.generic("no")
        ends.upQueue = ends.fromClient.request(1, "/com.x.Shop/$invoke")
        switch reason {
        case "encoding": ends.upQueue += H2.data(1, H2.message(generic, isCompressed: true), end: true)
        case "serialization": ends.upQueue += H2.data(1, H2.message([1, 2, 3]), end: true)
        case "too_large":
            // An unknown field stands in front, longer than what is held.
            let long = [UInt8](repeating: 1, count: 61_000)
            let field: [UInt8] = [
                7 << 3 | 2, 0x80 | UInt8(61_000 & 0x7f), 0x80 | UInt8(61_000 >> 7 & 0x7f), UInt8(61_000 >> 14),
            ]
            ends.upQueue += H2.data(1, H2.message(field + long + generic), end: true)
        case "reset": ends.upQueue += H2.reset(1, 8)
        default: break
        }
        let bytes = ends.upQueue.count
        while !ends.upQueue.isEmpty { ends.moveUp(1000) }
        if reason == "expect" { ends.release(now: 1 << 40) }
        ends.moveAll()
        #expect(ends.server.streams[1] != nil && ends.governed.up.heldBytes == 0 && bytes > 0)
        let expected: PartialVerdictReason =
            reason == "encoding"
            ? .encoding : reason == "too_large" ? .tooLarge : reason == "expect" ? .expect : .serialization
        #expect(ends.governed.bench.snapshot.partial(expected) == 1)
        #expect(ends.governed.bench.snapshot.verdictsPartial == 1 && ends.server.faults.isEmpty)
    }

    @Test("a method that stands behind long fields is found within what is held, and counted without limits too")
    func late() {
        let field: [UInt8] = [7 << 3 | 2, 0x80 | UInt8(5000 & 0x7f), UInt8(5000 >> 7)]
        let message = H2.message(field + [UInt8](repeating: 1, count: 5000) + H2.generic("no"))
        let ends = Self.ends(.nothing)
        ends.client.open(1)
        ends.upQueue = ends.fromClient.request(1, "/com.x.Shop/$invoke") + H2.data(1, message, end: true, piece: 700)
        while !ends.upQueue.isEmpty { ends.moveUp(99) }
        ends.moveAll()
        #expect(ends.server.streams.isEmpty && ends.client.streams[1]?.fields["grpc-status"] == "8")
        let http2 = HTTP2Bench(.nothing)
        for byte in http2.client.request(1, "/com.x.Shop/$invoke") + H2.data(1, message, end: true, piece: 700) {
            http2.up([byte])
        }
        http2.down(http2.server.reply(1))
        #expect(http2.counts == ["com.x.Shop.no ok OK 1"])
    }

    @Test("many that come at once in pieces, unheld, are each counted by their method")
    func manyUnheld() {
        let http2 = HTTP2Bench(.nothing)
        let field: [UInt8] = [7 << 3 | 2, 0x80 | UInt8(5000 & 0x7f), UInt8(5000 >> 7)]
        let message = H2.message(field + [UInt8](repeating: 1, count: 5000) + H2.generic("real"))
        let ids = (0..<40).map { UInt32($0) * 2 + 1 }
        for id in ids { http2.up(http2.client.request(id, "/com.x.Shop/$invoke")) }
        for start in stride(from: 0, to: message.count, by: 1000) {
            let piece = Array(message[start..<min(start + 1000, message.count)])
            for id in ids { http2.up(H2.data(id, piece, end: start + 1000 >= message.count)) }
        }
        for id in ids { http2.down(http2.server.reply(id)) }
        #expect(http2.counts == ["com.x.Shop.real ok OK 40"])
    }

    @Test("the connection ends, goes blind or is given up while headers wait", arguments: 0..<6)
    func ends(kind: Int) {
        let ends = Self.ends()
        if kind >= 4 {
            ends.upQueue = Self.call(ends, 1, "no")
            ends.moveAll()
        }
        ends.client.open(3)
        ends.client.open(5)
        let head = ends.fromClient.request(3, "/com.x.Shop/$invoke") + H2.data(3, [0, 0, 0], end: false)
        ends.upQueue = head + ends.fromClient.request(5, "/com.x.Shop/$invoke", end: false) + [0, 0, 1]
        ends.moveAll()
        let governed = ends.governed
        #expect(governed.bench.inspector.holdsRequests && ends.server.streams[3] == nil)
        switch kind {
        case 0, 4: ends.endUp()
        case 1: governed.bench.inspector.close(governed.session, now: 2000)
        case 2, 5:
            ends.downQueue = H2.frame(9, 0, 0, [1])
            ends.moveAll()
        default: governed.bench.inspector.rules = nil
        }
        ends.release(now: 1 << 40)
        #expect(!governed.bench.inspector.holdsRequests)
        switch kind {
        case 0, 2, 3:
            #expect(ends.server.streams.keys.sorted() == [3, 5] && ends.server.faults.isEmpty, "\(ends.server.faults)")
        case 4: #expect(ends.server.streams.keys.sorted() == [3, 5] && ends.server.faults.isEmpty)
        case 5: #expect(ends.isClosed && ends.server.streams.isEmpty)
        default: #expect(ends.server.streams.isEmpty)
        }
        // Of the frame that has begun only what decides about nothing passes.
        if [0, 2, 3].contains(kind) { #expect(governed.up.output.suffix(3) == [0, 0, 1]) }
    }

    @Test("without limits or a governor nothing waits")
    func unheld() {
        let ends = Self.ends()
        ends.governed.bench.inspector.rules = nil
        ends.client.open(1)
        ends.upQueue = ends.fromClient.request(1, "/com.x.Shop/$invoke")
        ends.moveAll()
        #expect(ends.server.streams[1] != nil && !ends.governed.bench.inspector.holdsRequests)
    }
}
