public import Calls

/// The sender of RST_STREAM.
public enum TripleResetter: UInt8, BitwiseCopyable, Sendable {
    /// The side that made the call.
    case caller
    /// The side that should have answered it.
    case callee
}

/// The outcome and code of an answered, reset or refused call.
///
/// The code is the gRPC status, or for plain HTTP the HTTP status: three digits, which no gRPC status has.
///
/// Source: gRPC `statuscodes.md`, `http-grpc-status-mapping.md`, `PROTOCOL-HTTP2.md` (HTTP2 Transport Mapping).
public struct TripleResult: BitwiseCopyable, Equatable, Sendable {
    /// The outcome of the call.
    public var outcome: Outcome
    /// A gRPC status, or an HTTP status from 100 on; see `ResultCode`.
    public var code: Int32

    /// A result with these facts.
    public init(outcome: Outcome, code: Int32) {
        self.outcome = outcome
        self.code = code
    }

    /// The result that a complete reply gives.
    ///
    /// `grpc-status` wins over the HTTP status wherever it was seen. A gRPC reply that ends without one counts as
    /// `UNKNOWN`, as in its caller's library; with another HTTP status than 2xx it counts as that one. If a field that
    /// could not be decoded may have been its status, its outcome is `unknown`.
    ///
    /// - Parameters:
    ///   - head: The headers and trailers.
    ///   - form: The form of the request.
    public init(reply head: TripleResponseHead, form: TripleForm) {
        if head.grpcStatus != TripleResponseHead.noStatus {
            self.init(grpcStatus: head.grpcStatus)
            if outcome == .ok, head.hasExceptionCode { outcome = .businessError }
            return
        }
        switch head.httpStatus {
        case 200..<300 where form == .http:
            self.init(outcome: head.hasExceptionCode ? .businessError : .ok, code: Int32(head.httpStatus))
        case 0 where head.hasUnknown, 200..<300 where head.hasUnknown:
            self.init(outcome: .unknown, code: ResultCode.none)
        case 0, 200..<300: self.init(grpcStatus: TripleResponseHead.unknownStatus)
        case 400..<500: self.init(outcome: .clientError, code: Int32(head.httpStatus))
        default: self.init(outcome: .serverError, code: Int32(head.httpStatus))
        }
    }

    /// The result that a `grpc-status` gives.
    ///
    /// - Parameter grpcStatus: The status; 17 is dubbo-go's code for exceptions of the application.
    public init(grpcStatus: Int16) {
        let outcome: Outcome
        switch grpcStatus {
        case 0: outcome = .ok
        case 1: outcome = .cancelled
        case 3, 5, 6, 7, 9, 11, 12, 16: outcome = .clientError
        case 4: outcome = .timeout
        case 17: outcome = .businessError
        default: outcome = .serverError
        }
        self.init(outcome: outcome, code: Int32(grpcStatus))
    }

    /// The result that RST_STREAM gives.
    ///
    /// A reset after a complete reply changes nothing: a server that needs no more of the request may end it so (RFC
    /// 9113 §8.1), and callers do so to free the stream. A caller's reset means that the caller gave up, whatever the
    /// code; a callee's reset has the meaning of its code in gRPC.
    ///
    /// - Parameters:
    ///   - errorCode: The frame's error code.
    ///   - resetter: The sender of the reset.
    ///   - head: The part of the reply that was seen.
    ///   - form: The form of the request.
    ///   - isReplyComplete: True if the reply had ended before.
    public init(
        reset errorCode: UInt32,
        by resetter: TripleResetter,
        head: TripleResponseHead,
        form: TripleForm,
        isReplyComplete: Bool
    ) {
        if isReplyComplete || head.grpcStatus != TripleResponseHead.noStatus {
            self.init(reply: head, form: form)
        } else if resetter == .caller {
            self.init(grpcStatus: 1)
        } else {
            self.init(grpcStatus: Self.grpcStatus(ofErrorCode: errorCode))
        }
    }

    /// The status that gRPC takes an HTTP/2 error code for.
    ///
    /// - Parameter errorCode: A code of RST_STREAM or GOAWAY.
    /// - Returns: The status; 2, UNKNOWN, for codes it gives no meaning.
    public static func grpcStatus(ofErrorCode errorCode: UInt32) -> Int16 {
        switch errorCode {
        // NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, FRAME_SIZE_ERROR,
        // COMPRESSION_ERROR, CONNECT_ERROR
        case 0, 1, 2, 3, 4, 6, 9, 10: 13
        case 7: 14  // REFUSED_STREAM
        case 8: 1  // CANCEL
        case 11: 8  // ENHANCE_YOUR_CALM
        case 12: 7  // INADEQUATE_SECURITY
        default: TripleResponseHead.unknownStatus
        }
    }
}
