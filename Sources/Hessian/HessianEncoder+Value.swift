extension HessianEncoder {
    /// Writes a value with everything under it.
    ///
    /// References keep their numbers, so the tree must be complete: the first value of the body, or written after the
    /// values it was decoded with. Lists are written with their length, as Java does.
    ///
    /// - Parameter value: A value as ``HessianValueDecoder`` reads it.
    public mutating func value(_ value: HessianValue) {
        // What is still to be written, the next one last; `nil` is the end of a map.
        var work: [HessianValue?] = [value]
        while let next = work.popLast() {
            switch next {
            case .list(let list):
                beginList(type: list.className, count: Int32(clamping: list.elements.count))
                work += list.elements.reversed()
            case .map(let map):
                beginMap(type: map.className)
                work.append(nil)
                for entry in map.entries.reversed() { work += [entry.value, entry.key] }
            case .object(let object):
                beginObject(object.definition)
                work += object.values.reversed()
            case let scalar?: self.scalar(scalar)
            case nil: end()
            }
        }
    }

    private mutating func scalar(_ value: HessianValue) {
        switch value {
        case .bool(let value): bool(value)
        case .int32(let value): int(value)
        case .int64(let value): long(value)
        case .double(let value): double(value)
        case .date(let milliseconds): date(milliseconds: milliseconds)
        case .string(let units): string(utf16: units)
        case .binary(let content): binary(content)
        case .ref(let id): ref(Int32(clamping: id))
        case .null, .list, .map, .object: null()
        }
    }
}
