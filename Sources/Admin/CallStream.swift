/// Finished calls as they end, for one viewer of `/v1/calls`.
///
/// Whoever makes one hands it to the admin API, which takes the lines until there are no more or the viewer is gone.
/// Its end is told when the stream is let go at the latest, so that no viewer stays behind.
public final class CallStream: Sendable {
    private let nextLines: @Sendable () async -> [UInt8]?
    private let end: @Sendable () -> Void

    /// A stream.
    ///
    /// - Parameters:
    ///   - next: Waits for whole JSON lines, one or more; `nil` after the last one.
    ///   - cancel: Says that no further lines are wanted, so that `next` comes to its end; called once or more.
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

/// Why calls cannot be watched.
public enum CallStreamError: Error, Equatable, Sendable {
    /// Parameters are wrong; the text names them.
    case badParameters(String)
    /// It cannot be done now; the text says why.
    case unavailable(String)
}
