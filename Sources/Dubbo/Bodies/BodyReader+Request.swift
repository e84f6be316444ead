internal import Hessian
internal import Wire

extension BodyReader {
    /// Texts of arguments may take this much of the room for kept texts.
    private static var maxUnwantedBytes: Int { 16_384 }

    /// True if interface and method are known, or never will be; arguments and attachments may still come.
    public var hasNames: Bool { form != .request || step.rawValue > Step.descriptor.rawValue }

    /// A request's body: five strings, the arguments, the attachments.
    ///
    /// The arguments are not counted by the descriptor, which real peers get wrong: after the strings come values, and
    /// the last of them is the attachments map.
    mutating func readRequest(_ bytes: RawSpan, _ at: inout Int, isLast: Bool) throws(HessianError) {
        while step.rawValue <= Step.descriptor.rawValue {
            guard try readName(bytes, &at) else {
                if isLast { throw .truncated(offset: scanner.errorOffset(at)) }
                return
            }
        }
        while true {
            if step == .value {
                guard at < bytes.byteCount else { return }
                beginRequestValue(bytes.byte(at: at), bytes: bytes, at: &at)
            }
            guard try continueValue(bytes, &at) else {
                if isLast { throw .truncated(offset: scanner.errorOffset(at)) }
                return
            }
            step = .value
        }
    }

    private mutating func readName(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        let range: ByteRange?
        switch try scanner.string(bytes, &at) {
        case .incomplete: return false
        case .null, .tooLong: range = nil
        case .text(let string): range = place(string, in: bytes)
        }
        let field = range ?? .empty
        switch step {
        case .dubboVersion:
            request.dubboVersion = field
            if range != nil { request.known.insert(.dubboVersion) }
            step = .interface
        case .interface:
            request.interface = field
            if range != nil { request.known.insert(.interface) }
            step = .version
        case .version:
            request.version = field
            if range != nil { request.known.insert(.version) }
            step = .method
        case .method:
            request.method = field
            if range != nil { request.known.insert(.method) }
            step = .descriptor
        default:
            request.parameterDescriptor = field
            if range != nil { request.known.insert(.parameterDescriptor) }
            step = .value
        }
        return true
    }

    /// A value begins after the strings: an argument, or the attachments if no other value follows.
    private mutating func beginRequestValue(_ lead: UInt8, bytes: RawSpan, at: inout Int) {
        if !request.attachments.isEmpty { request.attachments.removeAll(keepingCapacity: true) }
        request.known.remove(.attachments)
        timeoutMilliseconds = nil
        endsInMap = false
        dropArgumentTexts()
        defer { valueIndex &+= 1 }
        switch lead {
        case 0x48:
            at += 1
            step = .mapKey
        case 0x4d:
            at += 1
            step = .mapType
        case 0x4e:
            at += 1
            request.known.insert(.attachments)
            step = .done
        case 0x00...0x1f, 0x30...0x33, 0x52, 0x53:
            step = valueIndex == 0 && isGeneric(bytes) ? .genericMethod : .valueSkip
        default:
            step = .valueSkip
        }
    }

    /// Makes room among the kept texts by dropping those of maps that turned out to be arguments.
    ///
    /// Only when they take much room, so that the copying is paid for by the bytes that brought them.
    private mutating func dropArgumentTexts() {
        guard isKept, scanner.texts.count > Self.maxUnwantedBytes else { return }
        var end = 0
        for range in [
            request.dubboVersion, request.interface, request.version, request.method, request.parameterDescriptor,
            request.genericMethod,
        ] {
            end = max(end, range.indices.upperBound)
        }
        guard scanner.texts.count - end > Self.maxUnwantedBytes else { return }
        var wanted = PrefixBuffer(limitBytes: scanner.texts.limitBytes)
        _ = wanted.append(scanner.texts.bytes.extracting(0..<end))
        scanner.texts = wanted
    }

    /// True if the method is `$invoke` or `$invokeAsync`, whose first argument names the real one.
    private func isGeneric(_ bytes: RawSpan) -> Bool {
        guard request.known.contains(.method), request.method.count >= 7 else { return false }
        let method = isKept ? scanner.texts.bytes.slice(request.method) : bytes.slice(request.method)
        return method.byte(at: 0) == 0x24 && Self.isGeneric(method)
    }

    private mutating func continueValue(_ bytes: RawSpan, _ at: inout Int) throws(HessianError) -> Bool {
        switch step {
        case .valueSkip: return try scanner.skipValue(bytes, &at)
        case .genericMethod:
            switch try scanner.string(bytes, &at) {
            case .incomplete: return false
            case .null, .tooLong: return true
            case .text(let string):
                guard let range = place(string, in: bytes) else { return true }
                request.genericMethod = range
                request.known.insert(.genericMethod)
                return true
            }
        case .done: return true
        default:
            guard try readMap(bytes, &at) else { return false }
            request.known.insert(.attachments)
            endsInMap = true
            return true
        }
    }
}
