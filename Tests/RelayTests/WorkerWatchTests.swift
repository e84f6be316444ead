import Glibc
import Testing

@testable import Relay

@Suite struct WorkerWatchTests {
    @Test("a stall is events that wait while no turn is taken, and ends with either") func clock() {
        var clock = StallClock()
        clock.observe(turns: 5, hasEvents: true, elapsed: 100)
        #expect(clock.stalledNanoseconds == 0)
        clock.observe(turns: 5, hasEvents: true, elapsed: 100)
        clock.observe(turns: 5, hasEvents: true, elapsed: 50)
        #expect(clock.stalledNanoseconds == 150)
        clock.observe(turns: 6, hasEvents: true, elapsed: 100)
        #expect(clock.stalledNanoseconds == 0)
        clock.observe(turns: 6, hasEvents: true, elapsed: 100)
        #expect(clock.stalledNanoseconds == 100)
        clock.observe(turns: 6, hasEvents: false, elapsed: 100)
        #expect(clock.stalledNanoseconds == 0)
    }

    @Test("time in which the control group was throttled, or the process stopped, is not counted") func throttled()
        throws
    {
        let mailbox = try #require(Mailbox())
        guard let queue = EventQueue() else {
            Issue.record("no event queue")
            return
        }
        #expect(queue.add(mailbox.event, EventQueue.readable, token: 0) == 0)
        mailbox.watch(queue)
        let watch = WorkerWatch([mailbox])
        let second: UInt64 = 1_000_000_000
        watch.observe(now: 100 * second, throttled: 7 * second)
        watch.observe(now: 101 * second, throttled: 7 * second)
        // Nothing waits.
        #expect(watch.stalls == [0])
        Linux.signal(mailbox.event)
        watch.observe(now: 102 * second, throttled: 7 * second)
        #expect(watch.stalls == [second])
        watch.observe(now: 103 * second, throttled: 7 * second + second / 4)
        #expect(watch.stalls == [second + second * 3 / 4])
        watch.observe(now: 104 * second, throttled: 20 * second)
        #expect(watch.stalls == [second + second * 3 / 4])
        watch.observe(now: 1000 * second, throttled: 20 * second)
        #expect(watch.stalls == [second + second * 3 / 4 + WorkerWatch.maxElapsedNanoseconds])
        mailbox.turnBegan(1)
        watch.observe(now: 1001 * second, throttled: 20 * second)
        #expect(watch.stalls == [0])
        watch.observe(now: 1002 * second, throttled: 20 * second)
        #expect(watch.stalls == [second])
        // A worker that has ended takes no turns, and need not.
        mailbox.ended()
        watch.observe(now: 1003 * second, throttled: 20 * second)
        #expect(watch.stalls == [0])
    }
}
