internal import Calls
internal import Glibc
internal import Wire

/// The sockets that the workers accept on: opened here, or inherited.
extension Relay {
    /// The listeners of each worker, and the address of each configuration with its port filled in.
    struct OpenListeners {
        var sets: [[Worker.Listener]]
        var addresses: [Endpoint] = []
    }

    /// Opens what is not inherited.
    ///
    /// Each worker has a socket of its own for an address, among which the kernel spreads connections. All inherited
    /// ones are kept, some workers having several, for connections wait in each.
    ///
    /// - Throws: ``RelayError``; nothing stays open then, the inherited sockets of these addresses included.
    static func openListeners(
        _ configurations: [ListenerConfiguration],
        inherited: [ListeningSocket],
        workers: Int,
        table: ListenerTable
    ) throws(RelayError) -> OpenListeners {
        var open = OpenListeners(sets: Array(repeating: [], count: workers))
        do throws(RelayError) {
            for configuration in configurations {
                var opener = ListenerOpener(configuration: configuration, table: table)
                for (place, socket) in inherited.filter({ $0.isFor(configuration) }).enumerated() {
                    guard let descriptor = socket.take() else { continue }
                    open.sets[place % workers].append(try opener.adopt(descriptor))
                }
                for index in opener.count..<max(opener.count, workers) {
                    open.sets[index].append(try opener.open())
                }
                open.addresses.append(opener.address)
            }
        } catch {
            close(open.sets, table)
            throw error
        }
        return open
    }

    static func close(_ sets: some Sequence<[Worker.Listener]>, _ table: ListenerTable) {
        for set in sets { for listener in set { table.close(listener.descriptor) } }
    }

    /// Duplicates of the listening sockets, for the process that accepts on them next.
    ///
    /// - Returns: The sockets; none once the relay has stopped accepting.
    /// - Throws: ``RelayError/outOfResources(_:)`` when there are not enough descriptors for all of them.
    public func listeningSockets() throws(RelayError) -> [ListeningSocket] {
        guard let sockets = listenerTable.duplicates() else { throw .outOfResources("no descriptors") }
        return sockets
    }
}

extension ListeningSocket {
    /// True if it is a relay's socket of that address.
    fileprivate func isFor(_ configuration: ListenerConfiguration) -> Bool {
        guard case .relay = kind else { return false }
        return address == configuration.address || address == configuration.addressWithoutIPv6
    }
}

/// Makes the sockets of one listener configuration.
private struct ListenerOpener {
    let configuration: ListenerConfiguration
    let table: ListenerTable
    /// The address; a port chosen by the system is filled in with the first socket.
    private(set) var address: Endpoint
    /// The number of sockets.
    private(set) var count = 0
    private var inherited: Int32?

    init(configuration: ListenerConfiguration, table: ListenerTable) {
        self.configuration = configuration
        self.table = table
        address = configuration.address
    }

    private var isTransparent: Bool {
        if case .transparent = configuration.destination { true } else { false }
    }

    mutating func adopt(_ descriptor: Int32) throws(RelayError) -> Worker.Listener {
        let result = Linux.adoptListener(descriptor, transparent: isTransparent)
        guard result >= 0 else {
            Linux.close(descriptor)
            throw .cannotListen(address, Linux.message(result))
        }
        inherited = descriptor
        return register(descriptor)
    }

    mutating func open() throws(RelayError) -> Worker.Listener {
        if count == 0, address.port != 0 {
            // Sharing a port is for the workers of one process: another process on it is found by asking alone.
            let probe = listen(reusePort: false)
            guard probe >= 0 else { throw .cannotListen(address, Linux.message(probe)) }
            Linux.close(probe)
        }
        var descriptor = listen(reusePort: true)
        // The kernel shares a port only among sockets of one user: with another's, workers share a socket.
        if descriptor < 0, let inherited { descriptor = Linux.duplicate(inherited) }
        guard descriptor >= 0 else { throw .cannotListen(address, Linux.message(descriptor)) }
        return register(descriptor)
    }

    private mutating func listen(reusePort: Bool) -> Int32 {
        let result = Linux.listen(
            address,
            dualStack: configuration.isDualStack,
            reusePort: reusePort,
            transparent: isTransparent
        )
        guard result == -EAFNOSUPPORT, let other = configuration.addressWithoutIPv6, address != other else {
            return result
        }
        address = other
        return listen(reusePort: reusePort)
    }

    private mutating func register(_ descriptor: Int32) -> Worker.Listener {
        address = Linux.localEndpoint(descriptor) ?? address
        count += 1
        table.add(descriptor, configuration.side)
        return Worker.Listener(descriptor: descriptor, configuration: configuration, port: address.port)
    }
}
