import Calls
import Clocks
import NIOCore
import NIOEmbedded
import Testing

@testable import Admin

@Suite struct ConnectionTests {
    private static let second: UInt64 = 1_000_000_000

    private func connection(_ counters: AdminCounters = AdminCounters()) -> (AdminConnection, EmbeddedChannel) {
        let channel = EmbeddedChannel()
        return (AdminConnection(channel, counters: counters, now: 0), channel)
    }

    @Test("a request's head has to come within seconds, of a new connection and of an old one") func head() {
        let (connection, _) = connection()
        #expect(connection.activity.0 == .reading)
        #expect(connection.overdue(at: AdminConnection.headNanoseconds) == nil)
        #expect(connection.overdue(at: AdminConnection.headNanoseconds + 1) == .slowRequest)
        connection.received(10, now: Self.second)
        // What comes puts nothing off.
        #expect(connection.overdue(at: AdminConnection.headNanoseconds + 1) == .slowRequest)
        connection.requestBegan(now: 2 * Self.second)
        #expect(connection.activity.0 == .working)
        connection.answered(now: 3 * Self.second)
        #expect(connection.activity.0 == .idle)
        #expect(connection.overdue(at: 3 * Self.second + AdminConnection.idleNanoseconds) == nil)
        #expect(connection.overdue(at: 4 * Self.second + AdminConnection.idleNanoseconds) == .idle)
        connection.received(1, now: 60 * Self.second)
        #expect(connection.activity.0 == .reading)
        #expect(connection.overdue(at: 66 * Self.second) == .slowRequest)
    }

    @Test("a request's body has to come; how long its answer is made is not its client's fault") func body() {
        let (connection, _) = connection()
        connection.requestBegan(now: Self.second)
        connection.awaitsBody(true)
        #expect(connection.activity == (.reading, Self.second))
        #expect(connection.overdue(at: Self.second + AdminConnection.exchangeNanoseconds) == nil)
        #expect(connection.overdue(at: Self.second + AdminConnection.exchangeNanoseconds + 1) == .slowRequest)
        connection.awaitsBody(false)
        #expect(connection.overdue(at: 1000 * Self.second) == nil)
        connection.writing(100, now: 1000 * Self.second)
        #expect(connection.overdue(at: 1004 * Self.second) == nil)
        #expect(connection.overdue(at: 1006 * Self.second) == .slowReader)
    }

    @Test("of a request that does not come and an answer that is not taken the older is shed") func oldest() {
        for isReaderOlder in [true, false] {
            let counters = AdminCounters()
            let table = ConnectionTable(limit: 2, counters: counters)
            let channels = (0..<3).map { _ in EmbeddedChannel() }
            let (reader, asker) = (table.admit(channels[0]), table.admit(channels[1]))
            let now = SystemClock.now()
            reader?.requestBegan(now: now)
            reader?.writing(10, now: now + (isReaderOlder ? 1 : 3))
            asker?.requestBegan(now: now)
            asker?.answered(now: now)
            asker?.received(1, now: now + 2)
            #expect(table.admit(channels[2]) != nil)
            #expect((table[channels[0]] == nil) == isReaderOlder)
            #expect((table[channels[1]] == nil) == !isReaderOlder)
        }
    }

    @Test("an answer has to be taken, a piece within seconds and all of it within more") func reader() {
        let (connection, _) = connection()
        connection.requestBegan(now: 0)
        connection.writing(100, now: 0)
        #expect(connection.activity.0 == .stalled)
        #expect(connection.overdue(at: AdminConnection.stallNanoseconds + 1) == .slowReader)
        var now: UInt64 = 0
        while now < AdminConnection.exchangeNanoseconds {
            connection.wrote(50, now: now)
            connection.writing(50, now: now)
            #expect(connection.overdue(at: now) == nil)
            now += 4 * Self.second
        }
        #expect(connection.overdue(at: now) == .slowReader)
    }

    @Test("what is written and not taken counts when the answer is complete too") func rest() {
        let (connection, _) = connection()
        connection.requestBegan(now: 0)
        connection.writing(100, now: 0)
        connection.answered(now: Self.second)
        #expect(connection.activity.0 == .stalled)
        connection.wrote(100, now: 2 * Self.second)
        #expect(connection.activity == (.idle, 2 * Self.second))
    }

    @Test("an answer without end may be read slowly") func endless() {
        let (connection, _) = connection()
        connection.requestBegan(now: 0)
        connection.becameEndless()
        connection.writing(100, now: 0)
        #expect(connection.activity.0 == .endless)
        #expect(connection.overdue(at: 1000 * Self.second) == nil)
    }

    @Test("a head and a body have bounds") func large() throws {
        let counters = AdminCounters()
        let (first, channel) = connection(counters)
        var isClosed = false
        channel.closeFuture.assumeIsolated().whenComplete { _ in isClosed = true }
        first.received(AdminConnection.maxHeadBytes, now: 0)
        #expect(counters[.largeRequest] == 0)
        #expect(!isClosed)
        first.received(1, now: 0)
        #expect(counters[.largeRequest] == 1)
        channel.embeddedEventLoop.run()
        #expect(isClosed)
        let (second, _) = connection(counters)
        second.received(AdminConnection.maxHeadBytes, now: 0)
        second.requestBegan(now: 0)
        second.received(AdminConnection.maxHeadBytes + AdminResponder.maxBodyBytes, now: 0)
        #expect(counters[.largeRequest] == 1)
        second.received(1, now: 0)
        #expect(counters[.largeRequest] == 2)
    }

    @Test("an idle connection is shed before a reader that is slow, and neither for want of either") func shedding() {
        let counters = AdminCounters()
        let table = ConnectionTable(limit: 3, counters: counters)
        let channels = (0..<6).map { _ in EmbeddedChannel() }
        let slow = table.admit(channels[0])
        slow?.requestBegan(now: 1)
        slow?.writing(10, now: 1)
        let idle = table.admit(channels[1])
        idle?.requestBegan(now: 1)
        idle?.answered(now: 2)
        table.admit(channels[2])?.requestBegan(now: 3)
        #expect(table.admit(channels[3]) != nil)
        #expect(table[channels[1]] == nil)
        table[channels[3]]?.requestBegan(now: 4)
        #expect(table.admit(channels[4]) != nil)
        #expect(table[channels[0]] == nil)
        table[channels[4]]?.requestBegan(now: 5)
        // All that are there are being answered.
        #expect(table.admit(channels[5]) == nil)
        #expect(counters[.shed] == 3)
        for channel in [channels[2], channels[3], channels[4]] { #expect(table[channel] != nil) }
    }
}
