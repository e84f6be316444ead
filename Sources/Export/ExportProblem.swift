/// Why spans cannot be exported as they are configured to be; one line says it.
public struct ExportProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, with the value that is.
    public let description: String

    init(_ description: String) { self.description = description }
}
