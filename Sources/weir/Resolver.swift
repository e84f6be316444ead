internal import Glibc
internal import Wire

/// Looks names up with the system's resolver.
enum Resolver {
    /// The reason that a name has no address.
    struct Failure: Error {
        /// The resolver's words.
        let reason: String
    }

    /// The first address of a host.
    static func lookUp(_ name: String, port: UInt16) -> Result<Endpoint, Failure> {
        lookUpAll(name, port: port).map { $0[0] }
    }

    /// The addresses of a host in both families, in the order in which the system would have them tried; at least one,
    /// each once.
    static func lookUpAll(_ name: String, port: UInt16) -> Result<[Endpoint], Failure> {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        // SAFETY: the strings live through the call; `found` is a list of the resolver's, freed below.
        let status = unsafe getaddrinfo(name, nil, &hints, &found)
        guard status == 0, let first = unsafe found else {
            return .failure(Failure(reason: unsafe String(cString: gai_strerror(status))))
        }
        defer { unsafe freeaddrinfo(first) }
        var endpoints: [Endpoint] = []
        var next: UnsafeMutablePointer<addrinfo>? = unsafe first
        while let entry = unsafe next {
            if let endpoint = unsafe endpoint(entry.pointee, port), !endpoints.contains(endpoint) {
                endpoints.append(endpoint)
            }
            unsafe next = entry.pointee.ai_next
        }
        return endpoints.isEmpty ? .failure(Failure(reason: "no address")) : .success(endpoints)
    }

    private static func endpoint(_ entry: addrinfo, _ port: UInt16) -> Endpoint? {
        guard let address = unsafe entry.ai_addr else { return nil }
        switch unsafe entry.ai_family {
        case AF_INET:
            // SAFETY: the family says that the address is a sockaddr_in.
            let raw = unsafe UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
            return Endpoint(ipv4: UInt32(bigEndian: raw.sin_addr.s_addr), port: port)
        case AF_INET6:
            // SAFETY: the family says that the address is a sockaddr_in6, whose address begins at its eighth byte.
            let high = unsafe UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            let low = unsafe UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 16, as: UInt64.self)
            return Endpoint(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low), port: port)
        default: return nil
        }
    }
}
