internal import HTTP1

/// Why a direction of an HTTP/1 connection cannot be followed.
enum HTTP1Failure: Error, Equatable, Sendable {
    /// The bytes are not HTTP/1, or a limit of the reader was passed.
    case malformed(HTTP1Error)
    /// More than ``HTTP1Session/maxExchanges`` requests wait for their responses.
    case tooManyRequests

    /// The value of the metric label `reason`.
    var label: StaticString {
        switch self {
        case .malformed(let error): error.label
        case .tooManyRequests: "too_many_requests"
        }
    }
}
