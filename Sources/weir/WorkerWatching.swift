internal import Logging
internal import Relay
internal import ServiceLifecycle
internal import Settings

/// Looks once a second whether workers get on, and logs when one does not.
struct WorkerWatching: Service {
    private static let interval = Duration.seconds(1)

    let proxy: Proxy
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var stuck = 0
            while (try? await Task.sleep(for: Self.interval)) != nil {
                proxy.relay.watchWorkers(throttledNanoseconds: ProcessFacts.throttledNanoseconds)
                let now = proxy.relay.stuckWorkers
                if now > stuck {
                    logger.error("a worker is stuck: it takes no turn", metadata: ["workers": "\(now)"])
                } else if now < stuck {
                    logger.notice("a worker takes turns again", metadata: ["stuck": "\(now)"])
                }
                stuck = now
            }
        }
    }
}
