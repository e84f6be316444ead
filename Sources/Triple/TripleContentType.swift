internal import Wire

/// The form of a message by its `content-type`.
public enum TripleContentType: UInt8, BitwiseCopyable, Sendable {
    /// No content type.
    case none
    /// `application/grpc`, alone or with any suffix such as `+proto`: messages with gRPC's five-byte prefix.
    case grpc
    /// `application/json`.
    case json
    /// `application/proto` (dubbo-go's protobuf without prefix), `application/protobuf`, `application/x-protobuf`.
    case proto
    /// Anything else.
    case other

    /// Reads a `content-type`; parameters and the case of letters mean nothing.
    ///
    /// - Parameter value: The header's value.
    public init(_ value: RawSpan) {
        let type = value.extracting(0..<(Self.typeEnd(value)))
        guard type.byteCount > 0 else {
            self = .none
            return
        }
        if Self.isGRPC(type) {
            self = .grpc
        } else if Self.equals(type, "application/json") {
            self = .json
        } else if Self.equals(type, "application/proto") || Self.equals(type, "application/protobuf")
            || Self.equals(type, "application/x-protobuf")
        {
            self = .proto
        } else {
            self = .other
        }
    }

    /// The end of `type/subtype`, in front of parameters and blanks.
    private static func typeEnd(_ value: RawSpan) -> Int {
        var end = value.firstIndex(of: 0x3b) ?? value.byteCount
        while end > 0, value.byte(at: end &- 1) == 0x20 || value.byte(at: end &- 1) == 0x09 { end &-= 1 }
        return end
    }

    /// `application/grpc` and nothing after it but a suffix: `application/grpc-web` frames its messages otherwise.
    private static func isGRPC(_ type: RawSpan) -> Bool {
        let plain: StaticString = "application/grpc"
        let count = plain.utf8CodeUnitCount
        guard type.byteCount >= count, equals(type.extracting(0..<count), plain) else { return false }
        return type.byteCount == count || type.byte(at: count) == 0x2b
    }

    private static func equals(_ type: RawSpan, _ literal: StaticString) -> Bool {
        guard type.byteCount == literal.utf8CodeUnitCount else { return false }
        if type.equals(literal) { return true }
        // SAFETY: a literal's bytes live as long as the program and there are as many as it says.
        let known = unsafe RawSpan(_unsafeStart: literal.utf8Start, byteCount: literal.utf8CodeUnitCount)
        return type.equals(lowerCased: known)
    }
}

/// The two forms of a Triple call.
public enum TripleForm: UInt8, BitwiseCopyable, Sendable {
    /// gRPC: messages with a prefix, the result in trailers.
    case grpc
    /// Plain HTTP, mostly JSON: the result is the HTTP status.
    case http
}
