public import Wire

/// The names in a request's path.
///
///     /{interface}/{method}
///     /{context}/{interface}/{method}        the context may have slashes of its own
///
/// Ranges point into the path. A query is left out. Cost: two searches from the path's end, no allocation.
/// Source: `RequestPath.java`, gRPC `PROTOCOL-HTTP2.md` (Path).
public struct TriplePath: BitwiseCopyable, Equatable, Sendable {
    /// The interface's full name: the part before the last slash.
    public var interface: ByteRange
    /// The method: the part after the last slash.
    public var method: ByteRange
    /// The part before the interface, without the slashes around it; usually empty.
    public var context: ByteRange

    /// Parses a path; fails if it does not begin with a slash, or names no interface or no method.
    ///
    /// - Parameter path: The value of `:path`, or HTTP/1.1's request target.
    public init?(_ path: RawSpan) {
        guard path.byteCount > 0, path.byte(at: 0) == 0x2f else { return nil }
        let end = path.firstIndex(of: 0x3f) ?? path.byteCount
        guard let last = Self.lastSlash(in: path, before: end), last > 0, last + 1 < end,
            let front = Self.lastSlash(in: path, before: last), front + 1 < last
        else { return nil }
        interface = ByteRange(offset: front + 1, count: last - front - 1)
        method = ByteRange(offset: last + 1, count: end - last - 1)
        context = front > 1 ? ByteRange(offset: 1, count: front - 1) : .empty
    }

    private static func lastSlash(in path: RawSpan, before end: Int) -> Int? {
        var at = end
        while at > 0 {
            at &-= 1
            if path.byte(at: at) == 0x2f { return at }
        }
        return nil
    }

    /// The kind of the path's service.
    ///
    /// - Parameter path: The path that the ranges point into.
    /// - Returns: `business` unless it is one of gRPC's own services.
    public func kind(in path: RawSpan) -> TripleServiceKind {
        // All of gRPC's own names begin so; few others do.
        let name = path.slice(interface)
        guard name.byteCount > 5, name.extracting(0..<5).equals("grpc.") else { return .business }
        if name.equals("grpc.health.v1.Health") { return path.slice(method).equals("Watch") ? .healthWatch : .health }
        let reflection: StaticString = "grpc.reflection."
        let count = reflection.utf8CodeUnitCount
        guard name.byteCount > count, name.extracting(0..<count).equals(reflection) else { return .business }
        return .reflection
    }

    /// True if the method names the real method in its first argument.
    ///
    /// - Parameter path: The path that the ranges point into.
    /// - Returns: True for `$invoke` and `$invokeAsync`.
    public func isGeneric(in path: RawSpan) -> Bool {
        guard method.count >= 7, path.byte(at: Int(method.offset)) == 0x24 else { return false }
        let name = path.slice(method)
        return name.equals("$invoke") || name.equals("$invokeAsync")
    }
}

/// The kinds of services: the application's business, or not.
public enum TripleServiceKind: UInt8, BitwiseCopyable, Sendable {
    /// A service of the application.
    case business
    /// `grpc.health.v1.Health`, answered at once.
    case health
    /// `grpc.health.v1.Health/Watch`: a stream that stays open as long as the peers are connected.
    case healthWatch
    /// `grpc.reflection.*`: a tool asks what services there are.
    case reflection

    /// True if a call's duration tells about the application.
    @inlinable
    public var isBusiness: Bool { self == .business }
}
