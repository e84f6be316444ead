internal import Hessian
internal import Wire

extension BodyReader {
    /// A reply's body: the kind, then what it announces.
    ///
    /// Bytes after it are ignored (dubbo-go appends one).
    mutating func readReply(_ bytes: RawSpan, _ at: inout Int, isLast: Bool) throws(HessianError) -> Progress {
        while step != .done {
            guard try continueReply(bytes, &at) else {
                if isLast { throw .truncated(offset: scanner.errorOffset(at)) }
                return .wantsMore
            }
        }
        return .satisfied
    }

    private mutating func continueReply(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        switch step {
        case .errorText:
            switch try scanner.string(bytes, &at) {
            case .incomplete: return false
            case .null, .tooLong: break
            case .text(let string): response.message = place(string, in: bytes)
            }
            step = .done
        case .kind:
            guard try scanner.number(bytes, &at) else { return false }
            guard let kind = UInt8(exactly: scanner.numberRead).flatMap(ResponseMetadata.Kind.init) else {
                throw .badTag(tag: UInt8(truncatingIfNeeded: scanner.numberRead), offset: 0)
            }
            response.kind = kind
            beginContent(kind)
        case .throwable:
            guard try scanner.skipValue(bytes, &at) else { return false }
            takeThrowable(bytes)
            step = detail == .attachments && response.kind?.hasAttachments == true ? .replyMap : .done
        case .replyValue:
            guard try scanner.skipValue(bytes, &at) else { return false }
            step = .replyMap
        case .replyMap:
            guard at < bytes.byteCount else { return false }
            let lead = bytes.byte(at: at)
            at += 1
            switch lead {
            case 0x48: step = .mapKey
            case 0x4d: step = .mapType
            default: step = .done
            }
        default:
            guard try readMap(bytes, &at) else { return false }
            response.hasAttachments = true
            step = .done
        }
        return true
    }

    /// Takes the known facts of the throwable, complete or not; its class comes first.
    mutating func takeThrowable(_ bytes: RawSpan) {
        keepRanges(of: bytes)
        response.exceptionClass = scanner.throwable.className
        response.message = scanner.throwable.message
    }

    private mutating func beginContent(_ kind: ResponseMetadata.Kind) {
        switch kind {
        case .exception, .exceptionWithAttachments:
            scanner.beginThrowable()
            step = .throwable
        case .valueWithAttachments:
            step = detail == .attachments ? .replyValue : .done
        case .nullWithAttachments:
            step = detail == .attachments ? .replyMap : .done
        case .value, .null:
            step = .done
        }
    }
}
