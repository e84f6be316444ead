internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A maker of listening sockets, new or inherited, that sets up the connections accepted on them.
enum AdminSocket {
    /// The most connections that may wait to be accepted.
    private static let backlog: Int32 = 256
    /// The kernel's buffer of a connection in each direction; it takes twice as much memory for it.
    private static let bufferBytes: ChannelOptions.Types.SocketOption.Value = 16 << 10
    /// The time after which the kernel ends a connection whose peer takes nothing, also after it was closed here.
    private static let userTimeoutMilliseconds: ChannelOptions.Types.SocketOption.Value = 10_000
    /// The time for which the kernel keeps a silent connection to itself: it takes no place.
    private static let silentSeconds: ChannelOptions.Types.SocketOption.Value = 5

    /// Opens a socket.
    ///
    /// - Parameters:
    ///   - address: The address.
    ///   - inherited: A descriptor of a listening socket of that address, which becomes the channel's own.
    ///   - isPaused: True if nothing is accepted until ``AdminSockets/accept(_:)``.
    ///   - group: The threads that serve it.
    ///   - addConnection: Sets a connection up, on its event loop.
    /// - Returns: `nil` when the machine has no address of that family and can do without.
    /// - Throws: ``AdminError/cannotListen(host:port:reason:)``.
    static func listen(
        _ address: AdminServer.Address,
        inherited: Int32?,
        isPaused: Bool,
        group: any EventLoopGroup,
        _ addConnection: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> (any Channel)? {
        let userTimeout = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_USER_TIMEOUT))
        let deferral = ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: TCP_DEFER_ACCEPT))
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.autoRead, value: !isPaused)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.socketOption(.so_rcvbuf), value: bufferBytes)
            .serverChannelOption(deferral, value: silentSeconds)
            .childChannelOption(.socketOption(.so_sndbuf), value: bufferBytes)
            .childChannelOption(userTimeout, value: userTimeoutMilliseconds)
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: 1, high: RenderedPage.pieceBytes)
            )
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer(addConnection)
        if let inherited { return try await bootstrap.withBoundSocket(inherited).get() }
        var host = address.host
        while true {
            do {
                return try await bootstrap.bind(host: host, port: address.port).get()
            } catch {
                switch address.withoutFamily {
                case .skip where AdminError.hasNoFamily(error): return nil
                case .use(let other) where host != other && AdminError.hasNoFamily(error): host = other
                default: throw AdminError.cannotListen(host: host, port: address.port, reason: AdminError.reason(error))
                }
            }
        }
    }
}

/// The listening sockets of an admin server while they accept.
final class AdminSockets: Sendable {
    private let channels = Mutex<[(listener: AdminServer.Listener, channel: any Channel)]>([])

    func add(_ channel: any Channel, _ listener: AdminServer.Listener) {
        channels.withLock { $0.append((listener, channel)) }
    }

    /// Duplicates of their descriptors, which the caller must close.
    func duplicates() -> [(listener: AdminServer.Listener, descriptor: Int32)] {
        channels.withLock { $0 }.compactMap { listener, channel in
            let duplicate = channel.eventLoop.submit {
                try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                    fcntl($0, F_DUPFD_CLOEXEC, 0)
                }
            }
            guard let descriptor = try? duplicate.wait(), descriptor >= 0 else { return nil }
            return (listener, descriptor)
        }
    }

    /// Accepts connections from now on, or lets them wait in the kernel.
    ///
    /// It returns when that is so.
    func accept(_ isAccepting: Bool) {
        let changes = channels.withLock { $0 }.map { _, channel in channel.setOption(.autoRead, value: isAccepting) }
        // One that is closed accepts nothing.
        for change in changes { try? change.wait() }
    }

    /// Closes them; what was accepted is still served.
    func close() {
        for (_, channel) in channels.withLock({ $0 }) { channel.close(promise: nil) }
    }
}
