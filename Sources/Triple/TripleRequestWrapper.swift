public import Wire

/// The first fields of a `TripleRequestWrapper`: the message that Triple puts around arguments that are not protobuf.
///
///     1 serializeType string     `hessian4` means Hessian 2
///     2 args          bytes      once an argument
///     3 argTypes      string     once an argument: Java class names
///
/// It is read from the message's first bytes, complete or cut off anywhere; fields may come in any order, unknown ones
/// are skipped. Ranges point into those bytes. A call whose method is protobuf has no wrapper, and its bytes may by
/// chance look like one: read it only where a wrapper must be, as for ``TriplePath/isGeneric(in:)``.
///
/// Cost: no allocation. Source: `triple_wrapper.proto`, `ReflectionPackableMethod.java`.
public struct TripleRequestWrapper: BitwiseCopyable, Equatable, Sendable {
    /// The number of first bytes of a message that are enough to find a generic call's method: names are short.
    public static let captureBytes = 512

    /// The serialization of the arguments, by name.
    public private(set) var serialization = ByteRange.empty
    /// The first argument's bytes.
    public private(set) var firstArgument = ByteRange.empty
    /// True if the first argument is complete.
    public private(set) var isFirstArgumentWhole = false
    /// The number of arguments seen; more may follow if the bytes were cut off.
    public private(set) var argumentCount: UInt16 = 0
    /// The number of complete argument types seen.
    public private(set) var argumentTypeCount: UInt16 = 0

    /// Reads what is there of a wrapper; fails when it is no protobuf message, or no serialization is named in it.
    ///
    /// - Parameter message: The message's first bytes, without gRPC's prefix and not compressed.
    public init?(_ message: RawSpan) {
        var cursor = ProtobufCursor(message)
        while let field = cursor.next() {
            switch field.number {
            case 1:
                guard field.isWhole else { return nil }
                serialization = field.range
            case 2:
                if argumentCount == 0 {
                    firstArgument = field.range
                    isFirstArgumentWhole = field.isWhole
                }
                argumentCount &+= 1
            case 3: if field.isWhole { argumentTypeCount &+= 1 }
            default: break
            }
        }
        guard cursor.isWellFormed, !serialization.isEmpty else { return nil }
    }

    /// The method that a generic call names: its first argument, if that is a string.
    ///
    /// Known serializations: Hessian 2, fastjson2, MessagePack, and those that write JSON.
    ///
    /// - Parameter message: The bytes that the wrapper was read from.
    /// - Returns: The place of the name in the bytes; `nil` if it cannot be found.
    public func genericMethod(in message: RawSpan) -> ByteRange? {
        guard isFirstArgumentWhole, argumentCount > 0 else { return nil }
        let value = message.slice(firstArgument)
        guard let name = WrappedText.range(in: value, serialization: message.slice(serialization)), !name.isEmpty
        else { return nil }
        return ByteRange(offset: Int(firstArgument.offset) &+ Int(name.offset), count: Int(name.count))
    }
}
