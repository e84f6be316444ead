internal import Hessian
internal import Wire

extension BodyReader {
    /// Continues a map whose lead byte was read, keeping the pairs of text and text.
    ///
    /// - Returns: True if the map is complete.
    mutating func readMap(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        while true {
            switch step {
            case .mapType:
                guard try scanner.skipType(bytes, &at) else { return false }
                step = .mapKey
            case .mapKey:
                guard at < bytes.byteCount || scanner.isInsideValue else { return false }
                if !scanner.isInsideValue {
                    let lead = bytes.byte(at: at)
                    if lead == 0x5a {
                        at += 1
                        return true
                    }
                    guard Self.isString(lead) else {
                        step = .mapKeySkip
                        continue
                    }
                }
                guard try readMapKey(bytes, &at) else { return false }
            case .mapKeySkip:
                guard try scanner.skipValue(bytes, &at) else { return false }
                step = .mapUnkeyedValue
            case .mapUnkeyedValue, .mapValueSkip:
                guard try skipMapValue(bytes, &at) else { return false }
                mapKey = .empty
                step = .mapKey
            default:
                guard try readMapValue(bytes, &at) else { return false }
            }
        }
    }

    private mutating func readMapKey(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        switch try scanner.string(bytes, &at) {
        case .incomplete: return false
        case .null, .tooLong: step = .mapUnkeyedValue
        case .text(let string):
            mapKey = place(string, in: bytes) ?? .empty
            step = .mapValue
        }
        return true
    }

    /// Skips a value that is not kept; the map cannot end in its place.
    private mutating func skipMapValue(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        if !scanner.isInsideValue {
            guard at < bytes.byteCount else { return false }
            guard bytes.byte(at: at) != 0x5a else { throw .oddMap(offset: scanner.errorOffset(at)) }
        }
        return try scanner.skipValue(bytes, &at)
    }

    /// A value of a text key: text, a list of one text (as dubbo-go's tracing writes), a deadline as a number, or
    /// something to step over.
    private mutating func readMapValue(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        switch step {
        case .mapValue:
            if !scanner.isInsideValue {
                guard at < bytes.byteCount else { return false }
                if beginMapValue(bytes, &at) { return true }
            }
            return try readMapText(bytes, &at)
        case .mapListType:
            guard try scanner.skipType(bytes, &at) else { return false }
            step = .mapListItem
            return true
        case .mapNumber:
            guard try scanner.number(bytes, &at) else { return false }
            timeoutMilliseconds = min(timeoutMilliseconds ?? .max, scanner.numberRead)
            mapKey = .empty
            step = .mapKey
            return true
        default:
            if !scanner.isInsideValue {
                guard at < bytes.byteCount else { return false }
                guard Self.isString(bytes.byte(at: at)) else {
                    step = .mapValueSkip
                    return true
                }
            }
            return try readMapText(bytes, &at)
        }
    }

    /// Chooses the next step by the value's first byte.
    ///
    /// - Returns: False if the value is a text, which is read in the present step.
    @inline(__always)
    private mutating func beginMapValue(_ bytes: RawSpan, _ at: inout Int) -> Bool {
        switch bytes.byte(at: at) {
        case 0x71:
            at += 1
            step = .mapListType
        case 0x79:
            at += 1
            step = .mapListItem
        case let lead where Self.isString(lead): return false
        case let lead where Self.isInt(lead) && isTimeout(bytes): step = .mapNumber
        default: step = .mapValueSkip
        }
        return true
    }

    private mutating func readMapText(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        switch try scanner.string(bytes, &at) {
        case .incomplete: return false
        case .null, .tooLong: break
        case .text(let string):
            let value = place(string, in: bytes)
            if let value, !mapKey.isEmpty { keepAttachment(Attachment(key: mapKey, value: value)) }
        }
        mapKey = .empty
        step = .mapKey
        return true
    }

    private mutating func keepAttachment(_ attachment: Attachment) {
        if form == .request {
            if request.attachments.count < RequestMetadata.maxAttachments { request.attachments.append(attachment) }
        } else if response.attachments.count < RequestMetadata.maxAttachments {
            response.attachments.append(attachment)
        }
    }

    /// True if the key read last is one of the caller's timeout.
    private func isTimeout(_ bytes: RawSpan) -> Bool {
        guard form == .request, mapKey.count == 7 || mapKey.count == 3 else { return false }
        let key = isKept ? scanner.texts.bytes.slice(mapKey) : bytes.slice(mapKey)
        return key.equals("timeout") || key.equals("_TO") || key.equals("_to")
    }

    private static func isInt(_ lead: UInt8) -> Bool {
        switch lead {
        case 0x49, 0x80...0xd7: true
        default: false
        }
    }

    static func isString(_ lead: UInt8) -> Bool {
        switch lead {
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53: true
        default: false
        }
    }
}
