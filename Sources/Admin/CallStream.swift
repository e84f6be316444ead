/// Finished calls as they end, for one subscriber to `/v1/calls`.
///
/// Its maker passes it to the admin API, which takes the lines until there are no more or the subscriber is gone. Its
/// end is reported at the latest when the stream is released, so that no subscriber stays behind.
public final class CallStream: Sendable {
    private let nextLines: @Sendable () async -> [UInt8]?
    private let end: @Sendable () -> Void

    /// A stream.
    ///
    /// - Parameters:
    ///   - next: Waits for whole JSON lines, one or more; `nil` after the last one.
    ///   - cancel: Called once or more when no further lines are wanted, so that `next` ends.
    public init(next: @escaping @Sendable () async -> [UInt8]?, cancel: @escaping @Sendable () -> Void) {
        nextLines = next
        end = cancel
    }

    deinit { end() }

    /// Waits for lines; `nil` after the last one.
    func next() async -> [UInt8]? { await nextLines() }

    /// Wants no further lines.
    func cancel() { end() }
}

/// The reasons for which calls cannot be watched.
public enum CallStreamError: Error, Equatable, Sendable {
    /// Parameters are wrong; the text names them.
    case badParameters(String)
    /// It cannot be done now; the text gives the reason.
    case unavailable(String)
}
