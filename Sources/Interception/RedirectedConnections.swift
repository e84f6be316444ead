internal import CLinux
internal import Glibc
internal import Settings

/// The connections that depend on being redirected.
public enum RedirectedConnections {
    /// The most connections that are counted.
    public static let maxCount = 1_000_000

    /// Counts the connections that live by rules, as ``count(to:)`` does.
    ///
    /// - Parameter rules: The installed rules.
    /// - Returns: The number of connections to the ports of its plans; to any port if a plan is not known.
    /// - Throws: ``InterceptFailure`` when the kernel does not tell.
    public static func count(of rules: [InstalledRules]) throws(InterceptFailure) -> Int {
        var ports = PortSet([])
        for rule in rules {
            guard let plan = rule.plan else { return try count(to: nil) }
            ports = ports.union(plan.listenPorts)
        }
        return try count(to: ports)
    }

    /// Counts the connections that come to Weir redirected and are open.
    ///
    /// A connection counts if connection tracking translates its destination to one of `ports` and it has a socket:
    /// tracking remembers a connection for days after its ends have vanished.
    ///
    /// - Parameter ports: The ports that Weir listens on; `nil` for any.
    /// - Returns: The number of connections.
    /// - Throws: ``InterceptFailure`` when the kernel does not tell.
    public static func count(to ports: PortSet?) throws(InterceptFailure) -> Int {
        let search = Search(ports: ports)
        let context = unsafe Unmanaged.passUnretained(search).toOpaque()
        // SAFETY: both calls use `context` until they return, and `search` lives as long.
        let sockets = unsafe weir_each_tcp_socket(
            liveStates,
            0,
            0,
            { context, found in
                guard let context = unsafe context, let found = unsafe found?.pointee else { return 0 }
                return unsafe Unmanaged<Search>.fromOpaque(context).takeUnretainedValue().add(found)
            },
            context
        )
        guard sockets == 0 else { throw failure("sockets cannot be listed", -sockets) }
        let tracked = unsafe weir_each_translation(
            { context, found in
                guard let context = unsafe context, let found = unsafe found?.pointee else { return 0 }
                return unsafe Unmanaged<Search>.fromOpaque(context).takeUnretainedValue().match(found)
            },
            context
        )
        guard tracked == 0 else { throw failure("tracked connections cannot be listed", -tracked) }
        return search.count
    }

    /// ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING; SYN_RECV.
    private static let liveStates: UInt32 = [1, 3, 4, 5, 8, 9, 11].reduce(0) { $0 | 1 << $1 }

    private static func failure(_ what: String, _ code: Int32) -> InterceptFailure {
        InterceptFailure(
            kind: code == EPERM || code == EACCES ? .denied : .failed,
            description: "\(what): \(systemText(code))"
        )
    }

    private struct Flow: Hashable {
        let peer: UInt128
        let peerPort: UInt16
        let localPort: UInt16

        init(_ peer: weir_endpoint, localPort: UInt16) {
            // The families cannot be confused: no IPv6 address is below 2^32 but for ::, ::1 and the mapped ones.
            self.peer = UInt128(peer.high) << 64 | UInt128(peer.low)
            peerPort = peer.port
            self.localPort = localPort
        }
    }

    private final class Search {
        let ports: PortSet?
        private var flows: Set<Flow> = []
        private(set) var count = 0

        init(ports: PortSet?) { self.ports = ports }

        func add(_ socket: weir_tcp_socket) -> Int32 {
            guard ports?.contains(socket.local.port) != false else { return 0 }
            flows.insert(Flow(socket.peer, localPort: socket.local.port))
            return flows.count < RedirectedConnections.maxCount ? 0 : -ENOBUFS
        }

        func match(_ found: weir_translation) -> Int32 {
            if flows.contains(Flow(found.client, localPort: found.server.port)) { count += 1 }
            return 0
        }
    }
}
