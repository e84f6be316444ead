internal import CLinux
internal import Glibc
internal import Settings

/// The connections to the application that bypass Weir.
public enum DirectConnections {
    /// Counts established connections to local ports that are not Weir's.
    ///
    /// A connection is Weir's when its other end is a socket of this network namespace that belongs to the user this
    /// process runs as. One of another process of that user is not told from it: where the count errs, it is too low.
    /// Cost: two listings of the kernel's a port and family, which any user may ask for.
    ///
    /// - Parameter ports: The application's ports.
    /// - Returns: A count for each port, in their order.
    /// - Throws: ``InterceptFailure`` when the kernel does not tell.
    public static func count(to ports: [UInt16]) throws(InterceptFailure) -> [(port: UInt16, count: Int)] {
        var counts: [(port: UInt16, count: Int)] = []
        for port in ports {
            let own = SocketList(ofUser: geteuid())
            try own.fill(localPort: 0, peerPort: port)
            let all = SocketList(ofUser: nil)
            try all.fill(localPort: port, peerPort: 0)
            // The one end's local address is the other's peer.
            let direct = all.sockets.count { socket in !own.sockets.contains(socket.turned) }
            counts.append((port, direct))
        }
        return counts
    }
}

/// Established sockets.
private final class SocketList {
    struct Socket: Hashable {
        let local: UInt128
        let localPort: UInt16
        let peer: UInt128
        let peerPort: UInt16

        /// The socket as its other end has it.
        var turned: Socket { Socket(local: peer, localPort: peerPort, peer: local, peerPort: localPort) }
    }

    private static let maxCount = 1_000_000
    private static let established: UInt32 = 1 << 1

    private let user: UInt32?
    private(set) var sockets: Set<Socket> = []

    init(ofUser user: UInt32?) { self.user = user }

    func fill(localPort: UInt16, peerPort: UInt16) throws(InterceptFailure) {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        // SAFETY: `context` is used until the call returns, and this object lives as long.
        let code = unsafe weir_each_tcp_socket(
            Self.established,
            localPort,
            peerPort,
            { context, found in
                guard let context = unsafe context, let found = unsafe found?.pointee else { return 0 }
                return unsafe Unmanaged<SocketList>.fromOpaque(context).takeUnretainedValue().add(found)
            },
            context
        )
        guard code == 0 else {
            throw InterceptFailure(kind: .failed, description: "sockets cannot be listed: \(systemText(-code))")
        }
    }

    private func add(_ found: weir_tcp_socket) -> Int32 {
        if let user, found.user != user { return 0 }
        sockets.insert(
            Socket(
                local: UInt128(found.local.high) << 64 | UInt128(found.local.low),
                localPort: found.local.port,
                peer: UInt128(found.peer.high) << 64 | UInt128(found.peer.low),
                peerPort: found.peer.port
            )
        )
        return sockets.count < Self.maxCount ? 0 : -ENOBUFS
    }
}
