import Hessian
import TestSupport

/// The bytes of Dubbo frames, as real peers write them.
enum Frames {
    /// The 16 bytes in front of a body.
    static func header(_ flags: UInt8, status: UInt8 = 0, id: UInt64, bodyBytes: Int) -> [UInt8] {
        let word = UInt32(truncatingIfNeeded: bodyBytes)
        return [0xda, 0xbb, flags, status] + bigEndian(id)
            + (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * UInt64($0))) }
    }

    static func frame(_ flags: UInt8, status: UInt8 = 0, id: UInt64, _ body: [UInt8]) -> [UInt8] {
        header(flags, status: status, id: id, bodyBytes: body.count) + body
    }

    /// What `write` encodes.
    static func hessian(_ write: (inout HessianEncoder) -> Void) -> [UInt8] {
        var encoder = HessianEncoder()
        write(&encoder)
        return encoder.bytes
    }

    /// A map of texts.
    static func map(_ pairs: [(String, String)]) -> [UInt8] {
        hessian { encoder in
            encoder.beginMap()
            for (key, value) in pairs {
                encoder.string(key)
                encoder.string(value)
            }
            encoder.end()
        }
    }

    /// A request in Hessian 2.
    static func request(
        id: UInt64 = 1,
        isTwoWay: Bool = true,
        interface: String = "com.x.Svc",
        version: String? = "1.0.0",
        method: String = "hello",
        arguments: (inout HessianEncoder) -> Void = { $0.string("world") },
        attachments: [(String, String)] = [("path", "com.x.Svc")]
    ) -> [UInt8] {
        let names = hessian { encoder in
            encoder.string("2.0.2")
            encoder.string(interface)
            if let version { encoder.string(version) } else { encoder.null() }
            encoder.string(method)
            encoder.string("Ljava/lang/String;")
            arguments(&encoder)
        }
        return frame(isTwoWay ? 0xc2 : 0x82, id: id, names + map(attachments))
    }

    /// A reply of status 20 with a value.
    static func reply(id: UInt64 = 1, _ text: String = "hi", tail: [UInt8] = []) -> [UInt8] {
        frame(0x02, status: 20, id: id, [0x91] + hessian { $0.string(text) } + tail)
    }

    /// A reply of any status with its text.
    static func failure(id: UInt64 = 1, status: UInt8, _ text: String = "busy", tail: [UInt8] = []) -> [UInt8] {
        frame(0x02, status: status, id: id, hessian { $0.string(text) } + tail)
    }

    /// A reply of status 20 with an exception.
    static func exception(
        id: UInt64 = 1,
        _ name: String = "com.x.Oops",
        message: String? = "no",
        attachments: [(String, String)]? = nil
    ) -> [UInt8] {
        let thrown = hessian { encoder in
            encoder.beginObject(HessianClass(name: name, fieldNames: ["cause", "detailMessage", "stackTrace"]))
            encoder.null()
            if let message { encoder.string(message) } else { encoder.null() }
            encoder.beginList(type: "[java.lang.StackTraceElement", count: 0)
        }
        let body = [attachments == nil ? 0x90 : 0x93] + thrown + (attachments.map { map($0) } ?? [])
        return frame(0x02, status: 20, id: id, body)
    }

    static func heartbeat(id: UInt64 = 9) -> [UInt8] { frame(0xe2, id: id, [0x4e]) }
    static func heartbeatReply(id: UInt64 = 9, tail: [UInt8] = []) -> [UInt8] {
        frame(0x22, status: 20, id: id, [0x4e] + tail)
    }
    static func readonly(id: UInt64 = 11) -> [UInt8] { frame(0xa2, id: id, hex("0152")) }
    static func writeable(id: UInt64 = 12) -> [UInt8] { frame(0xa2, id: id, hex("0157")) }

    /// The request that the budgets of time and memory are stated for: 355 bytes, six attachments, a trace context.
    static let typicalRequest: [UInt8] = {
        let attachments = [
            ("path", "com.example.shop.OrderService"), ("remote.application", "shop-consumer"),
            ("interface", "com.example.shop.OrderService"), ("version", "1.0.0"), ("timeout", "5000"),
            ("traceparent", "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-01"),
        ]
        func make(_ argument: String) -> [UInt8] {
            request(
                id: 7,
                interface: "com.example.shop.OrderService",
                method: "echoString",
                arguments: { $0.string(argument) },
                attachments: attachments
            )
        }
        // A text of more than 31 characters has one more length byte.
        return make(String(repeating: "x", count: 354 - make("").count))
    }()
}
