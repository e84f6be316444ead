/// A Hessian 2 value as Dubbo reads it, with all values in it: for display and for tests.
///
/// Lists, maps and objects carry the reference number of the body: they are numbered together from 0 in the order in
/// which they begin, and ``ref(_:)`` names one of them. Two values are equal if their trees are equal; doubles are
/// compared by their bits. Source: hessian-lite `Hessian2Input.readObject`.
public enum HessianValue: Sendable {
    /// `N`.
    case null
    /// `T` or `F`.
    case bool(Bool)
    /// A Java `int`; `short` and `byte` arrive as one too.
    case int32(Int32)
    /// A Java `long`.
    case int64(Int64)
    /// A Java `double`; `float` arrives as one too.
    case double(Double)
    /// A point in time, in milliseconds since 1970-01-01T00:00Z.
    case date(Int64)
    /// A string as its UTF-16 code units: a Java string may hold half of a surrogate pair.
    case string([UInt16])
    /// A byte array.
    case binary([UInt8])
    /// A list or an array.
    indirect case list(HessianList)
    /// A map.
    indirect case map(HessianMap)
    /// An object of a class defined in the body.
    indirect case object(HessianObject)
    /// The list, map or object with that number again.
    case ref(Int)
}

/// A list or an array.
public struct HessianList: Equatable, Sendable {
    /// Its class, such as `java.util.LinkedList` or `[int`; `nil` for an untyped list.
    public var className: String?
    /// Its reference number.
    public var id: Int
    /// The elements.
    public var elements: [HessianValue]

    /// A list with these contents.
    public init(className: String? = nil, id: Int, elements: [HessianValue]) {
        self.className = className
        self.id = id
        self.elements = elements
    }
}

/// A map, in the order of the wire.
public struct HessianMap: Equatable, Sendable {
    /// A key and its value; keys may be anything and may repeat.
    public struct Entry: Equatable, Sendable {
        /// The key.
        public var key: HessianValue
        /// The value.
        public var value: HessianValue

        /// A key with its value.
        public init(key: HessianValue, value: HessianValue) {
            self.key = key
            self.value = value
        }
    }

    /// Its class, such as `java.util.TreeMap`; `nil` for an untyped map, which Java reads as a `HashMap`.
    public var className: String?
    /// Its reference number.
    public var id: Int
    /// Its entries.
    public var entries: [Entry]

    /// A map with these contents.
    public init(className: String? = nil, id: Int, entries: [Entry]) {
        self.className = className
        self.id = id
        self.entries = entries
    }
}

/// A class definition: the body has it once, after `C`, and every object of the class refers to it.
public struct HessianClass: Hashable, Sendable {
    /// The Java name, such as `org.example.User`.
    public var name: String
    /// Its fields, in the order in which each object gives their values.
    public var fieldNames: [String]

    /// A definition with these fields.
    public init(name: String, fieldNames: [String]) {
        self.name = name
        self.fieldNames = fieldNames
    }
}

/// An object: its class and one value a field.
public struct HessianObject: Equatable, Sendable {
    /// Its class, shared by all objects of one definition.
    public var definition: HessianClass
    /// Its reference number.
    public var id: Int
    /// The values, in the order of the class's fields.
    public var values: [HessianValue]

    /// An object of `definition`.
    public init(definition: HessianClass, id: Int, values: [HessianValue]) {
        self.definition = definition
        self.id = id
        self.values = values
    }

    /// The value of the first field of that name, or `nil`.
    public subscript(fieldName: String) -> HessianValue? {
        guard let index = definition.fieldNames.firstIndex(of: fieldName), index < values.count else { return nil }
        return values[index]
    }
}

extension HessianValue {
    /// A string value of `text`.
    ///
    /// - Parameter text: Any text.
    /// - Returns: Its UTF-16 units as a value.
    public static func string(_ text: String) -> HessianValue { .string(Array(text.utf16)) }

    /// A string's text, with half surrogate pairs shown as U+FFFD; `nil` for other values.
    public var text: String? {
        guard case .string(let units) = self else { return nil }
        return String(decoding: units, as: UTF16.self)
    }
}

extension HessianValue: Equatable {
    /// True if both trees are equal; doubles are compared by their bits.
    public static func == (left: HessianValue, right: HessianValue) -> Bool {
        // Pairs that are still to be compared: a deep tree must not take the thread's stack.
        var pairs = [(left, right)]
        while let (left, right) = pairs.popLast() {
            let isSame =
                switch (left, right) {
                case (.list(let left), .list(let right)): sameShape(left, right, pairs: &pairs)
                case (.map(let left), .map(let right)): sameShape(left, right, pairs: &pairs)
                case (.object(let left), .object(let right)): sameShape(left, right, pairs: &pairs)
                default: sameScalar(left, right)
                }
            guard isSame else { return false }
        }
        return true
    }

    private static func sameScalar(_ left: HessianValue, _ right: HessianValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.int32(let left), .int32(let right)): left == right
        case (.int64(let left), .int64(let right)): left == right
        case (.double(let left), .double(let right)): left.bitPattern == right.bitPattern
        case (.date(let left), .date(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.binary(let left), .binary(let right)): left == right
        case (.ref(let left), .ref(let right)): left == right
        default: false
        }
    }

    private typealias Pairs = [(HessianValue, HessianValue)]

    private static func sameShape(_ left: HessianList, _ right: HessianList, pairs: inout Pairs) -> Bool {
        guard left.className == right.className, left.id == right.id else { return false }
        guard left.elements.count == right.elements.count else { return false }
        pairs += zip(left.elements, right.elements)
        return true
    }

    private static func sameShape(_ left: HessianMap, _ right: HessianMap, pairs: inout Pairs) -> Bool {
        guard left.className == right.className, left.id == right.id else { return false }
        guard left.entries.count == right.entries.count else { return false }
        for (left, right) in zip(left.entries, right.entries) {
            pairs.append((left.key, right.key))
            pairs.append((left.value, right.value))
        }
        return true
    }

    private static func sameShape(_ left: HessianObject, _ right: HessianObject, pairs: inout Pairs) -> Bool {
        guard left.definition == right.definition, left.id == right.id else { return false }
        guard left.values.count == right.values.count else { return false }
        pairs += zip(left.values, right.values)
        return true
    }
}
