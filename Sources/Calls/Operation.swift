/// A small integer that stands for an operation in this process.
public struct OperationID: BitwiseCopyable, Hashable, Sendable {
    /// An index from 0, dense, in order of first sight.
    public let rawValue: UInt32

    /// The operation with that index.
    ///
    /// - Parameter rawValue: An index handed out by an ``OperationRegistry``.
    @inlinable @inline(__always)
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The index as an array index.
    @inlinable @inline(__always)
    public var index: Int { Int(rawValue) }
}

/// The identity under which calls are counted: protocol, interface, version, group and method.
public struct Operation: Hashable, Sendable {
    /// Java's spelling of a missing version; operations of such services have an empty one.
    ///
    /// Source: Dubbo `DubboCodec.java` (`encodeRequestData`), `URL.java` (`ANY_VERSION`).
    public static let zeroVersion: StaticString = "0.0.0"

    /// The protocol of the call.
    public let callProtocol: CallProtocol
    /// The interface's full name.
    public let interface: String
    /// The service's version; empty when none was named.
    public let version: String
    /// The service's group; empty when none was named.
    public let group: String
    /// The method; for a generic call the method that it names.
    public let method: String

    /// An operation with these names.
    public init(callProtocol: CallProtocol, interface: String, version: String, group: String, method: String) {
        self.callProtocol = callProtocol
        self.interface = interface
        self.version = version
        self.group = group
        self.method = method
    }
}

extension Operation {
    /// The operation of all tools of an MCP server that are not told apart.
    ///
    /// - Parameter interface: The server's path.
    /// - Returns: `tools/call`.
    public static func tools(of interface: String) -> Operation {
        Operation(callProtocol: .jsonrpc, interface: interface, version: "", group: "", method: "tools/call")
    }

    /// The method without the tool that it names: what is said of `tools/call` holds for `tools/call:add` too.
    public var methodWithoutTool: String {
        guard let tool = callProtocol.traits.toolMethod?.description, method.utf8.count > tool.utf8.count,
            method.utf8.starts(with: tool.utf8),
            method.utf8[method.utf8.index(method.utf8.startIndex, offsetBy: tool.utf8.count)] == UInt8(ascii: ":")
        else { return method }
        return tool
    }
}
