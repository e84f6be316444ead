internal import Clocks
internal import Logging
internal import ServiceLifecycle
internal import Telemetry

/// Logs when a limit is first reached, and when it has not been for some time.
struct LimitWatching: Service {
    private static let interval = Duration.seconds(1)

    let proxy: Proxy
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var trails = LimitTrails(proxy.limits.readings)
            while (try? await Task.sleep(for: Self.interval)) != nil {
                // The successor tells, for this process too.
                if proxy.limits.isToldBySuccessor { continue }
                for event in trails.note(proxy.limits.readings, now: SystemClock.now()) { log(event) }
            }
        }
    }

    private func log(_ event: LimitTrails.Event) {
        switch event {
        case .reached(let limit): logger.warning("limit reached", metadata: ["limit": "\(limit)"])
        case .over(let limit, let refused, let passed, let seconds):
            logger.notice(
                "limit no longer reached",
                metadata: [
                    "limit": "\(limit)", "refused": "\(refused)", "observed": "\(passed)", "seconds": "\(seconds)",
                ]
            )
        }
    }
}

/// Which limits refuse calls now, made of how they have decided so far.
struct LimitTrails {
    /// What is worth a line.
    enum Event: Equatable {
        /// A limit has refused calls, or would have.
        case reached(String)
        /// A limit has refused none for ``quietSeconds``; how many it refused and would have refused, in which time.
        case over(String, refused: UInt64, observed: UInt64, seconds: UInt64)
    }

    /// After how long without a refusal a limit is no longer reached.
    static let quietSeconds: UInt64 = 10
    private static let second: UInt64 = 1_000_000_000

    private struct Trail {
        var last: LimitReadings
        /// The numbers before the first refusal, and when that was seen; `nil` while there is none.
        var before: (readings: LimitReadings, time: UInt64)?
        var lastRefusal: UInt64 = 0
    }

    private var trails: [String: Trail]

    /// Nothing is reached yet, whatever was decided before.
    init(_ readings: [LimitReadings]) {
        trails = readings.reduce(into: [:]) { $0[$1.name] = Trail(last: $1) }
    }

    /// Compares how the limits in force have decided with the time before.
    mutating func note(_ readings: [LimitReadings], now: UInt64) -> [Event] {
        var kept: [String: Trail] = [:]
        var events: [Event] = []
        for reading in readings {
            let nothing = LimitReadings(name: reading.name, allowed: 0, rejected: 0, wouldReject: 0)
            var trail = trails[reading.name] ?? Trail(last: nothing)
            if reading.rejected > trail.last.rejected || reading.wouldReject > trail.last.wouldReject {
                if trail.before == nil {
                    trail.before = (trail.last, now)
                    events.append(.reached(reading.name))
                }
                trail.lastRefusal = now
            } else if let before = trail.before, now >= trail.lastRefusal + Self.quietSeconds * Self.second {
                let over = Event.over(
                    reading.name,
                    refused: reading.rejected - before.readings.rejected,
                    observed: reading.wouldReject - before.readings.wouldReject,
                    seconds: (trail.lastRefusal - before.time) / Self.second + 1
                )
                events.append(over)
                trail.before = nil
            }
            trail.last = reading
            kept[reading.name] = trail
        }
        trails = kept
        return events
    }
}
