internal import Wire

extension HessianScanner {
    /// Runs the machine until the levels are empty or the bytes are used up.
    mutating func run(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        while true {
            if isInToken {
                guard try continueToken(bytes, &at) else { return false }
                isInToken = false
                try finishToken(at)
                continue
            }
            guard let top = levels.last else { return true }
            if top.remaining == 0 {
                levels.removeLast()
                continue
            }
            guard at < bytes.byteCount else { return false }
            if !isWatching, skipSimple(top.item, bytes: bytes, at: &at) { continue }
            let lead = bytes.byte(at: at)
            at &+= 1
            try step(top.item, lead: lead, at: at &- 1)
        }
    }

    /// Steps over a number, a truth value, null or a short text that is complete in `bytes`, without the states of a
    /// token.
    ///
    /// - Returns: True if there was one; if not, nothing has changed.
    @inline(__always)
    private mutating func skipSimple(_ item: Item, bytes: RawSpan, at: inout Int) -> Bool {
        guard item.rawValue <= Item.mapValue.rawValue else { return false }
        let count: Int
        switch bytes.byte(at: at) {
        case 0x80...0xbf, 0xd8...0xef, 0x46, 0x4e, 0x54, 0x5b, 0x5c: count = 1
        case 0xc0...0xcf, 0xf0...0xff, 0x5d: count = 2
        case 0xd0...0xd7, 0x38...0x3f, 0x5e: count = 3
        case 0x00...0x1f: count = bytes.shortASCIIText(at: at) &+ 1
        default: return false
        }
        guard count > 0, count <= bytes.byteCount &- at else { return false }
        at &+= count
        let last = levels.count &- 1
        switch item {
        case .values: levels[last].remaining &-= 1
        case .mapKey: levels[last].item = .mapValue
        case .mapValue: levels[last].item = .mapKey
        default: break
        }
        return true
    }

    /// Processes one lead byte at the level `item`.
    private mutating func step(_ item: Item, lead: UInt8, at: Int) throws(HessianError) {
        switch item {
        case .values:
            let isOutermost = levels.count == 1
            consumeOne()
            try beginValue(lead, at, isOutermost: isOutermost)
        case .untilEnd:
            if lead == 0x5a {
                levels.removeLast()
                return
            }
            try beginValue(lead, at)
        case .mapKey:
            if lead == 0x5a {
                levels.removeLast()
                return
            }
            levels[levels.count - 1].item = .mapValue
            try beginValue(lead, at)
        case .mapValue:
            if lead == 0x5a { throw .oddMap(offset: offset(at)) }
            levels[levels.count - 1].item = .mapKey
            try beginValue(lead, at)
        case .type:
            consumeOne()
            try beginType(lead, at)
        case .listCount: try beginNumber(lead, at: at, purpose: .listCount)
        case .objectClass: try beginNumber(lead, at: at, purpose: .objectClass)
        case .reference: try beginNumber(lead, at: at, purpose: .reference)
        case .fieldCount: try beginNumber(lead, at: at, purpose: .fieldCount)
        case .number: try beginNumber(lead, at: at, purpose: .number)
        case .className: try beginName(lead, at: at, purpose: .className)
        case .fieldNames: try beginName(lead, at: at, purpose: .fieldName)
        case .string:
            consumeOne()
            try beginString(lead, at: at)
        }
    }

    /// A text that is wanted, or null.
    @inline(__always)
    private mutating func beginString(_ lead: UInt8, at: Int) throws(HessianError) {
        if lead == 0x4e {
            isNull = true
        } else {
            beginCapture()
            try beginText(lead, at: at, purpose: .string)
        }
    }

    /// One item of the top level is taken; a level that has no more is dropped before its last value's own levels come.
    @inline(__always)
    private mutating func consumeOne() {
        let last = levels.count &- 1
        levels[last].remaining &-= 1
        guard levels[last].remaining == 0 else { return }
        if watchedObject != nil, last == 0 { return }
        levels.removeLast()
    }

    mutating func push(_ item: Item, _ count: UInt32 = 1, at: Int) throws(HessianError) {
        guard levels.count < limits.maxDepth else { throw .tooDeep(offset: offset(at)) }
        levels.append(Level(item: item, remaining: count))
    }

    // MARK: Beginnings

