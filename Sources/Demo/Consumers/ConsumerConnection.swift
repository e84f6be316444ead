internal import Clocks
internal import Synchronization

/// One of the connections of ``DemoConsumers``.
protocol Consumer: Sendable {
    var applicationName: String { get }

    /// Connects and calls until ``stop()``.
    func run()

    /// Lets ``run()`` finish the calls in flight and return.
    func stop()
}

/// The common parts of all connections of ``DemoConsumers``.
struct ConsumerSetup: Sendable {
    var address: String
    var port: UInt16
    var callsPerSecond: Double
    var tally: DemoTally
    var threads: DemoThreads
}

/// The consumers' waiting times.
private enum Patience {
    static let connectMilliseconds: Int32 = 1000
    static let reconnectNanoseconds: UInt64 = 500_000_000
    static let heartbeatNanoseconds: UInt64 = 2_000_000_000
    /// The longest wait for the replies to the last calls.
    static let drainNanoseconds: UInt64 = 500_000_000
    /// The time for which a connection outlives a call that timed out, so that an observer sees the deadline pass too.
    static let lingerNanoseconds: UInt64 = 200_000_000
    /// The longest delay that is made up for: calls beyond it are left out if the machine slept or was too busy.
    static let mostBehindNanoseconds: UInt64 = 1_000_000_000
}

/// One connection of a consumer, reopened whenever it ends: it decides what is sent when.
final class ConsumerConnection<Link: ConsumerLink>: Consumer {
    private let application: DemoApplication<Link.Call>
    private let setup: ConsumerSetup
    private let meanGapNanoseconds: Double
    private let firstRandom: DemoRandom
    private let bell = DemoBell()
    private let isStopping = Atomic(false)

    init(_ application: DemoApplication<Link.Call>, _ setup: ConsumerSetup, random: DemoRandom) {
        self.application = application
        self.setup = setup
        meanGapNanoseconds = 1e9 / setup.callsPerSecond
        firstRandom = random
    }

    var applicationName: String { application.name }

    func stop() {
        isStopping.store(true, ordering: .relaxed)
        bell.ring()
    }

    func run() {
        var random = firstRandom
        while !mustStop {
            if let link = connected() {
                call(on: link, &random)
                link.end()
            } else {
                setup.tally.update { $0.failedConnections += 1 }
            }
            if !mustStop { bell.wait(until: SystemClock.now() + Patience.reconnectNanoseconds) }
        }
    }

    private var mustStop: Bool { isStopping.load(ordering: .relaxed) }

    private func connected() -> Link? {
        let socket = DemoSocket.connect(
            to: setup.address,
            port: setup.port,
            milliseconds: Patience.connectMilliseconds
        )
        guard let socket else { return nil }
        let link = Link(socket, setup.tally)
        guard setup.threads.start({ link.readReplies() }) else { return nil }
        link.begin()
        setup.tally.update { $0.connections += 1 }
        return link
    }

    private func call(on link: Link, _ random: inout DemoRandom) {
        var nextCall = SystemClock.now() + gap(&random)
        var nextHeartbeat = SystemClock.now() + Patience.heartbeatNanoseconds
        while !mustStop, link.pending.isOpen {
            let now = SystemClock.now()
            link.expire(now)
            if now >= nextHeartbeat {
                link.heartbeat(id: application.requestID())
                nextHeartbeat = now + Patience.heartbeatNanoseconds
            } else if now >= nextCall {
                if let call = application.nextCall(&random) {
                    let trace = application.traceParent(&random)
                    link.send(call, by: application, traceParent: trace)
                }
                nextCall = max(nextCall, now - min(now, Patience.mostBehindNanoseconds)) + gap(&random)
            } else {
                bell.wait(until: min(nextCall, nextHeartbeat, link.pending.nextDeadline ?? .max))
            }
        }
        drain(link)
    }

    private func drain(_ link: Link) {
        let end = SystemClock.now() + Patience.drainNanoseconds
        while link.pending.isOpen, case let now = SystemClock.now(), now < end {
            link.expire(now)
            guard !link.pending.isEmpty || now < link.pending.lastTimeout + Patience.lingerNanoseconds else { return }
            bell.wait(until: min(end, now + 2_000_000))
        }
    }

    /// The time to the next call: even between nothing and twice the mean, so that calls come irregularly.
    private func gap(_ random: inout DemoRandom) -> UInt64 {
        UInt64(Double.random(in: 0...2 * meanGapNanoseconds, using: &random))
    }
}
