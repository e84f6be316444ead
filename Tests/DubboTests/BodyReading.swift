import Dubbo
import Hessian
import TestSupport
import Wire

/// What a body reader made of one frame's body, as plain values.
struct BodyFacts: Equatable {
    var dubboVersion: String?
    var interface: String?
    var version: String?
    var method: String?
    var descriptor: String?
    var genericMethod: String?
    /// `nil` when no map was read.
    var attachments: [String]?
    var timeout: Int32?

    var kind: ResponseMetadata.Kind?
    var exceptionClass = ""
    var message: String?
    var event: EventPayload?
    var error: HessianError?
}

/// Which way a body is read.
enum BodyForm {
    case request
    case reply(status: UInt8, BodyReader.Detail)
    case event
}

/// Gives `body`, cut at `cuts`, to a reader as an inspector does: not after it is satisfied or has failed.
func read(
    _ form: BodyForm,
    _ body: [UInt8],
    cuts: [Int] = [],
    serialization: UInt8 = 2,
    keptBytes: Int = 65_536
) -> BodyFacts {
    var reader = BodyReader(keptBytes: keptBytes)
    return read(form, body, cuts: cuts, serialization: serialization, with: &reader)
}

/// As above with a reader that may have read other bodies before.
func read(
    _ form: BodyForm,
    _ body: [UInt8],
    cuts: [Int] = [],
    serialization: UInt8 = 2,
    with reader: inout BodyReader
) -> BodyFacts {
    let header = FrameHeader(flags: 0x80 | serialization, status: 20, requestID: 1, bodyBytes: UInt32(body.count))
    switch form {
    case .request: reader.beginRequest(header)
    case .reply(let status, let detail):
        reader.beginReply(
            FrameHeader(flags: serialization, status: status, requestID: 1, bodyBytes: UInt32(body.count)),
            detail: detail
        )
    case .event: reader.beginEvent(header)
    }
    var facts = BodyFacts()
    var start = 0
    var isReading = true
    var last: [UInt8] = []
    for end in cuts + [body.count] {
        last = Array(body[start..<end])
        start = end
        guard isReading else { continue }
        do throws(HessianError) {
            if try reader.read(last.span.bytes, isLast: end == body.count) == .satisfied { isReading = false }
        } catch {
            facts.error = error
            isReading = false
        }
    }
    if reader.isKept {
        reader.withKeptTexts { facts.take(form, reader, $0) }
    } else {
        facts.take(form, reader, last.span.bytes)
    }
    return facts
}

extension BodyFacts {
    fileprivate mutating func take(_ form: BodyForm, _ reader: borrowing BodyReader, _ texts: RawSpan) {
        switch form {
        case .request: take(reader.request, reader.timeoutMilliseconds, texts)
        case .reply: take(reader.response, texts)
        case .event: event = reader.event
        }
    }

    private mutating func take(_ request: RequestMetadata, _ timeout: Int32?, _ texts: RawSpan) {
        dubboVersion = Self.text(request, .dubboVersion, request.dubboVersion, texts)
        interface = Self.text(request, .interface, request.interface, texts)
        version = Self.text(request, .version, request.version, texts)
        method = Self.text(request, .method, request.method, texts)
        descriptor = Self.text(request, .parameterDescriptor, request.parameterDescriptor, texts)
        genericMethod = Self.text(request, .genericMethod, request.genericMethod, texts)
        if request.known.contains(.attachments) { attachments = Self.pairs(request.attachments, texts) }
        self.timeout = timeout
    }

    private mutating func take(_ response: ResponseMetadata, _ texts: RawSpan) {
        kind = response.kind
        exceptionClass = texts.slice(response.exceptionClass).text
        message = response.message.map { texts.slice($0).text }
        if response.hasAttachments { attachments = Self.pairs(response.attachments, texts) }
    }

    private static func text(
        _ request: RequestMetadata,
        _ field: RequestMetadata.Fields,
        _ range: ByteRange,
        _ texts: RawSpan
    ) -> String? {
        request.known.contains(field) ? HessianText.string(texts.slice(range), maxBytes: 1 << 20) : nil
    }

    private static func pairs(_ attachments: [Attachment], _ texts: RawSpan) -> [String] {
        attachments.map {
            let value = HessianText.string(texts.slice($0.value), maxBytes: 1 << 20)
            return HessianText.string(texts.slice($0.key), maxBytes: 1 << 20) + "=" + value
        }
    }
}

/// What `write` encodes.
func hessian(_ write: (inout HessianEncoder) -> Void) -> [UInt8] {
    var encoder = HessianEncoder()
    write(&encoder)
    return encoder.bytes
}

/// A request's body: the five strings (`nil` for null), what `arguments` writes, and attachments of text.
func requestBody(
    _ names: [String?] = ["2.0.2", "com.x.Svc", "1.0.0", "hello", "Ljava/lang/String;"],
    attachments: [(String, String)]? = [("path", "com.x.Svc"), ("group", "g")],
    arguments: (inout HessianEncoder) -> Void = { $0.string("world") }
) -> [UInt8] {
    hessian { encoder in
        for name in names { if let name { encoder.string(name) } else { encoder.null() } }
        arguments(&encoder)
        guard let attachments else { return }
        encoder.beginMap()
        for (key, value) in attachments {
            encoder.string(key)
            encoder.string(value)
        }
        encoder.end()
    }
}
