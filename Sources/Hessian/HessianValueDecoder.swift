internal import Wire

/// A decoder of the values of one body, one after the other, into ``HessianValue`` trees.
///
/// The tables of classes, types and reference numbers span the whole body, so one decoder serves one body. All bytes
/// must be there; at their end it throws ``HessianError/truncated(offset:)``. Nesting is kept on a stack of its own,
/// not on the thread's. Nothing is allocated from a count alone: memory grows with the bytes read, by up to about a
/// hundred bytes for each. Cost: meant for display, not for the path of every call.
///
/// Source: hessian-lite `Hessian2Input.java`. It is stricter in two places: a count, an index or a name may only have
/// int and string forms, and the end of the bytes is always an error.
public struct HessianValueDecoder: ~Escapable {
    /// The deepest nesting under any limits: freeing a tree recurs on the thread's stack, about 250 bytes a level in a
    /// release build.
    public static var deepestTree: Int { 512 }

    /// The state of a list, map or object that has begun and is not yet a value.
    struct Container {
        enum Shape {
            case list(String?)
            case map(String?)
            case object(HessianClass)
        }

        let shape: Shape
        let id: Int
        /// The position of its first item in `items`.
        let firstItem: Int
        /// The number of its items; `nil` if `Z` ends it.
        let count: Int?
    }

    let bytes: RawSpan
    let limits: HessianLimits
    var classes: [HessianClass] = []
    var types: [String] = []
    var references = 0
    /// The lists, maps and objects that have begun and not ended, outermost first.
    var containers: [Container] = []
    /// The finished items of all of `containers`.
    var items: [HessianValue] = []
    private var failure: HessianError?

    /// The number of bytes of the values read so far; the next value begins there.
    public internal(set) var offset = 0

    /// A decoder at the first byte of a body.
    ///
    /// - Parameters:
    ///   - bytes: The whole body.
    ///   - limits: The bounds of nesting and of classes.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, limits: HessianLimits = HessianLimits()) {
        self.bytes = bytes
        self.limits = limits
    }

    /// True if every byte was read.
    public var isAtEnd: Bool { offset == bytes.byteCount }

    /// Reads one value.
    ///
    /// - Returns: The value; ``offset`` is after it.
    /// - Throws: ``HessianError`` for bytes that are no value, and the same error for every call that follows.
    public mutating func value() throws(HessianError) -> HessianValue {
        if let failure { throw failure }
        do {
            repeat { try item() } while !containers.isEmpty
            return items.removeLast()
        } catch {
            failure = error
            throw error
        }
    }

    /// Reads values up to the end of the bytes.
    ///
    /// - Returns: The values in order; none when every byte was read before.
    /// - Throws: ``HessianError`` as ``value()``.
    public mutating func values() throws(HessianError) -> [HessianValue] {
        var values: [HessianValue] = []
        while !isAtEnd { values.append(try value()) }
        return values
    }

    /// Reads one scalar, the beginning of a container, or the end of the innermost.
    private mutating func item() throws(HessianError) {
        var start = offset
        var lead = try byte()
        if lead == 0x5a, let top = containers.last, top.count == nil {
            try close(top)
        } else {
            while lead == 0x43 {
                try defineClass(start)
                start = offset
                lead = try byte()
            }
            if let scalar = try scalar(lead, start) {
                items.append(scalar)
            } else {
                try begin(lead, start)
            }
        }
        while let top = containers.last, items.count - top.firstItem == top.count { try close(top) }
    }

    /// Turns the items of the innermost container into one value.
    private mutating func close(_ container: Container) throws(HessianError) {
        let own = Array(items[container.firstItem...])
        let value: HessianValue
        switch container.shape {
        case .list(let name):
            value = .list(HessianList(className: name, id: container.id, elements: own))
        case .object(let definition):
            value = .object(HessianObject(definition: definition, id: container.id, values: own))
        case .map(let name):
            guard own.count.isMultiple(of: 2) else { throw .oddMap(offset: wireOffset(offset - 1)) }
            let entries = stride(from: 0, to: own.count, by: 2).map {
                HessianMap.Entry(key: own[$0], value: own[$0 + 1])
            }
            value = .map(HessianMap(className: name, id: container.id, entries: entries))
        }
        containers.removeLast()
        items.removeLast(own.count)
        items.append(value)
    }

    func wireOffset(_ at: Int) -> UInt32 { UInt32(truncatingIfNeeded: at) }
}
