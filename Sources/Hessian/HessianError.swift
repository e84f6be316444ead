/// The reasons for which bytes are not a Hessian 2 value as Dubbo writes it.
///
/// Offsets count from the first byte of the body.
public enum HessianError: Error, Equatable, Sendable {
    /// The body ends inside a value.
    case truncated(offset: UInt32)
    /// A lead byte without a meaning at its place.
    case badTag(tag: UInt8, offset: UInt32)
    /// Values nested deeper than ``HessianLimits/maxDepth``.
    case tooDeep(offset: UInt32)
    /// A negative length, or one that no remaining bytes could fill.
    case badLength(offset: UInt32)
    /// More class definitions than ``HessianLimits/maxClasses``, or one with too many fields.
    case tooManyClasses(offset: UInt32)
    /// An object of a class, a type or a reference that was not defined before.
    case badIndex(offset: UInt32)
    /// A byte that cannot start a character; lead bytes from 0xF0 are refused as Dubbo's reader refuses them.
    case badText(offset: UInt32)
    /// A map that ends between a key and its value; the offset is that of the end.
    case oddMap(offset: UInt32)

    /// The value of the metric label `reason`.
    public var label: StaticString {
        switch self {
        case .truncated: "hessian_truncated"
        case .badTag: "hessian_tag"
        case .tooDeep: "hessian_depth"
        case .badLength: "hessian_length"
        case .tooManyClasses: "hessian_classes"
        case .badIndex: "hessian_index"
        case .badText: "hessian_text"
        case .oddMap: "hessian_map"
        }
    }
}

/// The bounds for reading Hessian values; hessian-lite itself has none.
public struct HessianLimits: Sendable {
    /// The deepest nesting of lists, maps and objects.
    public var maxDepth: Int
    /// The most class definitions in one body.
    public var maxClasses: Int
    /// The most fields of one class.
    public var maxFields: Int

    /// Limits with these values.
    public init(maxDepth: Int = 512, maxClasses: Int = 4096, maxFields: Int = 4096) {
        self.maxDepth = maxDepth
        self.maxClasses = maxClasses
        self.maxFields = maxFields
    }
}
