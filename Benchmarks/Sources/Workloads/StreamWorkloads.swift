import HTTP2
import Inspection
import JSONRPC
import Triple
import Wire

extension Workload {
    static let streams = [
        Workload("http2.hpack.12-headers") {
            var decoder = HPACKDecoder(names: HPACKNames(TripleHeaderName.table))
            var scratch = HPACKScratch()
            var sink = FieldCount()
            try decoder.decode(TripleCall.firstBlock.span.bytes, scratch: &scratch, into: &sink)
            precondition(sink.count == 12, "the block has twelve fields")
            let box = HPACKBox(decoder: decoder)
            let block = TripleCall.warmBlock
            return { repetitions in
                var sink = FieldCount()
                for _ in 0..<repetitions { box.decode(block.span.bytes, &sink) }
                precondition(sink.count == 12 * repetitions, "every field was told")
            }
        },
        Workload("triple.call.decode-and-account") {
            let worker = InspectedWorker()
            var call = TripleCall()
            worker.begin(call.opening, call.serverOpening)
            call.run(worker, 1600)
            worker.check(calls: 1600, operations: 1)
            let box = CallBox(call: call)
            return { box.call.run(worker, $0) }
        },
        Workload("jsonrpc.call.decode-and-account") {
            let body = #"{"jsonrpc":"2.0","method":"findOrder","params":[{"id":"O-2026-000017","full":true}],"id":17}"#
            let answer = #"{"jsonrpc":"2.0","id":17,"result":{"id":"O-2026-000017","state":"paid","total":129.5}}"#
            let request = Array(
                """
                POST /com.example.shop.OrderService HTTP/1.1\r
                Host: 127.0.0.1:20000\r
                Content-Type: application/json\r
                Accept: application/json\r
                Content-Length: \(body.utf8.count)\r
                \r
                \(body)
                """.utf8
            )
            let reply = Array(
                """
                HTTP/1.1 200 OK\r
                Content-Type: application/json\r
                Content-Length: \(answer.utf8.count)\r
                \r
                \(answer)
                """.utf8
            )
            let worker = InspectedWorker()
            worker.exchange(request, reply, 1600)
            worker.check(calls: 1600, operations: 1)
            return { worker.exchange(request, reply, $0) }
        },
        Workload("jsonrpc.scan.4096-byte-text") {
            let text = Array(
                (#"{"method":"m","params":[""# + String(repeating: "x", count: 4096) + #""],"id":1}"#).utf8
            )
            let box = ScannerBox()
            return { repetitions in
                for _ in 0..<repetitions { box.scan(text.span.bytes) }
            }
        },
    ]
}

private struct FieldCount: HeaderSink {
    var count = 0

    func wants(nameID: UInt8) -> Bool { true }

    mutating func field(_ field: borrowing HeaderField) { count += 1 }
}

private final class HPACKBox: @unchecked Sendable {
    private var decoder: HPACKDecoder
    private var scratch = HPACKScratch()

    init(decoder: consuming HPACKDecoder) { self.decoder = decoder }

    func decode(_ block: RawSpan, _ sink: inout FieldCount) {
        do { try decoder.decode(block, scratch: &scratch, into: &sink) } catch { preconditionFailure("\(error)") }
    }
}

private final class ScannerBox: @unchecked Sendable {
    private var scanner = JSONScanner()

    func scan(_ text: RawSpan) {
        scanner.begin(.single)
        var at = 0
        while at < text.byteCount {
            guard let progress = try? scanner.read(text, &at) else { preconditionFailure("no JSON") }
            if progress == .message { keep(scanner.facts.endOffset) }
        }
    }
}

private final class CallBox: @unchecked Sendable {
    var call: TripleCall

