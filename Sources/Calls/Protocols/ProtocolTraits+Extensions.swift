internal import Synchronization

extension ProtocolTraits {
    /// The most protocols that can be registered in a process.
    public static let maxExtensions = 4

    /// The registered protocols: a table of the process, as its types are.
    ///
    /// It only grows, and a protocol is in it before a connection can speak it.
    private static let extensions = Mutex(ExtensionPlaces())

    /// Gives a protocol that is not the product's a place among the protocols whose calls are counted.
    ///
    /// A label that is registered already keeps its place and the traits it has. Metrics, spans, filters, limits and
    /// drains know the protocol from then on; settings that were read before do not.
    ///
    /// - Parameter traits: The vocabulary.
    /// - Returns: The place; `nil` if all ``maxExtensions`` are taken, or the label is no label or another's.
    public static func register(_ traits: ProtocolTraits) -> CallProtocol? {
        extensions.withLock { $0.register(traits) }
    }

    /// The number of registered protocols.
    static var extensionCount: Int { extensions.withLock { $0.traits.count } }

    /// The traits of a place, taken or not.
    static func ofExtension(_ place: Int) -> ProtocolTraits { extensions.withLock { $0[place] } }
}

/// The places of registered protocols.
struct ExtensionPlaces: Sendable {
    /// The labels of places that are not taken.
    private static let freeLabels: [StaticString] = ["extension1", "extension2", "extension3", "extension4"]

    private(set) var traits: [ProtocolTraits] = []

    /// The traits of a place, taken or not.
    subscript(place: Int) -> ProtocolTraits {
        traits.count > place ? traits[place] : ProtocolTraits(label: Self.freeLabels[place])
    }

    /// Gives a protocol the next place, or the one it has.
    mutating func register(_ new: ProtocolTraits) -> CallProtocol? {
        let label = new.label.description
        if let known = traits.firstIndex(where: { $0.label.description == label }) { return Self.place(known) }
        guard traits.count < ProtocolTraits.maxExtensions, Self.isFree(label) else { return nil }
        traits.append(new)
        return Self.place(traits.count - 1)
    }

    private static func place(_ index: Int) -> CallProtocol? {
        CallProtocol(rawValue: UInt8(ProtocolTraits.product.count + index))
    }

    private static func isFree(_ label: String) -> Bool {
        let isLabel =
            1...32 ~= label.utf8.count
            && label.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        let taken = ConnectionProtocol.product.map(\.label.description) + freeLabels.map(\.description)
        return isLabel && !taken.contains(label)
    }
}
