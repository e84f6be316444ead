import HTTP2
import Inspection
import TestSupport
import Wire

/// Writes header blocks as real peers do: with a dynamic table of its own and without Huffman code.
struct IndexingEncoder {
    private var entries: [(name: String, value: String)] = []
    private var maxBytes = 4096
    private var updates: [Int] = []
    private static let fixed = [
        ":authority": 1, ":method POST": 3, ":path": 4, ":scheme http": 6, ":status 200": 8, ":status": 8,
        "content-type": 31, "authorization": 23,
    ]

    /// What the peer allows; a smaller table is announced by the next block, a larger one is used, too.
    mutating func resize(to bytes: UInt32) {
        updates.append(Int(bytes))
        maxBytes = Int(bytes)
        evict(to: maxBytes)
    }

    mutating func block(_ fields: [(String, String)]) -> [UInt8] {
        var block: [UInt8] = []
        if let lowest = updates.min(), let last = updates.last {
            if lowest != last { block += Self.integer(lowest, 0x1f, 0x20) }
            block += Self.integer(last, 0x1f, 0x20)
            updates = []
        }
        for (name, value) in fields { block += field(name, value) }
        return block
    }

    private mutating func field(_ name: String, _ value: String) -> [UInt8] {
        if let index = Self.fixed["\(name) \(value)"] { return Self.integer(index, 0x7f, 0x80) }
        if let index = entries.firstIndex(where: { $0 == (name, value) }) {
            return Self.integer(62 + index, 0x7f, 0x80)
        }
        let known = Self.fixed[name] ?? entries.firstIndex { $0.name == name }.map { $0 + 62 } ?? 0
        let text = (known > 0 ? [] : Self.string(name)) + Self.string(value)
        if name == "authorization" { return Self.integer(known, 0x0f, 0x10) + text }
        if value.count > 1000 { return Self.integer(known, 0x0f, 0) + text }
        let code = Self.integer(known, 0x3f, 0x40) + text
        let bytes = name.utf8.count + value.utf8.count + 32
        evict(to: maxBytes - bytes)
        if bytes <= maxBytes { entries.insert((name, value), at: 0) }
        return code
    }

    private mutating func evict(to bytes: Int) {
        var total = entries.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
        while total > max(0, bytes), let last = entries.popLast() {
            total -= last.name.utf8.count + last.value.utf8.count + 32
        }
    }

    private static func string(_ text: String) -> [UInt8] { integer(text.utf8.count, 0x7f, 0) + Array(text.utf8) }

    private static func integer(_ value: Int, _ mask: UInt8, _ lead: UInt8) -> [UInt8] {
        guard value >= Int(mask) else { return [lead | UInt8(value)] }
        var bytes = [lead | mask]
        var rest = value - Int(mask)
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}

/// Frames.
enum H2 {
    static let preface = Array(HTTP2Preface.text.description.utf8)

    static func frame(_ type: UInt8, _ flags: UInt8, _ id: UInt32, _ payload: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        let header = HTTP2FrameHeader(payloadBytes: UInt32(payload.count), type: type, flags: flags, streamID: id)
        HTTP2FrameWriter.header(header, into: &out)
        return out + payload
    }

    static func headers(_ id: UInt32, _ block: [UInt8], end: Bool, piece: UInt32 = 16_384) -> [UInt8] {
        var out: [UInt8] = []
        HTTP2FrameWriter.headers(block.span.bytes, streamID: id, endsStream: end, maxFrameBytes: piece, into: &out)
        return out
    }

    static func data(_ id: UInt32, _ bytes: [UInt8], end: Bool, piece: UInt32 = 16_384) -> [UInt8] {
        var out: [UInt8] = []
        HTTP2FrameWriter.data(bytes.span.bytes, streamID: id, endsStream: end, maxFrameBytes: piece, into: &out)
        return out
    }

    static func padded(_ id: UInt32, _ bytes: [UInt8], _ padding: Int, end: Bool) -> [UInt8] {
        frame(0, end ? 9 : 8, id, [UInt8(padding)] + bytes + [UInt8](repeating: 0, count: padding))
    }

    static func settings(_ pairs: [(UInt16, UInt32)] = []) -> [UInt8] {
        var out: [UInt8] = []
        HTTP2FrameWriter.settings(pairs.map { HTTP2Setting(id: $0.0, value: $0.1) }, into: &out)
        return out
    }

    static let ack = frame(4, 1, 0, [])