    private mutating func beginValue(
        _ lead: UInt8,
        _ at: Int,
        isOutermost: Bool = false
    ) throws(HessianError) {
        switch lead {
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53:
            if isOutermost, isMessageNext() {
                beginCapture()
                try beginText(lead, at: at, purpose: .message)
            } else {
                try beginText(lead, at: at, purpose: .value)
            }
        case 0x20...0x2f, 0x34...0x37, 0x41, 0x42: beginBinary(lead)
        case 0x46, 0x4e, 0x54, 0x5b, 0x5c, 0x80...0xbf, 0xd8...0xef: break
        case 0x5d, 0xc0...0xcf, 0xf0...0xff: beginRaw(1)
        case 0x38...0x3f, 0x5e, 0xd0...0xd7: beginRaw(2)
        case 0x49, 0x4b, 0x59, 0x5f: beginRaw(4)
        case 0x44, 0x4a, 0x4c: beginRaw(8)
        case 0x43:
            // The definition stands in front of the value, which must follow.
            try push(.values, at: at)
            try push(.fieldCount, at: at)
            try push(.className, at: at)
        case 0x48: try push(.mapKey, at: at)
        case 0x4d:
            isTypeWatched = isWatching && levels.isEmpty
            try push(.mapKey, at: at)
            try push(.type, at: at)
        case 0x4f: try push(.objectClass, at: at)
        case 0x51: try push(.reference, at: at)
        case 0x55:
            try push(.untilEnd, at: at)
            try push(.type, at: at)
        case 0x56:
            try push(.listCount, at: at)
            try push(.type, at: at)
        case 0x57: try push(.untilEnd, at: at)
        case 0x58: try push(.listCount, at: at)
        case 0x60...0x6f: try beginObject(Int(lead - 0x60), at)
        case 0x70...0x77:
            if lead > 0x70 { try push(.values, UInt32(lead - 0x70), at: at) }
            try push(.type, at: at)
        case 0x78...0x7f:
            if lead > 0x78 { try push(.values, UInt32(lead - 0x78), at: at) }
        default: throw .badTag(tag: lead, offset: offset(at))
        }
    }

    private mutating func beginRaw(_ count: UInt32) {
        isInToken = true
        purpose = .value
        rawBytes = count
    }

    private mutating func beginBinary(_ lead: UInt8) {
        isInToken = true
        purpose = .value
        startChunk(lead)
    }

    private mutating func beginText(_ lead: UInt8, at: Int, purpose: Purpose) throws(HessianError) {
        switch lead {
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53: break
        default: throw .badTag(tag: lead, offset: offset(at))
        }
        isInToken = true
        self.purpose = purpose
        startChunk(lead)
    }

    private mutating func beginName(_ lead: UInt8, at: Int, purpose: Purpose) throws(HessianError) {
        consumeOne()
        if isWatching, watchedObject == nil {
            beginCapture()
        }
        try beginText(lead, at: at, purpose: purpose)
    }

    private mutating func beginType(_ lead: UInt8, _ at: Int) throws(HessianError) {
        switch lead {
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53:
            if isTypeWatched {
                beginCapture()
            }
            try beginText(lead, at: at, purpose: .type)
        default:
            isTypeWatched = false
            try beginInt(lead, at: at, purpose: .typeIndex)
        }
    }

    private mutating func beginNumber(_ lead: UInt8, at: Int, purpose: Purpose) throws(HessianError) {
        consumeOne()
        try beginInt(lead, at: at, purpose: purpose)
    }

    private mutating func beginInt(_ lead: UInt8, at: Int, purpose: Purpose) throws(HessianError) {
        self.purpose = purpose
        self.lead = lead
        header = 0
        switch lead {
        case 0x80...0xbf: headerNeeds = 0
        case 0xc0...0xcf: headerNeeds = 1
        case 0xd0...0xd7: headerNeeds = 2
        case 0x49: headerNeeds = 4
        default: throw .badTag(tag: lead, offset: offset(at))
        }
        isInToken = true
        chain = .none
    }

    /// An object of the class with that index begins: its field values follow.
    mutating func beginObject(_ index: Int, _ at: Int) throws(HessianError) {
        guard index >= 0, index < classFieldCounts.count else { throw .badIndex(offset: offset(at)) }
        let count = classFieldCounts[index]
        if isWatching, levels.isEmpty, watchedObject == nil, index < watched.count {
            watchedObject = watched[index]
            throwable.className = watched[index].name
        }
        if count > 0 { try push(.values, count, at: at) }
    }

    /// True if the value that begins is the message of the watched throwable, a field of the outermost object.
    @inline(__always)
    private func isMessageNext() -> Bool {
        guard isWatching, let object = watchedObject, throwable.message == nil else { return false }
        // The level has already been charged for the value that begins.
        return Int64(object.fieldsSeen) - Int64(levels[0].remaining) - 1 == Int64(object.messageField)
    }
}
