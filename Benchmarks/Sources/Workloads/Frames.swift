import FoundationEssentials
import Hessian

/// Dubbo frames to be read again and again.
enum Frames {
    static let interface = "com.example.shop.OrderService"

    /// What is wrong with the recorded frames.
    enum RecordingError: Error {
        case noSuchCall(method: String)
    }

    static func frame(flags: UInt8, status: UInt8, id: UInt64, _ body: [UInt8]) -> [UInt8] {
        [0xda, 0xbb, flags, status] + bigEndian(id) + bigEndian(UInt32(body.count)) + body
    }

    static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        stride(from: value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// The request that the budget of a call is stated for: 355 bytes, six attachments, a trace context.
    static func request(id: UInt64, method: String = "placeOrder") -> [UInt8] {
        var body = HessianEncoder()
        for text in ["2.0.2", interface, "1.0.0", method, "Ljava/lang/String;", String(repeating: "x", count: 64)] {
            body.string(text)
        }
        let attachments = [
            ("path", interface), ("remote.application", "shop-web"), ("interface", interface), ("version", "1.0.0"),
            ("timeout", "3000"), ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ]
        body.beginMap()
        for (key, value) in attachments {
            body.string(key)
            body.string(value)
        }
        body.end()
        return frame(flags: 0xc2, status: 0, id: id, body.bytes)
    }

    /// Its reply: 107 bytes, a text and one attachment.
    static func reply(id: UInt64) -> [UInt8] {
        var body = HessianEncoder()
        body.int(4)
        body.string(String(repeating: "y", count: 64))
        body.beginMap()
        body.string("dubbo")
        body.string("2.0.2")
        body.end()
        return frame(flags: 0x02, status: 20, id: id, body.bytes)
    }

    /// A request that a Java peer sent, with an object that holds others, and the reply it got.
    static let recordedObjectCall = Result { try recordedCall(of: "createOrder") }

    /// The longest of the recorded calls of `method`.
    private static func recordedCall(of method: String) throws -> (request: [UInt8], reply: [UInt8]) {
        let (requests, replies) = (try recorded("requests"), try recorded("replies"))
        let name = [UInt8(method.utf8.count)] + Array(method.utf8)
        let found = requests.filter { request in
            request.indices.contains { request[$0] == name[0] && request[$0...].starts(with: name) }
        }
        guard let request = found.max(by: { $0.count < $1.count }),
            let reply = replies.first(where: { $0[4..<12] == request[4..<12] })
        else { throw RecordingError.noSuchCall(method: method) }
        return (request, reply)
    }

    private static func recorded(_ name: String) throws -> [[UInt8]] {
        var folder = URL(filePath: #filePath)
        for _ in 0..<4 { folder.deleteLastPathComponent() }
        let bytes = [UInt8](try Data(contentsOf: folder.appending(path: "Tests/Goldens/dubbo-frames/\(name).bin")))
        var frames: [[UInt8]] = []
        var at = 0
        while at + 16 <= bytes.count {
            let end = at + 16 + bytes[at + 12..<at + 16].reduce(0) { $0 << 8 | Int($1) }
            frames.append(Array(bytes[at..<min(end, bytes.count)]))
            at = end
        }
        return frames
    }
}
