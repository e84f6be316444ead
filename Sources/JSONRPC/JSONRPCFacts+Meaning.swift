public import Calls

/// The role of a value in JSON-RPC.
public enum JSONRPCRole: UInt8, BitwiseCopyable, Sendable {
    /// A call that a reply is owed to.
    case request
    /// A call without a reply.
    case notification
    /// A reply.
    case response
    /// None of them.
    case neither
}

/// The meaning of a message (JSON-RPC 2.0 §4, §5; JSON-RPC 1.0).
///
/// It is about the intention and not about validity: a call with odd `params` or another version is still a call, and
/// its reply tells the service's opinion.
extension JSONRPCFacts {
    /// The role of the message.
    ///
    /// A string `method` makes it a call if it ``saysSo``, or comes from a place where everything is JSON-RPC. It is a
    /// notification if `id` is absent or, in version 1.0 (no `jsonrpc`), null. Without `method`, `result` or `error`
    /// makes it a response, under the same condition.
    public var role: JSONRPCRole {
        guard form == .object else { return .neither }
        switch method {
        case .notText: return .neither
        case .absent:
            guard result != .absent || error != .absent else { return .neither }
            return place != .anywhere || saysSo ? .response : .neither
        case .text, .tooLong:
            guard place == .messages || saysSo else { return .neither }
            switch id {
            case .absent: return .notification
            case .null: return version == .absent ? .notification : .request
            case .boolean, .number, .string, .object, .array: return .request
            }
        }
    }

    /// True if the message itself says that it is JSON-RPC: by a member `jsonrpc` of any value, since servers ask no
    /// more, or by the whole shape of version 1.0.
    ///
    /// Many REST bodies, log lines and batches of other protocols have a `method` and are not JSON-RPC. Version 1.0 has
    /// `method`, `params` (an array) and `id`; its responses have `result`, `error` and `id`.
    public var saysSo: Bool {
        if version != .absent { return true }
        if method != .absent { return params == .array && id != .absent && !hasFoldedName }
        return result != .absent && error != .absent && id != .absent
    }

    /// True if a response reports an error: its `error` is present and not null, whatever `result` is.
    ///
    /// dubbo-go writes an empty `result` beside `error`, and version 1.0 writes `"error":null` beside a result.
    public var isError: Bool { error != .absent && error != .null }

    /// The outcome of the call that a response answers.
    public var outcome: Outcome {
        guard isError else { return .ok }
        guard let errorCode else { return .businessError }
        return JSONRPCFacts.outcome(ofCode: errorCode)
    }

    /// The response's code for ``FinishedCall/code``: 0 for a result, ``ResultCode/none`` for an error without one.
    ///
    /// An error with code 0, which means a result here, has no code either.
    public var resultCode: Int32 {
        guard isError else { return 0 }
        return errorCode == 0 ? ResultCode.none : errorCode ?? ResultCode.none
    }

    /// The outcome that an error code means.
    ///
    /// - Parameter code: The `code` of an `error` object.
    /// - Returns: The outcome by the ranges of JSON-RPC 2.0 §5.1; codes outside the reserved range are the
    ///   application's own.
    public static func outcome(ofCode code: Int32) -> Outcome {
        switch code {
        case -32700, -32602 ... -32600: .clientError
        case -32768 ... -32000: .serverError
        // What language servers and MCP's answer for a call that its caller took back (LSP 3.17, RequestCancelled).
        case -32800: .cancelled
        default: .businessError
        }
    }
}
