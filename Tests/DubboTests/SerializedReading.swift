import Dubbo
import Foundation
import TestSupport
import Wire

/// What was read of a request, as plain values.
struct SerializedRequest: Equatable {
    var understood = false
    var dubboVersion: String?
    var interface: String?
    var version: String?
    var method: String?
    var parameterDescriptor: String?
    var genericMethod: String?
    var attachments: [String: String]?

    init(_ body: [UInt8], isWhole: Bool = true, serialization: UInt8, limitBytes: Int = 65_536) {
        var metadata = RequestMetadata()
        var texts = PrefixBuffer(limitBytes: limitBytes)
        _ = texts.append([UInt8]("front".utf8).span.bytes)
        understood = SerializedBody.readRequest(
            body.span.bytes,
            isWhole: isWhole,
            serialization: serialization,
            into: &metadata,
            texts: &texts
        )
        func text(_ field: RequestMetadata.Fields, _ range: ByteRange) -> String? {
            metadata.known.contains(field) ? texts.bytes.slice(range).text : nil
        }
        dubboVersion = text(.dubboVersion, metadata.dubboVersion)
        interface = text(.interface, metadata.interface)
        version = text(.version, metadata.version)
        method = text(.method, metadata.method)
        parameterDescriptor = text(.parameterDescriptor, metadata.parameterDescriptor)
        genericMethod = text(.genericMethod, metadata.genericMethod)
        if metadata.known.contains(.attachments) { attachments = Self.dictionary(metadata.attachments, texts.bytes) }
    }

    static func dictionary(_ attachments: [Attachment], _ texts: RawSpan) -> [String: String] {
        var all: [String: String] = [:]
        for attachment in attachments { all[texts.slice(attachment.key).text] = texts.slice(attachment.value).text }
        return all
    }
}

/// What was read of a reply, as plain values.
struct SerializedReply: Equatable {
    var understood = false
    var kind: ResponseMetadata.Kind?
    var exceptionClass = ""
    var message: String?
    var attachments: [String: String]?

    init(_ body: [UInt8], isWhole: Bool = true, status: UInt8 = 20, serialization: UInt8, limitBytes: Int = 65_536) {
        var metadata = ResponseMetadata()
        var texts = PrefixBuffer(limitBytes: limitBytes)
        _ = texts.append([UInt8]("front".utf8).span.bytes)
        understood = SerializedBody.readResponse(
            body.span.bytes,
            isWhole: isWhole,
            status: status,
            serialization: serialization,
            into: &metadata,
            texts: &texts
        )
        kind = metadata.kind
        exceptionClass = texts.bytes.slice(metadata.exceptionClass).text
        message = metadata.message.map { texts.bytes.slice($0).text }
        if metadata.hasAttachments {
            attachments = SerializedRequest.dictionary(metadata.attachments, texts.bytes)
        }
    }
}

/// The reference bodies under `Tests/Goldens`.
enum SerializationGoldens {
    struct Frame {
        var isRequest: Bool
        var status: UInt8
        var requestID: Int64
        var body: [UInt8]
    }

    struct Vector {
        var name: String
        var serialization: UInt8
        var body: [UInt8]
    }

    static func file(_ path: String) throws -> Data {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try Data(contentsOf: tests.appending(path: "Goldens").appending(path: path))
    }

    static func rows(_ path: String) throws -> [[String]] {
        String(decoding: try file(path), as: UTF8.self).split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map { unescape(String($0)) }
        }
    }

    static func unescape(_ text: String) -> String {
        var plain = ""
        var isEscaped = false
        for character in text {
            if isEscaped {
                plain.append(character == "n" ? "\n" : character == "r" ? "\r" : character == "t" ? "\t" : character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                plain.append(character)
            }
        }
        return plain
    }

    static func frames(_ path: String) throws -> [Frame] {
        let bytes = [UInt8](try file(path))
        var frames: [Frame] = []
        var at = 0
        while at + 16 <= bytes.count {
            let span = bytes.span.bytes
            let length = Int(span.uint32(at: at + 12))
            frames.append(
                Frame(
                    isRequest: span.byte(at: at + 2) & 0x80 != 0,
                    status: span.byte(at: at + 3),
                    requestID: Int64(bitPattern: span.uint64(at: at + 4)),
                    body: Array(bytes[at + 16..<at + 16 + length])
                )
            )
            at += 16 + length
        }
        return frames
    }

    static func vectors() throws -> [Vector] {
        try rows("serializations/vectors.tsv").map {
            Vector(name: $0[0], serialization: UInt8($0[1]) ?? 0, body: hex($0[2]))
        }
    }
}
