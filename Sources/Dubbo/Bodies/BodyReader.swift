public import Hessian
internal import Wire

/// A reader for the wanted parts of frame bodies, one body after another, from bytes in any pieces.
///
/// The ranges in ``request`` and ``response`` all point into one place: into the kept texts if ``isKept``, else into
/// the bytes of the last call. A frame that is complete in one read is therefore never copied; of a split frame only
/// names and attachments are.
///
/// The order of calls is `begin…`, then ``read(_:isLast:)`` for each piece of the body until it says
/// ``Progress/satisfied`` or the last piece was given.
public struct BodyReader: ~Copyable {
    /// The progress of reading.
    public enum Progress: BitwiseCopyable, Equatable, Sendable {
        /// The rest of the body is wanted.
        case wantsMore
        /// Everything wanted is known; the rest need not be given.
        case satisfied
    }

    /// The part of a reply's body that is read beyond its kind and its exception.
    public enum Detail: UInt8, BitwiseCopyable, Sendable {
        /// Nothing: enough for counting calls.
        case outcome
        /// The attachments too.
        case attachments
    }

    enum Form: UInt8 {
        case request
        case reply
        case errorText
        case event
        case gatheredRequest
        case gatheredReply
    }

    enum Step: UInt8 {
        case dubboVersion, interface, version, method, descriptor
        case value, valueSkip, genericMethod
        case mapType, mapKey, mapKeySkip, mapUnkeyedValue, mapValue, mapListType, mapListItem, mapValueSkip, mapNumber
        case kind, throwable, replyValue, replyMap
        case errorText
        case done
    }

    /// The facts of a request.
    public internal(set) var request = RequestMetadata()
    /// The facts of a reply.
    public internal(set) var response = ResponseMetadata()
    /// The meaning of an event.
    public internal(set) var event = EventPayload.other
    /// True if the last value of a Hessian request is a map, as its attachments are, and no null or reference.
    public internal(set) var endsInMap = false
    /// True if the ranges point into the kept texts.
    public internal(set) var isKept = false
    /// The least of a request's attachments `timeout` and `_TO` that are ints and no text, as Dubbo 2.7 and 3 write
    /// them; `nil` without one.
    public internal(set) var timeoutMilliseconds: Int32?

    var scanner: HessianScanner
    var excerpt = BodyExcerpt()
    var form = Form.request
    var step = Step.done
    var detail = Detail.outcome
    var serialization: UInt8 = 0
    var status: UInt8 = 0
    var valueIndex: UInt32 = 0
    var mapKey: ByteRange = .empty

    /// A reader with the given bounds.
    ///
    /// - Parameters:
    ///   - limits: The bounds of Hessian values.
    ///   - keptBytes: The most text kept of one frame.
    public init(limits: HessianLimits = HessianLimits(), keptBytes: Int = 65_536) {
        scanner = HessianScanner(limits: limits, keptBytes: keptBytes)
    }

    /// Passes the texts kept across reads to `body`.
    ///
    /// - Parameter body: Must not read on meanwhile.
    public func withKeptTexts(_ body: (RawSpan) -> Void) { body(scanner.texts.bytes) }

    // MARK: Beginnings

    /// Begins the body of a request that is not an event.
    ///
    /// - Parameter header: The frame's header.
    public mutating func beginRequest(_ header: FrameHeader) {
        reset(header)
        request.removeAll()
        valueIndex = 0
        timeoutMilliseconds = nil
        if serialization == Serialization.hessian2 {
            form = .request
            step = .dubboVersion
        } else {
            form = .gatheredRequest
            excerpt.begin(serialization: serialization, stringCount: 5)
        }
    }

    /// Begins the body of a reply that is not an event.
    ///
    /// - Parameters:
    ///   - header: The frame's header.
    ///   - detail: The facts wanted beyond the outcome.
    public mutating func beginReply(_ header: FrameHeader, detail: Detail) {
        reset(header)
        response.removeAll()
        self.detail = detail
        if serialization != Serialization.hessian2 {
            form = .gatheredReply
            excerpt.begin(serialization: serialization, stringCount: 1)
        } else if status == 20 {
            form = .reply
            step = .kind
        } else {
            form = .errorText
            step = .errorText
        }
    }

    /// Begins the body of an event.
    ///
    /// - Parameter header: The frame's header.
    public mutating func beginEvent(_ header: FrameHeader) {
        reset(header)
        form = .event
        event = .other
        excerpt.begin(serialization: 0, stringCount: 0)
    }

    private mutating func reset(_ header: FrameHeader) {
        serialization = header.serialization
        status = header.status
        isKept = false
        endsInMap = false
        mapKey = .empty
        scanner.reset()
        excerpt.reset()
        step = .done
    }

    // MARK: Reading

    /// Reads the next piece of the body.
    ///
    /// - Parameters:
    ///   - bytes: The piece; never beyond the body's end.
    ///   - isLast: True if the body ends with it.
    /// - Returns: ``Progress/wantsMore`` until everything wanted is known; meaningless if `isLast`.
    /// - Throws: ``HessianError`` when the body is not what it should be. What was read before still holds.
    public mutating func read(_ bytes: RawSpan, isLast: Bool) throws(HessianError) -> Progress {
        switch form {
        case .request, .reply, .errorText: return try readHessian(bytes, isLast: isLast)
        case .event, .gatheredRequest, .gatheredReply: return gather(bytes, isLast: isLast)
        }
    }

