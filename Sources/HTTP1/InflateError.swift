/// The reasons for which a coded body produces nothing further.
public enum InflateError: Error, Equatable, Sendable, CaseIterable {
    /// The bytes are not of the format, or damaged.
    case malformed
    /// The body is longer than its reader's bound; everything up to there has been produced.
    case tooLarge
    /// The body ended before the end that its format requires.
    case truncated
    /// There is no memory for it.
    case noMemory
}
