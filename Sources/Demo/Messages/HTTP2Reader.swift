internal import HTTP2
internal import Triple
internal import Wire

/// The facts in the header fields of a request or a reply.
struct TripleFields: Sendable {
    var interface = ""
    var method = ""
    var version = ""
    /// True if the fields are those of a gRPC request.
    var isRequest = false
    var reply = TripleResponseHead()
}

/// An event of a peer on one HTTP/2 connection.
enum HTTP2Event: Sendable {
    /// The fields of a request, a reply or its trailers.
    case headers(UInt32, TripleFields, endsStream: Bool)
    /// A piece of a stream's messages.
    case data(UInt32, [UInt8], endsStream: Bool)
    /// The peer gave a stream up.
    case reset(UInt32)
    /// A ping was answered.
    case pong
    /// The connection takes that many bytes of DATA more.
    case credit(UInt32)
}

/// A reader of one direction of an HTTP/2 connection that also gives the necessary answers.
struct HTTP2Reader: ~Copyable {
    /// The amount of DATA taken before the sender gets new room: a quarter of the window that every connection has.
    private static let creditBytes: UInt32 = HTTP2Default.windowBytes / 4
    /// The longest header block.
    private static let maxBlockBytes = 16_384
    /// The least room for a stream's DATA that a peer may announce: no request or reply of the demo is longer.
    static let leastWindowBytes: UInt32 = 8192

    /// Frames that the peer must get.
    private var due: [UInt8] = []
    /// The number of answers to pings among them.
    private var pongs: UInt64 = 0
    private var frames: HTTP2FrameBuffer
    private var decoder = HPACKDecoder(names: HPACKNames(TripleHeaderName.table))
    private var scratch = HPACKScratch()
    /// A block that CONTINUATION frames go on with.
    private var block: [UInt8] = []
    private var blockFrame: HTTP2FrameHeader?
    private var uncreditedBytes: UInt32 = 0

    init(isServer: Bool) { frames = HTTP2FrameBuffer(awaitsPreface: isServer) }

    mutating func append(_ piece: ArraySlice<UInt8>) { frames.append(piece) }

    /// Takes the frames that are due to the peer.
    mutating func takeDue() -> [UInt8] {
        defer { due = [] }
        return due
    }

    /// Takes the number of answered pings.
    mutating func takePongs() -> UInt64 {
        defer { pongs = 0 }
        return pongs
    }

    /// The peer's next event; `nil` until there is one.
    mutating func next() throws(PeerFault) -> HTTP2Event? {
        while let frame = try frames.next() {
            if let event = try take(frame) { return event }
        }
        return nil
    }

    private mutating func take(_ frame: DemoHTTP2Frame) throws(PeerFault) -> HTTP2Event? {
        let header = frame.header
        if let begun = blockFrame, header.type != HTTP2FrameType.continuation || header.streamID != begun.streamID {
            throw .badFrame
        }
        switch header.type {
        case HTTP2FrameType.headers, HTTP2FrameType.continuation: return try fragment(frame)
        case HTTP2FrameType.data:
            let content = try content(of: frame)
            credit(header.payloadBytes)
            return .data(header.streamID, content, endsStream: header.has(HTTP2Flag.endStream))
        case HTTP2FrameType.resetStream: return .reset(header.streamID)
        case HTTP2FrameType.settings: try takeSettings(frame)
        case HTTP2FrameType.ping: return try takePing(frame)
        case HTTP2FrameType.windowUpdate:
            let increment = try number(frame)
            // A stream's own window is never used up.
            return header.streamID == 0 ? .credit(increment) : nil
        // GOAWAY: the peer goes on to answer what it has, and then ends the connection.
        default: break
        }
        return nil
    }

    // MARK: Frames

    private func content(of frame: DemoHTTP2Frame) throws(PeerFault) -> [UInt8] {
        do throws(HTTP2FrameError) {
            return Array(frame.payload[try frame.header.content(firstByte: frame.payload.first ?? 0).indices])
        } catch {
            throw .badFrame
        }
    }

    private func number(_ frame: DemoHTTP2Frame) throws(PeerFault) -> UInt32 {
        do throws(HTTP2FrameError) {
            return try frame.header.number(in: frame.payload.byteSpan)
        } catch {
            throw .badFrame
        }
    }

    /// Gives the sender room for the DATA taken; streams are short and need none of their own.
    private mutating func credit(_ bytes: UInt32) {
        uncreditedBytes += bytes
        guard uncreditedBytes >= Self.creditBytes else { return }
        HTTP2FrameWriter.windowUpdate(uncreditedBytes, streamID: 0, into: &due)
        uncreditedBytes = 0
    }

    private mutating func takeSettings(_ frame: DemoHTTP2Frame) throws(PeerFault) {
        guard let count = try? frame.header.settingCount() else { throw .badFrame }
        if frame.header.has(HTTP2Flag.ack) { return }
        for index in 0..<count {
            let setting = HTTP2Setting(frame.payload.byteSpan, at: index * HTTP2Setting.byteCount)
            if setting.id == HTTP2SettingID.initialWindowSize, setting.value < Self.leastWindowBytes {
                throw .badWindow
            }
        }
        HTTP2FrameWriter.settingsAck(into: &due)
    }

    private mutating func takePing(_ frame: DemoHTTP2Frame) throws(PeerFault) -> HTTP2Event? {
        guard frame.payload.count == 8 else { throw .badFrame }
        if frame.header.has(HTTP2Flag.ack) { return .pong }
        HTTP2FrameWriter.ping(frame.payload.reduce(0) { $0 << 8 | UInt64($1) }, isAck: true, into: &due)
        pongs += 1
        return nil
    }

    // MARK: Header blocks

    private mutating func fragment(_ frame: DemoHTTP2Frame) throws(PeerFault) -> HTTP2Event? {
        let isFirst = frame.header.type == HTTP2FrameType.headers
        guard isFirst == (blockFrame == nil) else { throw .badFrame }
        block += try content(of: frame)
        guard block.count <= Self.maxBlockBytes else { throw .tooLong }
        let first = blockFrame ?? frame.header
        guard frame.header.has(HTTP2Flag.endHeaders) else {
            blockFrame = first
            return nil
        }
        let whole = block
        (blockFrame, block) = (nil, [])
        var collector = FieldCollector()
        do throws(HPACKError) {
            try decoder.decode(whole.byteSpan, scratch: &scratch, into: &collector)
        } catch {
            throw .badHeaders
        }
        return .headers(first.streamID, collector.fields, endsStream: first.has(HTTP2Flag.endStream))
    }
}

/// A collector of the wanted fields of a block.
private struct FieldCollector: HeaderSink, ~Copyable {
    private var request = TripleRequestHead()
    private var reply = TripleResponseHead()
    private var texts = PrefixBuffer(limitBytes: 4096)

    func wants(nameID: UInt8) -> Bool { TripleRequestHead.wants(nameID) || TripleResponseHead.wants(nameID) }

    mutating func field(_ field: borrowing HeaderField) {
        request.take(field.nameID, field.value, into: &texts)
        reply.take(field.nameID, field.value, into: &texts)
    }

    var fields: TripleFields {
        var fields = TripleFields()
        fields.reply = reply
        let path = texts.bytes.slice(request.path)
        guard request.form == .grpc, let names = TriplePath(path) else { return fields }
        fields.isRequest = true
        fields.interface = path.slice(names.interface).text
        fields.method = path.slice(names.method).text
        fields.version = texts.bytes.slice(request.version).text
        return fields
    }
}
