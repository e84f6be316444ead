internal import Calls

/// The status of a call's end in its span.
struct CallStatus: Equatable {
    /// True if the span's status is `ERROR`.
    var isError: Bool
    /// The attribute `error.type`.
    var errorType: String?

    /// The status of a call.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - callProtocol: Its protocol.
    ///   - exception: The class of the exception that answered, or nothing.
    init(_ call: FinishedCall, _ callProtocol: CallProtocol, exception: String) {
        isError = Self.isError(call, callProtocol)
        // Nobody knows what became of a lost call: it is marked, but not as an error.
        errorType =
            isError || call.outcome == .lost
            ? Self.errorType(call, callProtocol: callProtocol, exception: exception) : nil
    }

    /// OpenTelemetry's rule: for a client everything but success is an error, for a server only what is its own fault.
    ///
    /// Exceptions of the application's own are errors on both sides, although Dubbo's status is then OK and the table
    /// of codes would not have them: the operation ended with an exception, which is what instrumentation inside the
    /// application reports too, and the same exception over Triple is UNKNOWN, which is in the table.
    private static func isError(_ call: FinishedCall, _ callProtocol: CallProtocol) -> Bool {
        switch call.outcome {
        case .ok, .oneway, .lost, .unknown: false
        // Refused on purpose, or given up by the caller: a server that does so works as it should.
        case .limited, .drained, .cancelled: call.side == .consumer
        case .timeout, .unanswered, .businessError: true
        case .clientError, .serverError:
            call.side == .consumer || isServerFault(call.code, callProtocol) ?? (call.outcome == .serverError)
        }
    }

    /// True if a code is an error of the server; `nil` without a code.
    private static func isServerFault(_ code: Int32, _ callProtocol: CallProtocol) -> Bool? {
        code == ResultCode.none ? nil : callProtocol.traits.codes.serverFaults.contains(code)
    }

    private static func errorType(_ call: FinishedCall, callProtocol: CallProtocol, exception: String) -> String {
        if call.outcome == .businessError, !exception.isEmpty { return exception }
        let name = ResultCode.name(of: call.code, in: callProtocol)
        return name.isEmpty || name == "OK" ? "\(call.outcome.label)" : name
    }
}
