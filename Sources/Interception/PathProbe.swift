internal import CLinux
internal import Glibc
internal import Settings

/// A second network namespace, for a connection that enters this one as from another machine.
///
/// It has a pair of devices with link-local addresses, and ends with this value or this process.
@safe public struct PathProbe: ~Copyable {
    /// The longest line that is read of a connection.
    public static let maxLineBytes = 128

    private let probe: OpaquePointer

    /// Makes it.
    ///
    /// - Parameter place: Any number; which of a few hundred networks is taken.
    /// - Throws: ``InterceptFailure``, of kind `denied` without CAP_NET_ADMIN and CAP_SYS_ADMIN.
    public init(place: UInt16) throws(InterceptFailure) {
        var probe: OpaquePointer?
        // SAFETY: the call sets the pointer when it returns 0.
        let code = unsafe weir_probe_start(place, &probe)
        guard code == 0, let probe = unsafe probe else {
            throw InterceptFailure(
                kind: code == -EPERM || code == -EACCES ? .denied : .failed,
                description: "no second network namespace can be made: \(systemText(-code))"
            )
        }
        unsafe self.probe = probe
    }

    deinit { unsafe weir_probe_end(probe) }

    /// The source of a connection, in the form of addresses in Weir's admin API.
    ///
    /// - Parameters:
    ///   - enters: True if the connection enters this namespace; else it leaves it.
    ///   - isIPv6: The family.
    ///   - port: The port.
    /// - Returns: `169.254.200.14:40001` or `[fe80::57:2]:40001`.
    public func source(enters: Bool, isIPv6: Bool, port: UInt16) -> String {
        let end = unsafe weir_probe_source(probe, enters ? 1 : 0, isIPv6 ? 1 : 0, port)
        let host: NetworkAddress.Host =
            isIPv6 ? .ipv6(UInt128(end.high) << 64 | UInt128(end.low)) : .ipv4(UInt32(truncatingIfNeeded: end.low))
        return NetworkAddress(host: host, port: port).description
    }

    /// Connects to a port of the other end and reads the first line that is said.
    ///
    /// - Parameters:
    ///   - enters: True if the connection enters this namespace; else it leaves it.
    ///   - isIPv6: The family.
    ///   - source: The port it comes from.
    ///   - port: The port it goes to.
    /// - Returns: The line without its end; at most ``maxLineBytes``.
    /// - Throws: ``InterceptFailure`` when there is no connection, or no line for 3 s.
    public func line(enters: Bool, isIPv6: Bool, from source: UInt16, to port: UInt16) throws(InterceptFailure)
        -> String
    {
        var bytes = [UInt8](repeating: 0, count: Self.maxLineBytes)
        // SAFETY: the size given is the array's own.
        let count = unsafe weir_probe_connect(
            probe,
            enters ? 1 : 0,
            isIPv6 ? 1 : 0,
            source,
            port,
            3000,
            &bytes,
            bytes.count
        )
        guard count >= 0 else { throw InterceptFailure(kind: .failed, description: systemText(-count)) }
        let line = bytes.prefix(Int(count)).prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self)
    }
}
