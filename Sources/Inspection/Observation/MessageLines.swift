public import Calls
public import Dubbo
internal import Hessian
internal import Wire

/// Writes every message as a JSON object a line: the machine-readable form that scripts rely on.
public final class MessageLines: MessageObserver {
    /// The longest text of one field.
    static let maxTextBytes = 1 << 20

    /// The lines so far, until their owner takes them.
    public internal(set) var json = JSONText()
    private let redacted: Redaction
    private let flush: (borrowing MessageLines) -> Void

    /// Lines that `flush` is asked to take whenever one is complete.
    ///
    /// - Parameters:
    ///   - redacted: The attachments whose values are not shown.
    ///   - flush: Looks at ``json`` and may take it; see ``removeAll()``.
    public init(redacted: Redaction, flush: @escaping (borrowing MessageLines) -> Void) {
        self.redacted = redacted
        self.flush = flush
    }

    /// Forgets the lines; their owner has taken them.
    public func removeAll() { json.removeAll() }

    /// Writes the request's line.
    public func request(
        _ frame: borrowing ObservedFrame,
        _ request: borrowing RequestMetadata,
        on connection: ObservedConnection
    ) {
        begin(frame, on: connection)
        json.key("two_way")
        json.bool(frame.header.isTwoWay)
        field(
            "dubbo_version",
            range: request.dubboVersion,
            isKnown: request.known.contains(.dubboVersion),
            in: frame.texts
        )
        field("interface", range: request.interface, isKnown: request.known.contains(.interface), in: frame.texts)
        field("version", range: request.version, isKnown: request.known.contains(.version), in: frame.texts)
        var group = ByteRange.empty
        for attachment in request.attachments where frame.texts.slice(attachment.key).equals("group") {
            group = attachment.value
        }
        field("group", range: group, isKnown: true, in: frame.texts)
        field("method", range: request.method, isKnown: request.known.contains(.method), in: frame.texts)
        if request.known.contains(.genericMethod) {
            field("generic_method", range: request.genericMethod, isKnown: true, in: frame.texts)
        }
        let hasDescriptor = request.known.contains(.parameterDescriptor)
        field("param_desc", range: request.parameterDescriptor, isKnown: hasDescriptor, in: frame.texts)
        if request.known.contains(.attachments) { attachments(request.attachments, frame.texts) }
        end()
    }

    /// Writes the reply's line.
    public func reply(
        _ frame: borrowing ObservedFrame,
        _ response: borrowing ResponseMetadata,
        on connection: ObservedConnection
    ) {
        begin(frame, on: connection)
        json.key("status")
        json.number(frame.header.status)
        let isException = response.kind?.isException == true
        field("exception_class", range: response.exceptionClass, isKnown: isException, in: frame.texts)
        field("exception_message", range: response.message ?? .empty, isKnown: response.message != nil, in: frame.texts)
        if response.hasAttachments { attachments(response.attachments, frame.texts) }
        end()
    }

    /// Writes the event's line.
    public func event(_ frame: borrowing ObservedFrame, _ event: EventPayload, on connection: ObservedConnection) {
        begin(frame, on: connection)
        if frame.header.isRequest {
            json.key("two_way")
            json.bool(frame.header.isTwoWay)
        } else {
            json.key("status")
            json.number(frame.header.status)
        }
        json.key("event_data")
        switch event {
        case .heartbeat: json.string(literal: "heartbeat")
        case .readonly: json.string(literal: "readonly")
        case .writeable: json.string(literal: "writeable")
        case .other: json.null()
        }
        end()
    }

    private func begin(_ frame: borrowing ObservedFrame, on connection: ObservedConnection) {
        begin("dubbo2", isRequest: frame.header.isRequest, going: frame.direction, start: frame.start, on: connection)
        json.key("request_id")
        json.number(Int64(bitPattern: frame.header.requestID))
        json.key("event")
        json.bool(frame.header.isEvent)
        json.key("serialization_id")
        json.number(frame.header.serialization)
        json.key("body_len")
        json.number(frame.header.bodyBytes)
    }

    /// Begins a line with what all of them have.
    func begin(
        _ spoken: StaticString,
        isRequest: Bool,
        going direction: Direction,
        start: UInt64,
        on connection: ObservedConnection
    ) {
        json.beginObject()
        json.key("protocol")
        json.string(literal: spoken)
        json.key("kind")
        json.string(literal: isRequest ? "request" : "response")
        json.key("dir")
        json.string(literal: direction.label)
        json.key("client")
        json.string(connection.client)
        json.key("server")
        json.string(connection.server)
        json.key("ts")
        json.string(TimeText.seconds(start))
    }

    func end() {
        json.endObject()
        json.endLine()
        flush(self)
    }

    private func field(_ name: StaticString, range: ByteRange, isKnown: Bool, in texts: RawSpan) {
        json.key(name)
        if isKnown {
            json.string(HessianText.string(texts.slice(range), maxBytes: Self.maxTextBytes))
        } else {
            json.null()
        }
    }

    private func attachments(_ attachments: [Attachment], _ texts: RawSpan) {
        json.key("attachments")
        json.beginObject()
        for attachment in attachments {
            self.attachment(HessianText.string(texts.slice(attachment.key), maxBytes: Self.maxTextBytes)) {
                HessianText.string(texts.slice(attachment.value), maxBytes: Self.maxTextBytes)
            }
        }
        json.endObject()
    }

    /// Writes an attachment's key and, unless it is hidden, its value.
    func attachment(_ key: String, value: () -> String) {
        json.key(text: key)
        if redacted.hides(key) { json.string(literal: "***") } else { json.string(value()) }
    }
}

/// The attachments whose values are never shown.
public struct Redaction: Sendable {
    private let names: Set<String>

    /// Hides the values of those names.
    ///
    /// - Parameter names: Compared without regard to case.
    public init(names: [String] = ["token", "authorization", "password"]) {
        self.names = Set(names.map { $0.lowercased() })
    }

    /// True if the value of that attachment is hidden.
    ///
    /// - Parameter name: The attachment's key.
    /// - Returns: True if `***` is shown instead.
    public func hides(_ name: String) -> Bool { names.contains(name.lowercased()) }
}

/// Times as the lines spell them.
enum TimeText {
    /// Nanoseconds as seconds with nine digits, exact.
    static func seconds(_ nanoseconds: UInt64) -> String {
        let fraction = String(nanoseconds % 1_000_000_000)
        return "\(nanoseconds / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }
}
