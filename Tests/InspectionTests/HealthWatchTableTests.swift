import HTTP2
import Testing
import Wire

@testable import Inspection

@Suite struct HealthWatchTableTests {
    /// A table with a stream whose client waits for `com.x.Shop` and was told that it serves.
    private static func table() -> HealthWatchTable {
        var table = HealthWatchTable(areWindowsKnown: true)
        #expect(table.begin(1) == true)
        let request = H2.message(H2.field(1, "com.x.Shop"))
        #expect(table.receiveRequest(request.byteSpan, on: 1) == true)
        table.reply(Health.serving, on: 1)
        return table
    }

    private static func frame(_ count: Int, _ id: UInt32 = 1) -> HTTP2FrameHeader {
        HTTP2FrameHeader(payloadBytes: UInt32(count), type: HTTP2FrameType.data, streamID: id)
    }

    @Test("a client is told of a drain, and afterwards the server's last message")
    func drained() {
        var table = Self.table()
        #expect(!table.isStatusDue && !table.filtersReplies)
        table.update { $0 == "com.x.Shop" }
        #expect(table.isStatusDue && table.filtersReplies && !table.isToldNotServing)
        #expect(table.tell(1) == .init(message: Health.notServing, change: .drained))
        #expect(!table.isStatusDue && table.isToldNotServing)
        table.update { _ in false }
        #expect(table.isStatusDue && table.isToldNotServing)
        #expect(table.tell(1) == .init(message: Health.serving, change: .restored))
        #expect(!table.isStatusDue && !table.isToldNotServing)
    }

    @Test("an interface that is not drained, and a stream that is none of the table's, are told nothing")
    func untouched() {
        var table = Self.table()
        table.update { $0 == "com.x.Bill" }
        #expect(table.tell(1) == nil)
        #expect(table.tell(3) == nil)
        #expect(table.withholds(Self.frame(7, 3), isPassed: false) == false)
        #expect(table.end(3) == false)
        #expect(table.end(1) == true)
        #expect(table.isEmpty && table.streamIDs.isEmpty)
    }

    @Test("the server's messages are withheld during a drain, but for one that has begun before")
    func withheld() {
        var table = Self.table()
        let half = Array(Health.serving.prefix(3))
        #expect(table.withholds(Self.frame(half.count), isPassed: false) == false)
        table.hear(half, on: 1)
        table.update { _ in true }
        // In the middle of a message nothing is told, and the rest of it passes.
        #expect(table.tell(1) == nil)
        #expect(table.withholds(Self.frame(4), isPassed: false) == false)
        let rest = Array(Health.serving.dropFirst(3))
        table.hear(rest, on: 1)
        #expect(table.withholds(Self.frame(7), isPassed: false) == true)
        table.hear(Health.notServing, on: 1)
        #expect(table.tell(1)?.message == Health.notServing)
        // What was withheld is what the client is told once the drain is over: the same again.
        table.update { _ in false }
        #expect(!table.isStatusDue)
    }

    @Test("a frame whose first bytes were passed on is never withheld")
    func passed() {
        var table = Self.table()
        table.update { _ in true }
        #expect(table.withholds(Self.frame(7), isPassed: true) == false)
        #expect(table.withholds(Self.frame(7), isPassed: false) == true)
    }

    @Test("what Weir inserts is owed by the next WINDOW_UPDATE of the stream and of the connection")
    func debts() throws {
        var table = Self.table()
        table.update { _ in true }
        let count = UInt32(Health.notServing.count)
        _ = table.tell(1)
        #expect(table.hasDebt && table.hasDebt(on: 0) && table.hasDebt(on: 1) && !table.hasDebt(on: 3))
        #expect(try table.update(count, on: 0, isPassed: false) == .drop)
        #expect(try table.update(count + 1, on: 1, isPassed: false) == .rewrite(increment: 1))
        #expect(!table.hasDebt)
        #expect(try table.update(5, on: 1, isPassed: false) == .forward)
        #expect(try table.update(5, on: 3, isPassed: false) == .forward)
    }

    @Test("withheld DATA pays debts first, and is credited to the server beyond that")
    func credit() {
        var table = Self.table()
        table.update { _ in true }
        _ = table.tell(1)
        let owed = Health.notServing.count
        table.withhold(Self.frame(owed + 2))
        #expect(!table.hasDebt)
        #expect(table.takeCredit() == H2.update(0, 2) + H2.update(1, 2))
        #expect(table.takeCredit().isEmpty)
    }

    @Test("nothing is told where a client has no room, and an overrun of the server's is seen")
    func room() throws {
        var table = HealthWatchTable(areWindowsKnown: true)
        try table.changeInitialWindow(to: 10)
        _ = table.begin(1)
        table.update { _ in true }
        #expect(table.tell(1)?.message == Health.notServing)
        #expect(table.overruns(Self.frame(4)) && !table.overruns(Self.frame(3)) && !table.overruns(Self.frame(60, 3)))
        table.update { _ in false }
        table.reply(Health.serving, on: 1)
        #expect(table.tell(1) == nil)
    }

    @Test("windows that make no sense are forgotten, and with them all streams and debts")
    func forgotten() {
        var table = Self.table()
        table.update { _ in true }
        _ = table.tell(1)
        #expect(throws: FlowError.zeroIncrement) { try table.update(0, on: 0, isPassed: false) }
        #expect(!table.areWindowsKnown && !table.hasDebt && table.isEmpty)
        #expect(table.begin(3) == false)
        var other = Self.table()
        #expect(throws: FlowError.overflow) { try other.changeInitialWindow(to: .max) }
        #expect(!other.areWindowsKnown)
    }

    @Test("streams have a bound, and one whose messages cannot be found is forgotten")
    func bounds() {
        var table = HealthWatchTable(areWindowsKnown: true)
        for index in 0..<HealthWatchTable.maxCount { #expect(table.begin(UInt32(index * 2 + 1)) == true) }
        #expect(table.begin(9999) == false)
        let damage: [UInt8] = [9, 9, 9, 9, 9, 9]
        table.hear(damage, on: 1)
        table.removeDamaged(1)
        table.removeDamaged(3)
        #expect(!table.contains(1) && table.contains(3))
    }
}

extension HealthWatchTable {
    /// A message of the server's passes.
    fileprivate mutating func reply(_ message: [UInt8], on id: UInt32) {
        forward(HTTP2FrameHeader(payloadBytes: UInt32(message.count), type: HTTP2FrameType.data, streamID: id))
        receiveReply(message.byteSpan, on: id)
    }

    /// Content of DATA of the server's.
    fileprivate mutating func hear(_ piece: [UInt8], on id: UInt32) { receiveReply(piece.byteSpan, on: id) }
}
