public import Calls
internal import Synchronization
public import Wire

/// A descriptor of a listening TCP socket, which belongs to this object until it is given away.
///
/// Descriptors of one socket share the connections that wait in it: the last one that is closed resets them.
public final class ListeningSocket: Sendable {
    /// The purpose of a listening socket.
    public enum Kind: Equatable, Sendable {
        /// Connections to be relayed.
        case relay(Side)
        /// The admin API.
        case admin
        /// Metrics and health alone.
        case metrics
        /// Health alone.
        case probes
    }

    /// Its purpose.
    public let kind: Kind
    /// Its address.
    public let address: Endpoint
    /// The descriptor; -1 when it belongs to somebody else.
    private let owned: Mutex<Int32>

    /// Makes a descriptor this object's own; `nil` if it is not a listening TCP socket.
    ///
    /// - Parameters:
    ///   - owning: The descriptor; it is closed if it is not a listening TCP socket.
    ///   - kind: What it is listened on for.
    public init?(owning: Int32, kind: Kind) {
        self.kind = kind
        owned = Mutex(owning)
        guard owning >= 0, Linux.isTCPListener(owning), let address = Linux.localEndpoint(owning) else {
            if owning >= 0 { Linux.close(owning) }
            return nil
        }
        self.address = address
    }

    deinit { close() }

    /// Makes a duplicate of somebody's descriptor this object's own; `nil` if that is no listening TCP socket or the
    /// process has no descriptor left.
    ///
    /// - Parameters:
    ///   - descriptor: A listening TCP socket that stays open during the call.
    ///   - kind: What it is listened on for.
    public convenience init?(duplicating descriptor: Int32, kind: Kind) {
        self.init(owning: Linux.duplicate(descriptor), kind: kind)
    }

    /// Gives the descriptor away; the caller closes it.
    ///
    /// - Returns: The descriptor, or `nil` if it was given away or closed before.
    public func take() -> Int32? {
        let descriptor = owned.withLock { owned in
            defer { owned = -1 }
            return owned
        }
        return descriptor >= 0 ? descriptor : nil
    }

    /// Closes the descriptor, unless it was given away.
    public func close() {
        if let descriptor = take() { Linux.close(descriptor) }
    }

    /// The descriptor, for as long as the object is neither closed nor asked to give it away.
    var descriptor: Int32 { owned.withLock { $0 } }
}

/// The listening sockets that a relay's workers accept on, for those who want duplicates of them.
///
/// Descriptors are closed under the lock: a duplicate is never made of a number that means another file by then.
final class ListenerTable: Sendable {
    private struct Entry {
        let descriptor: Int32
        let side: Side
    }

    private let entries = Mutex<[Entry]>([])

    func add(_ descriptor: Int32, _ side: Side) {
        entries.withLock { $0.append(Entry(descriptor: descriptor, side: side)) }
    }

    func close(_ descriptor: Int32) {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.descriptor == descriptor }) else { return }
            entries.remove(at: index)
            Linux.close(descriptor)
        }
    }

    /// Duplicates of all that are open; `nil` if there are not enough descriptors for them.
    func duplicates() -> [ListeningSocket]? {
        entries.withLock { entries in
            var sockets: [ListeningSocket] = []
            for entry in entries {
                guard let socket = ListeningSocket(duplicating: entry.descriptor, kind: .relay(entry.side)) else {
                    return nil
                }
                sockets.append(socket)
            }
            return sockets
        }
    }
}
