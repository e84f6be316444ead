/// The reasons for which a capture cannot be read, or not to its end.
///
/// Each case carries the problem in one line.
public enum CaptureError: Error, Equatable, Sendable {
    /// There is no such file, or it may not be read.
    case cannotOpen(String)
    /// The file does not begin as a capture does.
    case notACapture(String)
    /// The structure breaks somewhere after the beginning; everything before was delivered.
    case broken(String)
    /// The filter is no filter expression.
    case badFilter(String)

    /// The problem, in libpcap's words where it has some.
    public var message: String {
        switch self {
        case .cannotOpen(let text), .notACapture(let text), .broken(let text), .badFilter(let text): text
        }
    }
}
