internal import Admin
internal import Relay
internal import Settings
internal import Wire

extension NetworkAddress {
    /// Where a listener of the admin API listens for this address: `localhost` is both loopback addresses, and a
    /// machine without IPv6 has the IPv4 one only; `[::]` is `0.0.0.0` there.
    var adminAddresses: [AdminServer.Address] {
        let port = Int(port)
        switch host {
        case .name:
            return [
                AdminServer.Address(host: "127.0.0.1", port: port),
                AdminServer.Address(host: "::1", port: port, withoutFamily: .skip),
            ]
        case .ipv6(0): return [AdminServer.Address(host: "::", port: port, withoutFamily: .use("0.0.0.0"))]
        case .ipv4, .ipv6: return [AdminServer.Address(host: hostText, port: port)]
        }
    }
}

extension WeirSettings {
    /// The configuration of the admin server.
    var adminConfiguration: AdminServer.Configuration {
        var configuration = AdminServer.Configuration(
            main: admin.listen.adminAddresses,
            metrics: admin.metricsListen?.adminAddresses ?? [],
            probes: admin.probesListen?.adminAddresses ?? [],
            token: admin.token,
            hosts: admin.hosts
        )
        configuration.upstream.ports = Set(providerPorts.map { Int($0) })
        // An application may listen on the pod's address alone.
        let hosts = [provider.upstream?.hostText, "127.0.0.1", "::1", ProcessFacts.variables["POD_IP"]]
        configuration.upstream.hosts = hosts.compactMap { $0 }.reduce(into: []) { hosts, host in
            if !host.isEmpty, !hosts.contains(host) { hosts.append(host) }
        }
        configuration.stuckFailsHealth = admin.stuckFailsHealth
        return configuration
    }
}

extension AdminServer.Listener {
    /// As takeover calls it.
    var kind: ListeningSocket.Kind {
        switch self {
        case .main: .admin
        case .metrics: .metrics
        case .probes: .probes
        }
    }
}

extension AdminServer.Place {
    /// True if a socket listens at this place.
    func isOf(_ socket: ListeningSocket) -> Bool {
        guard socket.kind == listener.kind else { return false }
        let address = "\(socket.address)"
        if address == text(address: self.address.host) { return true }
        if case .use(let other) = self.address.withoutFamily { return address == text(address: other) }
        return false
    }

    private func text(address host: String) -> String {
        host.contains(":") ? "[\(host)]:\(address.port)" : "\(host):\(address.port)"
    }
}

extension Takeover {
    /// The sockets that the admin API is to listen on.
    func adminSockets(_ settings: WeirSettings) -> [AdminServer.Place: Int32] {
        var descriptors: [AdminServer.Place: Int32] = [:]
        for place in settings.adminConfiguration.places {
            guard let socket = sockets.first(where: { place.isOf($0) }) else { continue }
            descriptors[place] = socket.take()
        }
        return descriptors
    }
}
