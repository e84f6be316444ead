internal import Calls
internal import HTTP2
internal import Triple
internal import Wire

/// Frames of HTTP/2 to be sent, as bytes.
enum TripleBytes {
    /// The room for DATA that the demo's own peers give each other on a connection, in bytes.
    static let windowBytes: UInt32 = 1 << 20

    /// A client's first bytes: the preface, its settings and a wider window.
    static func clientHello() -> [UInt8] {
        Array(HTTP2Preface.text.description.utf8) + hello(HTTP2Setting(id: HTTP2SettingID.enablePush, value: 0))
    }

    /// A server's first bytes.
    static func serverHello() -> [UInt8] {
        let most = UInt32(ProviderConnection.maxCalls)
        return hello(HTTP2Setting(id: HTTP2SettingID.maxConcurrentStreams, value: most))
    }

    private static func hello(_ setting: HTTP2Setting) -> [UInt8] {
        var bytes: [UInt8] = []
        HTTP2FrameWriter.settings([setting], into: &bytes)
        HTTP2FrameWriter.windowUpdate(windowBytes - HTTP2Default.windowBytes, streamID: 0, into: &bytes)
        return bytes
    }

    /// The request of a call, as Dubbo Java 3.3 sends it.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - streamID: Its stream.
    ///   - application: The caller's name.
    ///   - traceParent: A W3C trace context, or `nil` for none.
    /// - Returns: HEADERS and DATA.
    static func request(_ call: TripleCall, streamID: UInt32, application: String, traceParent: String?) -> [UInt8] {
        var fields = [
            (":method", "POST"), (":scheme", "http"), (":authority", "127.0.0.1"),
            (":path", "/\(call.interface)/\(call.method)"), ("content-type", "application/grpc+proto"),
            ("te", "trailers"), ("grpc-timeout", "\(call.timeoutMilliseconds)m"),
            ("tri-service-version", TripleServices.version), ("tri-consumer-appname", application),
        ]
        if let traceParent { fields.append(("traceparent", traceParent)) }
        var bytes: [UInt8] = []
        headers(fields, streamID: streamID, endsStream: false, into: &bytes)
        data(call.message, streamID: streamID, endsStream: true, into: &bytes)
        return bytes
    }

    /// The beginning of a reply that has messages.
    static func replyHead(streamID: UInt32, hasException: Bool) -> [UInt8] {
        var fields = [(":status", "200"), ("content-type", "application/grpc+proto")]
        if hasException { fields.append(("tri-exception-code", "1")) }
        var bytes: [UInt8] = []
        headers(fields, streamID: streamID, endsStream: false, into: &bytes)
        return bytes
    }

    /// A message of a reply.
    static func message(_ message: [UInt8], streamID: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        data(message, streamID: streamID, endsStream: false, into: &bytes)
        return bytes
    }

    /// The trailers after a reply's last message.
    static func trailers(streamID: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        headers([("grpc-status", "0"), ("grpc-message", "")], streamID: streamID, endsStream: true, into: &bytes)
        return bytes
    }

    /// A reply without messages.
    static func failure(_ status: Int, _ text: String, streamID: UInt32) -> [UInt8] {
        let message = String(decoding: GRPCMessageText.encode(text), as: UTF8.self)
        let fields = [
            (":status", "200"), ("content-type", "application/grpc+proto"), ("grpc-status", String(status)),
            ("grpc-message", message),
        ]
        var bytes: [UInt8] = []
        headers(fields, streamID: streamID, endsStream: true, into: &bytes)
        return bytes
    }

    /// The number of DATA bytes that a message takes from the flow-control windows.
    static func dataBytes(_ message: [UInt8]) -> UInt32 { UInt32(GRPCMessageReader.prefixBytes + message.count) }

    private static func headers(
        _ fields: [(String, String)],
        streamID: UInt32,
        endsStream: Bool,
        into bytes: inout [UInt8]
    ) {
        let encoder = HPACKEncoder()
        var block: [UInt8] = []
        for (name, value) in fields {
            let (name, value) = (Array(name.utf8), Array(value.utf8))
            encoder.field(name: name.byteSpan, value: value.byteSpan, into: &block)
        }
        HTTP2FrameWriter.headers(
            block.byteSpan,
            streamID: streamID,
            endsStream: endsStream,
            maxFrameBytes: HTTP2Default.maxFrameBytes,
            into: &bytes
        )
    }

    private static func data(_ message: [UInt8], streamID: UInt32, endsStream: Bool, into bytes: inout [UInt8]) {
        let body = [0] + UInt32(message.count).bigEndianBytes + message
        HTTP2FrameWriter.data(
            body.byteSpan,
            streamID: streamID,
            endsStream: endsStream,
            maxFrameBytes: HTTP2Default.maxFrameBytes,
            into: &bytes
        )
    }
}

/// Messages in protobuf's form: a number in field 1, a text in field 2.
enum DemoProtobuf {
    static func message(_ number: UInt64, _ text: String = "") -> [UInt8] {
        var bytes: [UInt8] = [0x08] + varint(number)
        if !text.isEmpty { bytes += field(2, Array(text.utf8)) }
        return bytes
    }

    /// A field of bytes.
    static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes
    }

    /// The number that a message begins with; `nil` when it begins with something else.
    static func number(of message: [UInt8]) -> UInt64? {
        guard message.first == 0x08 else { return nil }
        var value: UInt64 = 0
        for (place, byte) in message.dropFirst().prefix(10).enumerated() {
            value |= UInt64(byte & 0x7f) << UInt64(7 * place)
            if byte < 0x80 { return value }
        }
        return nil
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var (rest, bytes): (UInt64, [UInt8]) = (value, [])
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
