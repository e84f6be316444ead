public import Wire

/// The first fields of a reply's message that carries an exception.
///
///     TripleResponseWrapper               TripleExceptionWrapper
///     1 serializeType string              1 language      string
///     2 data          bytes               2 serialization string
///     3 type          string              3 className     string
///                                         4 data          bytes
///
/// Dubbo 3.3 sends the first, and its `type` is the method's declared result, not the exception's class: the class is
/// the first one that the Hessian bytes define. Field 1 tells the two apart: a language names no serialization.
///
/// Read it only if `tri-exception-code` was seen: other replies are results. Cost: no allocation. Source:
/// `triple_wrapper.proto`, captures of Dubbo Java 3.3.1.
public struct TripleResponseWrapper: BitwiseCopyable, Equatable, Sendable {
    /// The number of first bytes of a message that are enough to find the class.
    public static let captureBytes = 512

    /// The class of the exception; empty when it cannot be told.
    public private(set) var exceptionClass = ByteRange.empty

    /// Reads what is there of either message; fails when it is no protobuf message.
    ///
    /// - Parameter message: The message's first bytes, without gRPC's prefix and not compressed; perhaps cut off.
    public init?(_ message: RawSpan) {
        var cursor = ProtobufCursor(message)
        var first = ByteRange.empty
        var data = ByteRange.empty
        var third = ByteRange.empty
        while let field = cursor.next() {
            switch field.number {
            case 1: if field.isWhole { first = field.range }
            case 2: data = field.range
            case 3: if field.isWhole { third = field.range }
            default: break
            }
        }
        guard cursor.isWellFormed else { return nil }
        let name = message.slice(first)
        if name.equals("java") {
            exceptionClass = third
        } else if let found = WrappedText.className(in: message.slice(data), serialization: name) {
            exceptionClass = ByteRange(offset: Int(data.offset) &+ Int(found.offset), count: Int(found.count))
        }
    }
}
