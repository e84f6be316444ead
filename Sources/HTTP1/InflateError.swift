/// The reasons for which a coded body produces nothing further.
public enum InflateError: Error, Equatable, Sendable, CaseIterable {
    /// The bytes are not of the format, or damaged.
    case malformed
    /// The body is longer than its reader wanted to have it; all up to there has been given out.
    case tooLarge
    /// The body ended before its format says so.
    case truncated
    /// There is no memory for it.
    case noMemory
}
