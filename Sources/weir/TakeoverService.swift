internal import Admin
internal import Calls
internal import Logging
internal import Relay
internal import ServiceLifecycle
internal import Settings
internal import Synchronization
internal import Wire

/// Takes the listening sockets over from the process that runs, and hands them to the one that comes.
///
/// It ends, and with it the process, once a successor accepts on the sockets and the last connection has ended.
struct TakeoverService: Service {
    let proxy: Proxy
    let admin: AdminServer
    /// By which the processes find each other.
    let port: UInt16
    /// The process that is taken over from, if there is one.
    let predecessor: Takeover?
    /// Comes to its end when the admin API listens.
    let adminListens: AsyncStream<Void>
    let logger: Logger

    func run() async throws {
        for await _ in adminListens.cancelOnGracefulShutdown() {}
        guard !Task.isShuttingDownGracefully, !Task.isCancelled else { return }
        do throws(TakeoverError) {
            try predecessor?.finish()
        } catch {
            throw TakeoverFailure(reason: "the running process did not let go: \(error)")
        }
        if predecessor != nil {
            admin.resume()
            proxy.others.takenOver()
            logger.notice("taken over from the process that ran")
        }
        ServiceManager.ready()
        await waitForSuccessor()
    }

    private func waitForSuccessor() async {
        let (events, continuation) = AsyncStream.makeStream(of: Void.self)
        let server: TakeoverServer
        let limiter = LogLimiter()
        do throws(TakeoverError) {
            server = try TakeoverServer(port: port, peers: proxy.others.peers) { [proxy, admin] () throws(RelayError) in
                try proxy.relay.listeningSockets() + Self.sockets(of: admin)
            } state: { [proxy] in
                proxy.handedState
            } onEvent: { [proxy, admin, port, logger] event in
                switch event {
                // Of two processes that accept on one socket each would be woken for the other's connections.
                case .leaving: admin.pause()
                case .failed(let error):
                    admin.resume()
                    guard limiter.pass(0) != nil else { return }
                    logger.warning("a successor did not take over", metadata: ["reason": "\(error)"])
                case .takenOver(let withState):
                    if withState { proxy.limits.countedBySuccessor() }
                    proxy.isFollowed.store(true, ordering: .relaxed)
                    proxy.reporting.withLock { reporting in
                        reporting = Task { await Reporting.start(proxy, admin: admin, port: port, logger: logger) }
                    }
                    proxy.relay.leave(within: proxy.settings.takeover.deadline?.nanoseconds)
                    logger.notice("another process has taken over")
                    Task {
                        await proxy.relay.ended()
                        continuation.finish()
                    }
                }
            }
        } catch {
            predecessor?.confirm()
            logger.warning("no process can take over from this one", metadata: ["reason": "\(error)"])
            try? await gracefulShutdown()
            return
        }
        predecessor?.confirm()
        for await _ in events.cancelOnGracefulShutdown() {}
        await server.stop()
    }

    private static func sockets(of admin: AdminServer) -> [ListeningSocket] {
        admin.listeningSockets().compactMap {
            ListeningSocket(owning: $0.descriptor, kind: $0.listener.kind)
        }
    }
}

/// The reason that a takeover failed.
struct TakeoverFailure: Error {
    let reason: String
}

extension Takeover {
    /// Asks the process that runs with these settings for its sockets.
    ///
    /// - Throws: The exit code, after what is wrong has been printed.
    static func begin(_ settings: WeirSettings, logger: Logger) throws -> Takeover? {
        let port = settings.firstListener.port
        guard port != 0 else {
            Output.error("--takeover: the address to listen on needs a port")
            throw ExitStatus.usage
        }
        let takeover: Takeover?
        do throws(TakeoverError) {
            takeover = try begin(port: port)
        } catch {
            Output.error("--takeover: \(error)")
            throw ExitStatus.unavailable
        }
        guard let takeover else {
            logger.notice("no process to take over from")
            return nil
        }
        // It may have the same port of another address: then it must go on.
        guard takeover.listens(on: try settings.endpoint(settings.firstListener)) else {
            Output.error("--takeover: the process that runs does not listen on \(settings.firstListener)")
            throw ExitStatus.unavailable
        }
        return takeover
    }

    /// True if there is a socket of a relay with that address.
    private func listens(on address: Endpoint) -> Bool {
        sockets.contains { socket in
            guard case .relay = socket.kind else { return false }
            return socket.address == address || socket.address == address.withoutIPv6
        }
    }
}

extension WeirSettings {
    /// The address of the first listener.
    var firstListener: NetworkAddress { provider.isEnabled ? provider.listen : consumer.listen }
}