    static func reset(_ id: UInt32, _ code: UInt32) -> [UInt8] {
        var out: [UInt8] = []
        HTTP2FrameWriter.resetStream(id, errorCode: code, into: &out)
        return out
    }

    static func goAway(_ last: UInt32, _ code: UInt32 = 0) -> [UInt8] {
        var out: [UInt8] = []
        HTTP2FrameWriter.goAway(lastStreamID: last, errorCode: code, into: &out)
        return out
    }

    static func update(_ id: UInt32, _ increment: UInt32) -> [UInt8] {
        var out: [UInt8] = []
        HTTP2FrameWriter.windowUpdate(increment, streamID: id, into: &out)
        return out
    }

    /// A gRPC message.
    static func message(_ payload: [UInt8], isCompressed: Bool = false) -> [UInt8] {
        [isCompressed ? 1 : 0, 0] + [16, 8, 0].map { UInt8(truncatingIfNeeded: payload.count >> $0) } + payload
    }

    /// A field of a protobuf message, shorter than 128 bytes.
    static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }

    static func field(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    /// The wrapped arguments of a generic call.
    static func generic(_ method: String) -> [UInt8] {
        field(1, "hessian4") + field(2, [UInt8(method.utf8.count)] + Array(method.utf8))
            + field(2, hex("70")) + field(2, hex("70")) + field(3, "java.lang.String")
            + field(3, "[Ljava.lang.String;") + field(3, "[Ljava.lang.Object;")
    }

    /// A wrapped exception.
    static func exception(_ name: String) -> [UInt8] {
        field(1, "java") + field(2, "hessian2") + field(3, name) + field(4, [1, 2, 3])
    }
}

/// What one end of a connection says, in order.
struct HTTP2Speaker {
    var encoder = IndexingEncoder()

    mutating func request(
        _ id: UInt32,
        _ path: String = "/com.x.Shop/buy",
        _ more: [(String, String)] = [],
        type: String? = "application/grpc+proto",
        end: Bool = false,
        piece: UInt32 = 16_384
    ) -> [UInt8] {
        let type = type.map { [("content-type", $0), ("te", "trailers")] } ?? []
        let fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x:1")] + type + more
        return H2.headers(id, encoder.block(fields), end: end, piece: piece)
    }

    /// A whole unary request.
    mutating func call(
        _ id: UInt32,
        _ path: String = "/com.x.Shop/buy",
        _ more: [(String, String)] = [],
        _ payload: [UInt8] = [1, 2, 3]
    ) -> [UInt8] {
        request(id, path, more) + H2.data(id, H2.message(payload), end: true)
    }

    mutating func head(_ id: UInt32, _ more: [(String, String)] = [], end: Bool = false) -> [UInt8] {
        let fields = [(":status", "200"), ("content-type", "application/grpc+proto")] + more
        return H2.headers(id, encoder.block(fields), end: end)
    }

    mutating func trailers(_ id: UInt32, _ status: String = "0", _ more: [(String, String)] = []) -> [UInt8] {
        H2.headers(id, encoder.block([("grpc-status", status)] + more), end: true)
    }

    /// A whole unary reply.
    mutating func reply(_ id: UInt32, _ status: String = "0", _ payload: [UInt8] = [4, 5]) -> [UInt8] {
        head(id) + H2.data(id, H2.message(payload), end: false) + trailers(id, status)
    }
}

/// A bench with a connection that has said hello both ways.
final class HTTP2Bench {
    let bench: Bench
    let session: Session
    var client = HTTP2Speaker()
    var server = HTTP2Speaker()

    init(
        _ watching: Watching = .messages,
        isGreeted: Bool = true,
        isMidstream: Bool = false,
        limits: Inspector.Limits = Inspector.Limits()
    ) {
        bench = Bench(watching, limits: limits)
        session = bench.open(isMidstream: isMidstream, isClientUnknown: isMidstream)
        guard isGreeted else { return }
        up(H2.preface + H2.settings([(2, 0)]))
        down(H2.settings([(3, 100)]) + H2.ack)
        up(H2.ack)
    }

    func up(_ bytes: [UInt8], now: UInt64 = 1000) { bench.up(session, bytes, now: now) }
    func down(_ bytes: [UInt8], now: UInt64 = 2000) { bench.down(session, bytes, now: now) }
    func close() { bench.inspector.close(session, now: 3000) }
    var counts: [String] { bench.counts() }
}
