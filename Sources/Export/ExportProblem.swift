/// The reason for which spans cannot be exported as configured, in one line.
public struct ExportProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// The problem, with the wrong value.
    public let description: String

    init(_ description: String) { self.description = description }
}
