import Testing

@testable import Inspection

@Suite struct GoAwayCoordinatorTests {
    @Test("a client is told twice: first of the highest possible stream, then of the last that it had opened")
    func twoSteps() {
        var goAway = GoAwayCoordinator()
        #expect(goAway.next(highestStreamID: 5, ping: 7) == nil && !goAway.isActive)
        goAway.update(isEnding: true)
        #expect(goAway.isDue && goAway.isActive && !goAway.isAwaited)
        #expect(goAway.next(highestStreamID: 5, ping: 7) == .announce(lastStreamID: .max >> 1, ping: 7))
        #expect(goAway.isAwaited && !goAway.isDue)
        #expect(goAway.next(highestStreamID: 5, ping: 8) == nil)
        #expect(goAway.acknowledge(ping: 8) == false)
        #expect(goAway.isAwaited)
        #expect(goAway.acknowledge(ping: 7) == true)
        #expect(goAway.isDue)
        #expect(goAway.next(highestStreamID: 9, ping: 8) == .conclude(lastStreamID: 9))
        #expect(goAway.state == .told && goAway.isActive && !goAway.isDue)
        #expect(goAway.acknowledge(ping: 7) == false)
        #expect(goAway.next(highestStreamID: 11, ping: 8) == nil)
    }

    @Test("an end can be taken back until the client was told of it")
    func withdrawn() {
        var goAway = GoAwayCoordinator()
        goAway.update(isEnding: true)
        goAway.update(isEnding: false)
        #expect(goAway.state == .idle && goAway.next(highestStreamID: 1, ping: 1) == nil)
        goAway.update(isEnding: true)
        _ = goAway.next(highestStreamID: 1, ping: 1)
        goAway.update(isEnding: false)
        #expect(goAway.state == .asked(ping: 1))
        goAway.update(isEnding: true)
        #expect(goAway.state == .asked(ping: 1))
    }

    @Test("a PING is made only when it is written")
    func lazyPing() {
        var goAway = GoAwayCoordinator()
        var count: UInt64 = 0
        func ping() -> UInt64 {
            count += 1
            return count
        }
        _ = goAway.next(highestStreamID: 0, ping: ping())
        goAway.update(isEnding: true)
        _ = goAway.next(highestStreamID: 0, ping: ping())
        _ = goAway.next(highestStreamID: 0, ping: ping())
        #expect(count == 1)
    }

    @Test("the last stream that a client is told never rises, whoever tells it")
    func neverRises() {
        var goAway = GoAwayCoordinator()
        #expect(goAway.replacement(for: .max >> 1) == nil)
        #expect(goAway.receive(last: 3, highestStreamID: 7) == true)
        #expect(
            goAway.replacement(for: 5) == 3 && goAway.replacement(for: 3) == nil && goAway.replacement(for: 1) == nil
        )
        goAway.update(isEnding: true)
        #expect(goAway.next(highestStreamID: 7, ping: 1) == .announce(lastStreamID: 3, ping: 1))
        #expect(goAway.acknowledge(ping: 1) == true)
        #expect(goAway.next(highestStreamID: 7, ping: 1) == .conclude(lastStreamID: 3))
        #expect(goAway.receive(last: 100, highestStreamID: 7) == false)
        #expect(goAway.lastStreamID == 3)
    }

    @Test("repeated GOAWAY frames of the server's cost one search for each stream that can have ended by them")
    func repeated() {
        var goAway = GoAwayCoordinator()
        #expect(goAway.receive(last: 7, highestStreamID: 7) == false)
        #expect(goAway.receive(last: 5, highestStreamID: 7) == true)
        #expect(goAway.receive(last: 5, highestStreamID: 7) == false)
        #expect(goAway.receive(last: 5, highestStreamID: 9) == true)
        #expect(goAway.receive(last: 3, highestStreamID: 9) == true)
        #expect(goAway.receive(last: 5, highestStreamID: 9) == false)
    }
}

@Suite struct ConnectionEndTests {
    @Test("a connection that came too late loses its requests at once, and its replies once the client was told")
    func rejected() {
        var end = ConnectionEnd.rejected(isTold: false)
        #expect(end.rejects(isRequest: true) && !end.rejects(isRequest: false))
        end.review(isRefusing: true)
        #expect(end == .rejected(isTold: false))
        #expect(end.tell() == true)
        #expect(end.tell() == false)
        #expect(end.rejects(isRequest: true) && end.rejects(isRequest: false))
        // What the client was told is not taken back.
        end.review(isRefusing: false)
        #expect(end == .rejected(isTold: true))
    }

    @Test("a drain that ends before its client was told lets the connection go on")
    func reprieved() {
        var end = ConnectionEnd.rejected(isTold: false)
        end.review(isRefusing: false)
        #expect(end == .none && !end.rejects(isRequest: true))
        #expect(end.tell() == false)
        // Other connections are not looked at.
        end.review(isRefusing: true)
        #expect(end == .none)
    }

    @Test("a failure loses a connection whose bytes passed, and abandons one whose blocks were written anew")
    func failed() {
        var end = ConnectionEnd.none
        #expect(!end.isLost && !end.isAbandoned)
        end.fail(isRewritten: false)
        #expect(end == .lost && end.isLost && !end.isAbandoned)
        #expect(end.tell() == false)
        end = .none
        end.fail(isRewritten: true)
        #expect(end.isLost && end.isAbandoned)
        #expect(end.tell() == true)
        #expect(end.tell() == false)
        // A second failure tells nobody again.
        end.fail(isRewritten: true)
        #expect(end == .abandoned(isTold: true))
        #expect(end.tell() == false)
    }
}
