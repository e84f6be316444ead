/// The end of an HTTP/2 connection that Weir itself brings about.
enum ConnectionEnd: Equatable {
    /// The connection goes on.
    case none
    /// The connection began when its service refused requests: it is closed, and the server hears nothing of it.
    case rejected(isTold: Bool)
    /// The connection can no longer be followed; its bytes pass.
    case lost
    /// The connection can no longer be followed after something in it was withheld or changed: no byte passes that
    /// would mean something else to its receiver.
    case abandoned(isTold: Bool)

    /// True if bytes are no longer decoded.
    var isLost: Bool {
        switch self {
        case .none, .rejected: false
        case .lost, .abandoned: true
        }
    }

    /// True if nothing passes any more.
    var isAbandoned: Bool {
        if case .abandoned = self { true } else { false }
    }

    /// True if bytes of a direction are dropped because the connection came too late.
    ///
    /// - Parameter isRequest: True for the requests' direction; replies pass until the client was told.
    /// - Returns: True if they are dropped.
    func rejects(isRequest: Bool) -> Bool {
        if case .rejected(let isTold) = self { isRequest || isTold } else { false }
    }

    /// Sees anew whether a connection comes too late, as long as its client was not told.
    ///
    /// - Parameter isRefusing: True if its service refuses requests, evaluated only for a connection that was rejected.
    mutating func review(isRefusing: @autoclosure () -> Bool) {
        if self == .rejected(isTold: false), !isRefusing() { self = .none }
    }

    /// Decoding has failed.
    ///
    /// - Parameter isRewritten: True if a direction's header blocks are written anew.
    mutating func fail(isRewritten: Bool) {
        guard !isAbandoned else { return }
        self = isRewritten ? .abandoned(isTold: false) : .lost
    }

    /// The peers can be told of the end.
    ///
    /// - Returns: True once, for an end of which they are told.
    mutating func tell() -> Bool {
        switch self {
        case .rejected(isTold: false): self = .rejected(isTold: true)
        case .abandoned(isTold: false): self = .abandoned(isTold: true)
        case .none, .lost, .rejected, .abandoned: return false
        }
        return true
    }
}
