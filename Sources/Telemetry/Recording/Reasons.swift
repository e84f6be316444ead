/// The reason for passing bytes without understanding them: the label `reason` of `weir_uninspected_bytes_total`.
public enum UninspectedReason: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The connection speaks nothing that Weir knows.
    case opaque
    /// The connection is encrypted.
    case tls
    /// HTTP that carries no calls.
    case http
    /// A decoder met bytes it could not follow and the connection went blind.
    case blind
    /// Skipped until the protocol's next message could be recognised.
    case resync
    /// A bound of the inspection was reached.
    case limit
    /// Missing from a capture.
    case gap

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .opaque: "opaque"
        case .tls: "tls"
        case .http: "http"
        case .blind: "blind"
        case .resync: "resync"
        case .limit: "limit"
        case .gap: "gap"
        }
    }
}

/// The reason for a decision on a part of the request, or for none: the label `reason` of
/// `weir_verdicts_partial_total`.
public enum PartialVerdictReason: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// The request is larger than what is held back.
    case tooLarge
    /// The request's content encoding cannot be undone within the bounds.
    case encoding
    /// A batch could not be decided as a whole.
    case batch
    /// The client waits for `100 Continue` before it sends the body.
    case expect
    /// The request's serialization or form allows no answer, insertion or reading.
    case serialization
    /// The rest of the request did not come in time.
    case late

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .tooLarge: "too_large"
        case .encoding: "encoding"
        case .batch: "batch"
        case .expect: "expect"
        case .serialization: "serialization"
        case .late: "late"
        }
    }
}

/// The reason for not relaying a connection: the label `reason` of `weir_connections_refused_total`.
public enum ConnectionRejectReason: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Its destination is Weir itself.
    case loop
    /// Its destination is not known.
    case noDestination
    /// The number of connections had reached the settings' bound.
    case limit
    /// Upstream refused or could not be reached.
    case connectFailed
    /// Upstream did not answer within the connect timeout.
    case connectTimeout
    /// No descriptor was left for the connection to upstream, though there had been one when it was accepted.
    case descriptors

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .loop: "loop"
        case .noDestination: "no_destination"
        case .limit: "limit"
        case .connectFailed: "connect_failed"
        case .connectTimeout: "connect_timeout"
        case .descriptors: "descriptors"
        }
    }
}

/// A protocol event that is not a call: the label `event` of `weir_events_total`.
public enum PeerEvent: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// A heartbeat request.
    case heartbeat
    /// The sender asks for no new requests on this connection.
    case readonly
    /// The sender takes new requests again.
    case writeable
    /// An event of any other content.
    case other

    /// The value of the metric label `event`.
    public var label: StaticString {
        switch self {
        case .heartbeat: "heartbeat"
        case .readonly: "readonly"
        case .writeable: "writeable"
        case .other: "other"
        }
    }
}