    private mutating func readHessian(_ bytes: RawSpan, isLast: Bool) throws(HessianError) -> Progress {
        var at = 0
        var progress = Progress.wantsMore
        var failure: HessianError?
        do throws(HessianError) {
            switch form {
            case .request: try readRequest(bytes, &at, isLast: isLast)
            default: progress = try readReply(bytes, &at, isLast: isLast)
            }
        } catch {
            failure = error
        }
        if step == .throwable { takeThrowable(bytes) }
        // Also when nothing more is wanted: the frame's end may lie after these bytes.
        if !isLast { keepRanges(of: bytes) }
        if let failure { throw failure }
        scanner.advanceBase(by: bytes.byteCount)
        return progress
    }

    private mutating func gather(_ bytes: RawSpan, isLast: Bool) -> Progress {
        if isLast, excerpt.isEmpty {
            finishGathered(bytes, isWhole: true)
            return .satisfied
        }
        excerpt.append(bytes)
        guard isLast || excerpt.isFull else { return .wantsMore }
        let gathered = excerpt.take()
        finishGathered(gathered.byteSpan, isWhole: isLast && !excerpt.hasLost)
        return .satisfied
    }

    /// Reads the first part of a body without waiting for the rest; Hessian is read as it arrives.
    ///
    /// The findings hold until the body continues and is read again.
    public mutating func readFront() {
        guard form == .gatheredRequest || form == .gatheredReply else { return }
        let front = excerpt.front
        if !front.isEmpty { finishGathered(front.byteSpan, isWhole: false) }
    }

    private mutating func finishGathered(_ body: RawSpan, isWhole: Bool) {
        // What a look at the front has found is found again.
        if isKept { scanner.reset() }
        isKept = true
        switch form {
        case .gatheredRequest:
            _ = SerializedBody.readRequest(
                body,
                isWhole: isWhole,
                serialization: serialization,
                into: &request,
                texts: &scanner.texts
            )
        case .gatheredReply:
            _ = SerializedBody.readResponse(
                body,
                isWhole: isWhole,
                status: status,
                serialization: serialization,
                into: &response,
                texts: &scanner.texts
            )
        default:
            // The front of a long payload may look like a short one.
            event = isWhole ? SerializedBody.readEvent(body, serialization: serialization) : .other
        }
    }

    // MARK: Keeping ranges

    /// The place of a string just read, brought to where all other ranges of the frame are.
    mutating func place(_ string: HessianStringRange, in bytes: RawSpan) -> ByteRange? {
        if string.isKept {
            if !isKept { keepRanges(of: bytes) }
            return string.range
        }
        return isKept ? keep(string.range, of: bytes) : string.range
    }

    private mutating func keep(_ range: ByteRange, of bytes: RawSpan) -> ByteRange? {
        let offset = scanner.texts.count
        guard scanner.texts.append(bytes.slice(range)) else { return nil }
        return ByteRange(offset: offset, count: Int(range.count))
    }

    /// Moves every range from `bytes`, which are about to go away, to the kept texts.
    mutating func keepRanges(of bytes: RawSpan) {
        guard !isKept else { return }
        isKept = true
        if form == .request {
            request.interface = moved(request.interface, bit: .interface, bytes: bytes)
            request.method = moved(request.method, bit: .method, bytes: bytes)
            request.version = moved(request.version, bit: .version, bytes: bytes)
            request.dubboVersion = moved(request.dubboVersion, bit: .dubboVersion, bytes: bytes)
            request.genericMethod = moved(request.genericMethod, bit: .genericMethod, bytes: bytes)
            request.parameterDescriptor = moved(request.parameterDescriptor, bit: .parameterDescriptor, bytes: bytes)
            var attachments: [Attachment] = []
            swap(&attachments, &request.attachments)
            move(&attachments, bytes)
            swap(&attachments, &request.attachments)
        } else {
            if let message = response.message { response.message = keep(message, of: bytes) }
            var attachments: [Attachment] = []
            swap(&attachments, &response.attachments)
            move(&attachments, bytes)
            swap(&attachments, &response.attachments)
        }
        if !mapKey.isEmpty { mapKey = keep(mapKey, of: bytes) ?? .empty }
    }

    /// A field of the request at its place in the kept texts; unknown when it does not fit.
    private mutating func moved(
        _ field: ByteRange,
        bit: RequestMetadata.Fields,
        bytes: RawSpan
    ) -> ByteRange {
        guard request.known.contains(bit) else { return field }
        if let kept = keep(field, of: bytes) { return kept }
        request.known.remove(bit)
        return .empty
    }

    private mutating func move(_ attachments: inout [Attachment], _ bytes: RawSpan) {
        for index in attachments.indices {
            let old = attachments[index]
            guard let key = keep(old.key, of: bytes), let value = keep(old.value, of: bytes) else {
                attachments.removeSubrange(index...)
                return
            }
            attachments[index] = Attachment(key: key, value: value)
        }
    }
}
