internal import Clocks
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A check that connects to ports of the application beside Weir, for `/readyz?upstream=PORT`.
///
/// There is one connection at a time to a port, and its result is the answer for a second, so that frequent probes do
/// not load the application.
final class UpstreamCheck: Sendable {
    /// The longest time for connecting: a kubelet gives up after 1 s by default.
    private static let patience = TimeAmount.milliseconds(800)
    /// The time for which an answer is reused.
    static let shareNanoseconds: UInt64 = 1_000_000_000

    private struct State {
        var answers: [Int: (isReachable: Bool, at: UInt64)] = [:]
        var waiting: [Int: [EventLoopPromise<Bool>]] = [:]
    }

    private let upstream: AdminServer.Upstream
    private let state = Mutex(State())

    init(_ upstream: AdminServer.Upstream) { self.upstream = upstream }

    /// True if that port may be asked about.
    func knows(_ port: Int) -> Bool { upstream.ports.contains(port) }

    /// Checks if the application accepts connections on a port.
    ///
    /// - Parameters:
    ///   - port: One that is known.
    ///   - loop: On which the answer is given.
    /// - Returns: True if it does; `false` if it does not in time.
    func isReachable(_ port: Int, _ loop: any EventLoop) -> EventLoopFuture<Bool> {
        let promise = loop.makePromise(of: Bool.self)
        let now = SystemClock.now()
        let (answer, isFirst): (Bool?, Bool) = state.withLock { state in
            if let last = state.answers[port], now &- last.at < Self.shareNanoseconds {
                return (last.isReachable, false)
            }
            state.waiting[port, default: []].append(promise)
            return (nil, state.waiting[port]?.count == 1)
        }
        if let answer { promise.succeed(answer) }
        if isFirst { connect(port, hosts: upstream.hosts[...], loop: loop) }
        return promise.futureResult
    }

    /// Tries one host after the other.
    private func connect(_ port: Int, hosts: ArraySlice<String>, loop: any EventLoop) {
        guard let host = hosts.first else { return finish(port, false) }
        let connection = ClientBootstrap(group: loop).connectTimeout(Self.patience).connect(host: host, port: port)
        connection.whenComplete { result in
            switch result {
            case .success(let channel):
                channel.close(promise: nil)
                self.finish(port, true)
            // What does not answer at all is there, and too busy: another address would only take more time.
            case .failure(ChannelError.connectTimeout): self.finish(port, false)
            case .failure: self.connect(port, hosts: hosts.dropFirst(), loop: loop)
            }
        }
    }

    private func finish(_ port: Int, _ isReachable: Bool) {
        let waiting = state.withLock { state in
            state.answers[port] = (isReachable, SystemClock.now())
            return state.waiting.removeValue(forKey: port) ?? []
        }
        for promise in waiting { promise.succeed(isReachable) }
    }
}
