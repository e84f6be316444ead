internal import Dubbo
internal import Hessian
internal import Wire

/// One Dubbo frame as it was read: its header and all of its body.
struct DemoFrame: Equatable, Sendable {
    let header: FrameHeader
    let body: [UInt8]
}

/// Cuts a stream of bytes into frames.
struct FrameBuffer: Sendable {
    /// The longest body taken; nothing in the demo comes near it.
    static let maxBodyBytes: UInt32 = 1 << 20

    private var bytes: [UInt8] = []
    private var offset = 0

    mutating func append(_ piece: ArraySlice<UInt8>) {
        bytes.removeSubrange(..<offset)
        offset = 0
        bytes += piece
    }

    /// Takes the next frame; `nil` until it is complete.
    mutating func next() throws(FrameError) -> DemoFrame? {
        guard bytes.count - offset >= FrameHeader.byteCount else { return nil }
        let header = try FrameHeader(bytes.byteSpan, at: offset)
        guard header.bodyBytes <= Self.maxBodyBytes else { throw .badLength(declared: header.bodyBytes) }
        let end = offset + FrameHeader.byteCount + Int(header.bodyBytes)
        guard bytes.count >= end else { return nil }
        defer { offset = end }
        return DemoFrame(header: header, body: Array(bytes[offset + FrameHeader.byteCount..<end]))
    }
}

/// Frames to be sent, as bytes.
enum FrameBytes {
    static let request: UInt8 = 0x80
    static let twoWay: UInt8 = 0x40
    static let event: UInt8 = 0x20

    /// A heartbeat that asks for an answer: an event whose payload is null.
    static func heartbeat(id: UInt64) -> [UInt8] {
        frame(flags: request | twoWay | event, status: 0, id: id) { $0.null() }
    }

    /// The answer to a heartbeat.
    static func heartbeatReply(id: UInt64) -> [UInt8] {
        frame(flags: event, status: 20, id: id) { $0.null() }
    }

    /// A reply; with attachments for peers that know them, as Java sends them to every peer from 2.0.2 on.
    static func reply(_ content: DemoAnswer.Content, id: UInt64, withAttachments: Bool) -> [UInt8]? {
        let kind: ResponseMetadata.Kind
        let value: HessianValue?
        switch content {
        case .silence: return nil
        case .failure(let status, let text): return frame(flags: 0, status: status, id: id) { $0.string(text) }
        case .exception(let exception):
            kind = withAttachments ? .exceptionWithAttachments : .exception
            value = exception.value
        case .value(.null):
            kind = withAttachments ? .nullWithAttachments : .null
            value = nil
        case .value(let result):
            kind = withAttachments ? .valueWithAttachments : .value
            value = result
        }
        return frame(flags: 0, status: 20, id: id) { body in
            body.int(Int32(kind.rawValue))
            if let value { body.value(value) }
            if withAttachments { body.attachments([("dubbo", DubboVersion.protocol)]) }
        }
    }

    /// A frame in Hessian 2 with the body that `write` writes.
    static func frame(flags: UInt8, status: UInt8, id: UInt64, _ write: (inout HessianEncoder) -> Void) -> [UInt8] {
        var header: [UInt8] = [0xda, 0xbb, flags | Serialization.hessian2, status]
        header.appendBigEndian(id)
        header += [0, 0, 0, 0]
        var encoder = HessianEncoder(appendingTo: header)
        write(&encoder)
        var bytes = encoder.bytes
        let bodyBytes = UInt32(clamping: bytes.count - FrameHeader.byteCount)
        bytes.replaceSubrange(12..<FrameHeader.byteCount, with: bodyBytes.bigEndianBytes)
        return bytes
    }
}

/// Version numbers of the protocol.
enum DubboVersion {
    /// The version that peers send today in a request's first slot and in a reply's attachment `dubbo`.
    static let `protocol` = "2.0.2"
}

extension HessianEncoder {
    /// Writes a map of texts.
    mutating func attachments(_ pairs: [(String, String)]) {
        beginMap()
        for (key, value) in pairs {
            string(key)
            string(value)
        }
        end()
    }
}