    init(call: TripleCall) { self.call = call }
}

/// A unary call over HTTP/2 as Dubbo makes it: twelve request headers, most of them in the table.
private struct TripleCall {
    private static let fields: [(name: String, value: String)] = [
        (":authority", "127.0.0.1:50051"), (":path", "/com.example.shop.OrderService/findOrder"),
        ("content-type", "application/grpc+proto"), ("te", "trailers"), ("grpc-timeout", "3000m"),
        ("tri-service-version", "1.0.0"), ("tri-service-group", "blue"), ("tri-consumer-appname", "shop-web"),
        ("grpc-accept-encoding", "identity,gzip"),
        ("traceparent", "00-0427adb132dffbddd9662ca4902631b6-4fff2551d27464e1-01"),
    ]
    /// `:method: POST`, `:scheme: http`.
    private static let fixed: [UInt8] = [0x83, 0x86]

    /// Puts every field into the table.
    static let firstBlock: [UInt8] = {
        var block = fixed
        for (name, value) in fields {
            block.append(0x40)
            block.append(UInt8(name.utf8.count))
            block += Array(name.utf8)
            block.append(UInt8(value.utf8.count))
            block += Array(value.utf8)
        }
        return block
    }()
    /// The same fields out of the table: the first that went in has the highest index.
    static let warmBlock: [UInt8] = fixed + fields.indices.map { 0x80 | UInt8(62 + fields.count - 1 - $0) }

    let opening: [UInt8]
    let serverOpening: [UInt8]
    private var request: [UInt8]
    private var reply: [UInt8]
    private let idPlaces: (request: [Int], reply: [Int])
    private var nextID: UInt32 = 1

    init() {
        var settings: [UInt8] = []
        HTTP2FrameWriter.settings([], into: &settings)
        var warming: [UInt8] = []
        HTTP2FrameWriter.headers(
            Self.firstBlock.span.bytes,
            streamID: 1,
            endsStream: true,
            maxFrameBytes: 16_384,
            into: &warming
        )
        HTTP2FrameWriter.resetStream(1, errorCode: 8, into: &warming)
        opening = Array(HTTP2Preface.text.description.utf8) + settings + warming
        serverOpening = settings
        let message: [UInt8] = [0, 0, 0, 0, 64] + [UInt8](repeating: 7, count: 64)
        var request: [UInt8] = []
        HTTP2FrameWriter.headers(
            Self.warmBlock.span.bytes,
            streamID: 1,
            endsStream: false,
            maxFrameBytes: 16_384,
            into: &request
        )
        let data = request.count
        HTTP2FrameWriter.data(message.span.bytes, streamID: 1, endsStream: true, maxFrameBytes: 16_384, into: &request)
        var reply: [UInt8] = []
        let encoder = HPACKEncoder()
        var head: [UInt8] = [0x88]
        encoder.field(name: "content-type", value: "application/grpc", into: &head)
        var trailers: [UInt8] = []
        encoder.field(name: "grpc-status", value: "0", into: &trailers)
        HTTP2FrameWriter.headers(head.span.bytes, streamID: 1, endsStream: false, maxFrameBytes: 16_384, into: &reply)
        let replyData = reply.count
        HTTP2FrameWriter.data(message.span.bytes, streamID: 1, endsStream: false, maxFrameBytes: 16_384, into: &reply)
        let end = reply.count
        HTTP2FrameWriter.headers(
            trailers.span.bytes,
            streamID: 1,
            endsStream: true,
            maxFrameBytes: 16_384,
            into: &reply
        )
        idPlaces = ([5, data + 5], [5, replyData + 5, end + 5])
        (self.request, self.reply) = (request, reply)
    }

    /// Makes calls one after the other, each on a stream of its own.
    mutating func run(_ worker: InspectedWorker, _ count: Int) {
        for _ in 0..<count {
            nextID = nextID &+ 2 & 0x7fff_ffff
            Self.put(nextID, idPlaces.request, &request)
            Self.put(nextID, idPlaces.reply, &reply)
            worker.exchange(request, reply, 1)
        }
    }

    private static func put(_ id: UInt32, _ places: [Int], _ frames: inout [UInt8]) {
        for place in places {
            for index in 0..<4 { frames[place + index] = UInt8(truncatingIfNeeded: id >> (24 - 8 * UInt32(index))) }
        }
    }
}
