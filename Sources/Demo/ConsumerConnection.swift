internal import Synchronization

/// One connection of a consumer, made again whenever it ends: decides what is sent when.
final class ConsumerConnection: Sendable {
    private static let connectMilliseconds: Int32 = 1000
    private static let reconnectNanoseconds: UInt64 = 500_000_000
    private static let heartbeatNanoseconds: UInt64 = 2_000_000_000
    /// How long the replies to the last calls are waited for.
    private static let drainNanoseconds: UInt64 = 500_000_000
    /// How long the connection outlives a call that timed out, so that who watches it sees the deadline pass too.
    private static let lingerNanoseconds: UInt64 = 200_000_000
    /// What is left out when the machine slept or was too busy: calls are not made up for after this long.
    private static let mostBehindNanoseconds: UInt64 = 1_000_000_000

    private let application: DemoApplication
    private let address: String
    private let port: UInt16
    private let meanGapNanoseconds: Double
    private let firstRandom: DemoRandom
    private let tally: DemoTally
    private let threads: DemoThreads
    private let bell = DemoBell()
    private let isStopping = Atomic(false)

    init(
        _ application: DemoApplication,
        address: String,
        port: UInt16,
        callsPerSecond: Double,
        random: DemoRandom,
        tally: DemoTally,
        threads: DemoThreads
    ) {
        self.application = application
        self.address = address
        self.port = port
        meanGapNanoseconds = 1e9 / callsPerSecond
        firstRandom = random
        self.tally = tally
        self.threads = threads
    }

    var applicationName: String { application.name }

    /// Lets ``run()`` finish the calls in flight and return.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        bell.ring()
    }

    /// Connects and calls until ``stop()``.
    func run() {
        var random = firstRandom
        while !mustStop {
            if let link = connected() {
                call(on: link, &random)
                link.end()
            } else {
                tally.update { $0.failedConnections += 1 }
            }
            if !mustStop { bell.wait(until: DemoClock.now() + Self.reconnectNanoseconds) }
        }
    }

    private var mustStop: Bool { isStopping.load(ordering: .relaxed) }

    private func connected() -> ConsumerLink? {
        let socket = DemoSocket.connect(to: address, port: port, milliseconds: Self.connectMilliseconds)
        guard let socket else { return nil }
        let link = ConsumerLink(socket, tally)
        guard threads.start({ link.readReplies() }) else { return nil }
        tally.update { $0.connections += 1 }
        return link
    }

    private func call(on link: ConsumerLink, _ random: inout DemoRandom) {
        var nextCall = DemoClock.now() + gap(&random)
        var nextHeartbeat = DemoClock.now() + Self.heartbeatNanoseconds
        while !mustStop, link.isOpen {
            let now = DemoClock.now()
            link.expire(now)
            if now >= nextHeartbeat {
                link.heartbeat(id: application.requestID())
                nextHeartbeat = now + Self.heartbeatNanoseconds
            } else if now >= nextCall {
                if let call = application.nextCall(&random) {
                    let trace = application.traceParent(&random)
                    link.send(call, id: application.requestID(), application: application.name, traceParent: trace)
                }
                nextCall = max(nextCall, now - min(now, Self.mostBehindNanoseconds)) + gap(&random)
            } else {
                bell.wait(until: min(nextCall, nextHeartbeat, link.nextDeadline ?? .max))
            }
        }
        drain(link)
    }

    private func drain(_ link: ConsumerLink) {
        let end = DemoClock.now() + Self.drainNanoseconds
        while link.isOpen, case let now = DemoClock.now(), now < end {
            link.expire(now)
            guard link.hasPending || now < link.lastTimeout + Self.lingerNanoseconds else { return }
            bell.wait(until: min(end, now + 2_000_000))
        }
    }

    /// The time to the next call: even between nothing and twice the mean, so that calls come irregularly.
    private func gap(_ random: inout DemoRandom) -> UInt64 {
        UInt64(Double.random(in: 0...2 * meanGapNanoseconds, using: &random))
    }
}
