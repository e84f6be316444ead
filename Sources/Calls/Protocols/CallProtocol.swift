/// A protocol whose calls are counted; its vocabulary is in ``traits``.
///
/// The first cases are the product's, in the order of ``ProtocolTraits/product``; the last four are places for
/// protocols that a program brings with it, see ``ProtocolTraits/register(_:)``.
public enum CallProtocol: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// Dubbo 2 over TCP.
    case dubbo
    /// Triple and gRPC.
    case triple
    /// JSON-RPC over HTTP/1.1 or raw TCP.
    case jsonrpc
    /// The place of the first registered protocol.
    case extension1
    /// The place of the second registered protocol.
    case extension2
    /// The place of the third registered protocol.
    case extension3
    /// The place of the fourth registered protocol.
    case extension4

    /// The number of places, taken or not: what is kept by protocol has so many.
    public static let placeCount = product.count + ProtocolTraits.maxExtensions

    /// The protocols of the product.
    public static let product = (0..<ProtocolTraits.product.count).compactMap { CallProtocol(rawValue: UInt8($0)) }

    /// The protocols of the product: what is known beforehand.
    public static var allCases: [CallProtocol] { product }

    /// The protocols of the product and those that are registered now.
    public static var known: [CallProtocol] {
        (0..<product.count + ProtocolTraits.extensionCount).compactMap { CallProtocol(rawValue: UInt8($0)) }
    }

    /// All places, taken or not.
    static let places = (0..<placeCount).compactMap { CallProtocol(rawValue: UInt8($0)) }

    /// The vocabulary; that of a place that is not taken has its place's name as the label.
    public var traits: ProtocolTraits {
        let place = Int(rawValue)
        if place < ProtocolTraits.product.count { return ProtocolTraits.product[place] }
        return ProtocolTraits.ofExtension(place - ProtocolTraits.product.count)
    }

    /// The value of the metric label `protocol`.
    public var label: StaticString { traits.label }
}

/// The protocol that was detected on a connection.
///
/// Behind ``silent`` stand the product's protocols of calls in the order of ``CallProtocol``, last the places of those
/// that are registered.
public enum ConnectionProtocol: UInt8, BitwiseCopyable, CaseIterable, Sendable {
    /// No byte has been seen yet.
    case silent
    /// Dubbo 2.
    case dubbo
    /// Triple or gRPC.
    case triple
    /// JSON-RPC.
    case jsonrpc
    /// HTTP that is neither Triple nor JSON-RPC.
    case http
    /// TLS; its content is not seen.
    case tls
    /// Anything else.
    case opaque
    /// The place of the first registered protocol.
    case extension1
    /// The place of the second registered protocol.
    case extension2
    /// The place of the third registered protocol.
    case extension3
    /// The place of the fourth registered protocol.
    case extension4

    /// The protocol of connections whose calls are counted in a protocol.
    ///
    /// - Parameter callProtocol: The protocol of the calls.
    public init(_ callProtocol: CallProtocol) {
        let place = callProtocol.rawValue
        let count = UInt8(ProtocolTraits.product.count)
        let first = place < count ? Self.silent.rawValue + 1 : Self.opaque.rawValue + 1 - count
        self = ConnectionProtocol(rawValue: first + place) ?? .opaque
    }

    /// The protocol of the calls on such connections; `nil` if none are counted.
    public var callProtocol: CallProtocol? {
        let count = UInt8(ProtocolTraits.product.count)
        switch rawValue {
        case 0: return nil
        case 1...count: return CallProtocol(rawValue: rawValue - 1)
        case (Self.opaque.rawValue + 1)...: return CallProtocol(rawValue: rawValue - Self.opaque.rawValue - 1 + count)
        default: return nil
        }
    }

    /// The protocols that a product without extensions detects.
    public static let product = (0...opaque.rawValue).compactMap { ConnectionProtocol(rawValue: $0) }

    /// The same: what is known beforehand.
    public static var allCases: [ConnectionProtocol] { product }

    /// ``product`` and the registered protocols.
    public static var known: [ConnectionProtocol] {
        let last = opaque.rawValue + UInt8(ProtocolTraits.extensionCount)
        return (0...last).compactMap { ConnectionProtocol(rawValue: $0) }
    }

    /// The value of the metric label `protocol`.
    public var label: StaticString {
        if let callProtocol { return callProtocol.label }
        return switch self {
        case .silent: "silent"
        case .http: "http"
        case .tls: "tls"
        default: "opaque"
        }
    }
}
