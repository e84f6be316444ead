internal import Wire

extension HessianValueDecoder {
    /// The number of bytes left.
    var remaining: Int { bytes.byteCount - offset }

    /// Reads the value of a lead byte if it is one without items; `nil` leaves the offset where it was.
    mutating func scalar(_ lead: UInt8, _ start: Int) throws(HessianError) -> HessianValue? {
        switch lead {
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53: .string(try units(lead, start))
        case 0x20...0x2f, 0x34...0x37, 0x41, 0x42: .binary(try binary(lead, start))
        case 0x38...0x3f: .int64((Int64(lead) - 0x3c) << 16 + Int64(try uint16()))
        case 0x44: .double(Double(bitPattern: try uint64()))
        case 0x46: .bool(false)
        case 0x49, 0x80...0xbf, 0xc0...0xcf, 0xd0...0xd7: .int32(try int(lead, start))
        case 0x4a: .date(Int64(bitPattern: try uint64()))
        case 0x4b: .date(Int64(Int32(bitPattern: try uint32())) * 60_000)
        case 0x4c: .int64(Int64(bitPattern: try uint64()))
        case 0x4e: .null
        case 0x51: .ref(try reference())
        case 0x54: .bool(true)
        case 0x59: .int64(Int64(Int32(bitPattern: try uint32())))
        case 0x5b: .double(0)
        case 0x5c: .double(1)
        case 0x5d: .double(Double(Int8(bitPattern: try byte())))
        case 0x5e: .double(Double(Int16(bitPattern: try uint16())))
        // The specification's words call it a 32-bit float; every implementation counts thousandths.
        case 0x5f: .double(0.001 * Double(Int32(bitPattern: try uint32())))
        case 0xd8...0xef: .int64(Int64(lead) - 0xe0)
        case 0xf0...0xff: .int64((Int64(lead) - 0xf8) << 8 + Int64(try byte()))
        default: nil
        }
    }

    /// Reads a number where only an int is allowed: a length or an index.
    mutating func number() throws(HessianError) -> Int32 {
        let start = offset
        return try int(byte(), start)
    }

    /// Reads a string where only a string is allowed: the name of a class, a field or a type.
    mutating func name() throws(HessianError) -> String {
        let start = offset
        return String(decoding: try units(byte(), start), as: UTF16.self)
    }

    private mutating func int(_ lead: UInt8, _ start: Int) throws(HessianError) -> Int32 {
        switch lead {
        case 0x80...0xbf: Int32(lead) - 0x90
        case 0xc0...0xcf: (Int32(lead) - 0xc8) << 8 + Int32(try byte())
        case 0xd0...0xd7: (Int32(lead) - 0xd4) << 16 + Int32(try uint16())
        case 0x49: Int32(bitPattern: try uint32())
        default: throw .badTag(tag: lead, offset: wireOffset(start))
        }
    }

    private mutating func reference() throws(HessianError) -> Int {
        let start = offset
        let index = Int(try number())
        guard index >= 0, index < references else { throw .badIndex(offset: wireOffset(start)) }
        return index
    }

    // MARK: Strings and binaries, which may come in chunks

    private mutating func units(_ lead: UInt8, _ start: Int) throws(HessianError) -> [UInt16] {
        var units: [UInt16] = []
        var lead = lead
        var start = start
        while true {
            switch lead {
            case 0x00...0x1f: try readUnits(Int(lead), into: &units)
            case 0x30...0x33: try readUnits(Int(lead - 0x30) << 8 + Int(byte()), into: &units)
            case 0x52, 0x53: try readUnits(Int(uint16()), into: &units)
            default: throw .badTag(tag: lead, offset: wireOffset(start))
            }
            guard lead == 0x52 else { return units }
            start = offset
            lead = try byte()
        }
    }

    private mutating func readUnits(_ count: Int, into units: inout [UInt16]) throws(HessianError) {
        guard count <= remaining else { throw .truncated(offset: wireOffset(offset)) }
        // Only for the first chunk: asking again for every chunk would copy the string as often.
        if units.isEmpty { units.reserveCapacity(count) }
        if bytes.isASCII(from: offset, count: count) {
            for at in offset..<offset + count { units.append(UInt16(bytes.byte(at: at))) }
            offset += count
            return
        }
        for _ in 0..<count { units.append(try unit()) }
    }

    /// Reads one UTF-16 unit; like Dubbo's reader it looks at the first byte only and takes any bytes after it.
    private mutating func unit() throws(HessianError) -> UInt16 {
        let start = offset
        let lead = UInt16(try byte())
        switch lead {
        case 0..<0x80: return lead
        case 0xc0..<0xe0: return (lead & 0x1f) << 6 + UInt16(try byte() & 0x3f)
        case 0xe0..<0xf0:
            let tail = try uint16()
            return (lead & 0x0f) << 12 + (tail >> 8 & 0x3f) << 6 + tail & 0x3f
        default: throw .badText(offset: wireOffset(start))
        }
    }

    private mutating func binary(_ lead: UInt8, _ start: Int) throws(HessianError) -> [UInt8] {
        var content: [UInt8] = []
        var lead = lead
        var start = start
        while true {
            switch lead {
            case 0x20...0x2f: try readBytes(Int(lead - 0x20), into: &content)
            case 0x34...0x37: try readBytes(Int(lead - 0x34) << 8 + Int(byte()), into: &content)
            case 0x41, 0x42: try readBytes(Int(uint16()), into: &content)
            default: throw .badTag(tag: lead, offset: wireOffset(start))
            }
            guard lead == 0x41 else { return content }
            start = offset
            lead = try byte()
        }
    }

    private mutating func readBytes(_ count: Int, into content: inout [UInt8]) throws(HessianError) {
        guard count <= remaining else { throw .truncated(offset: wireOffset(offset)) }
        let chunk = bytes.extracting(offset..<offset + count).array
        offset += count
        if content.isEmpty { content = chunk } else { content += chunk }
    }

    // MARK: Fixed sizes

    mutating func byte() throws(HessianError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated(offset: wireOffset(offset)) }
        offset += 1
        return bytes.byte(at: offset - 1)
    }

    private mutating func uint16() throws(HessianError) -> UInt16 {
        guard remaining >= 2 else { throw .truncated(offset: wireOffset(offset)) }
        offset += 2
        return bytes.uint16(at: offset - 2)
    }

    private mutating func uint32() throws(HessianError) -> UInt32 {
        guard remaining >= 4 else { throw .truncated(offset: wireOffset(offset)) }
        offset += 4
        return bytes.uint32(at: offset - 4)
    }

    private mutating func uint64() throws(HessianError) -> UInt64 {
        guard remaining >= 8 else { throw .truncated(offset: wireOffset(offset)) }
        offset += 8
        return bytes.uint64(at: offset - 8)
    }
}
