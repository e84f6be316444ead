public import Wire

/// The request of a call of `grpc.health.v1.Health`: field 1, the name of a service.
///
/// Ranges point into the message. Source: gRPC `health.proto`; dubbo-go asks with the service key,
/// Java's servers know that and the interface.
public struct HealthRequest: BitwiseCopyable, Equatable, Sendable {
    /// The name; empty for the server as a whole.
    public private(set) var service = ByteRange.empty

    /// Reads a request; fails when it is no protobuf message.
    ///
    /// - Parameter message: The whole message, without gRPC's prefix and not compressed.
    public init?(_ message: RawSpan) {
        var cursor = ProtobufCursor(message)
        while let field = cursor.next() {
            guard field.number == 1 else { continue }
            guard field.isWhole else { return nil }
            service = field.range
        }
        guard cursor.isWellFormed else { return nil }
    }

    /// The interface in a service's name: `group/interface:version`, where either may be missing.
    ///
    /// - Parameter message: The bytes that the request was read from.
    /// - Returns: The place in the bytes; empty for the server as a whole.
    public func interface(in message: RawSpan) -> ByteRange {
        let name = message.slice(service)
        var start = 0
        while let slash = name.firstIndex(of: 0x2f, from: start) { start = slash + 1 }
        let end = name.firstIndex(of: 0x3a, from: start) ?? name.byteCount
        return ByteRange(offset: Int(service.offset) + start, count: end - start)
    }
}

/// The messages by which `grpc.health.v1.Health` reports the state of a service, with gRPC's prefix: field 1, an
/// enumeration.
public enum HealthStatus {
    /// It takes requests (1).
    public static let serving: [UInt8] = [0, 0, 0, 0, 2, 0x08, 0x01]
    /// It does not (2).
    public static let notServing: [UInt8] = [0, 0, 0, 0, 2, 0x08, 0x02]
}
