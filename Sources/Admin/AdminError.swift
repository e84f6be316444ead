internal import Glibc
internal import NIOCore

/// The reasons for which the admin API could not run.
public enum AdminError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An address cannot be listened on: taken, not ours, not allowed, or no address at all.
    case cannotListen(host: String, port: Int, reason: String)

    /// One line for the user.
    public var description: String {
        switch self {
        case .cannotListen(let host, let port, let reason):
            "cannot listen on \(host.contains(":") ? "[\(host)]" : host):\(port): \(reason)"
        }
    }

    /// True if a bind failed because the machine has no addresses of that family, or none on this interface.
    static func hasNoFamily(_ error: any Error) -> Bool {
        switch (error as? IOError)?.errnoCode {
        case EAFNOSUPPORT, EADDRNOTAVAIL: true
        default: false
        }
    }

    /// The meaning of a failed bind.
    static func reason(_ error: any Error) -> String {
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: "the address is in use"
        case EADDRNOTAVAIL: "this machine has no such address"
        case EACCES: "permission denied"
        case EAFNOSUPPORT: "this machine has no addresses of that kind"
        default: error is SocketAddressError ? "not an address" : "\(error)"
        }
    }
}
