internal import Wire

extension HessianValueDecoder {
    /// Begins the list, map or object of a lead byte; its items follow.
    mutating func begin(_ lead: UInt8, _ start: Int) throws(HessianError) {
        switch lead {
        case 0x48: try open(.map(nil), count: nil, start: start)
        case 0x4d: try open(.map(type()), count: nil, start: start)
        case 0x55: try open(.list(type()), count: nil, start: start)
        case 0x56:
            let name = try type()
            try open(.list(name), count: count(), start: start)
        case 0x57: try open(.list(nil), count: nil, start: start)
        case 0x58: try open(.list(nil), count: count(), start: start)
        case 0x70...0x77: try open(.list(type()), count: Int(lead - 0x70), start: start)
        case 0x78...0x7f: try open(.list(nil), count: Int(lead - 0x78), start: start)
        case 0x4f: try openObject(Int(number()), start)
        case 0x60...0x6f: try openObject(Int(lead - 0x60), start)
        default: throw .badTag(tag: lead, offset: wireOffset(start))
        }
    }

    /// Reads what follows a `C`: the class's name, the number of its fields and their names.
    mutating func defineClass(_ start: Int) throws(HessianError) {
        let name = try name()
        let countOffset = offset
        let fields = Int(try number())
        guard fields >= 0 else { throw .badLength(offset: wireOffset(countOffset)) }
        guard classes.count < limits.maxClasses else { throw .tooManyClasses(offset: wireOffset(start)) }
        guard fields <= limits.maxFields else { throw .tooManyClasses(offset: wireOffset(countOffset)) }
        guard fields <= remaining else { throw .badLength(offset: wireOffset(countOffset)) }
        var fieldNames: [String] = []
        for _ in 0..<fields { fieldNames.append(try self.name()) }
        classes.append(HessianClass(name: name, fieldNames: fieldNames))
    }

    private mutating func openObject(_ index: Int, _ start: Int) throws(HessianError) {
        guard classes.indices.contains(index) else { throw .badIndex(offset: wireOffset(start)) }
        try open(.object(classes[index]), count: classes[index].fieldNames.count, start: start)
    }

    private mutating func open(_ shape: Container.Shape, count: Int?, start: Int) throws(HessianError) {
        guard containers.count < min(limits.maxDepth, Self.deepestTree) else {
            throw .tooDeep(offset: wireOffset(start))
        }
        containers.append(Container(shape: shape, id: references, firstItem: items.count, count: count))
        references += 1
    }

    /// Reads the number of a list's elements; each takes a byte at least.
    private mutating func count() throws(HessianError) -> Int {
        let start = offset
        let count = Int(try number())
        guard count >= 0, count <= remaining else { throw .badLength(offset: wireOffset(start)) }
        return count
    }

    /// Reads the type of a list or map: a name, or the index of one that was named before.
    private mutating func type() throws(HessianError) -> String {
        guard remaining > 0 else { throw .truncated(offset: wireOffset(offset)) }
        switch bytes.byte(at: offset) {
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53:
            types.append(try name())
            return types[types.count - 1]
        default:
            let start = offset
            let index = Int(try number())
            guard types.indices.contains(index) else { throw .badIndex(offset: wireOffset(start)) }
            return types[index]
        }
    }
}
