import Calls
import TestSupport
import Testing
import Triple
import Wire

/// Headers as a decoder hands them over, and what was made of them.
struct Fields: Sendable {
    private let fields: [(name: [UInt8], value: [UInt8])]
    private(set) var request = TripleRequestHead()
    private(set) var response = TripleResponseHead()
    private(set) var texts: [UInt8] = []

    init(_ pairs: [(String, String)], limitBytes: Int = 4096) {
        fields = pairs.map { (Array($0.0.utf8), Array($0.1.utf8)) }
        var kept = PrefixBuffer(limitBytes: limitBytes)
        for (name, value) in fields {
            let id = TripleHeaderName.table.id(of: name.span.bytes)
            let (oldRequest, oldResponse) = (request, response)
            request.take(id, value.span.bytes, into: &kept)
            if !TripleRequestHead.wants(id) { #expect(request == oldRequest) }
            response.take(id, value.span.bytes, into: &kept)
            if !TripleResponseHead.wants(id) { #expect(response == oldResponse) }
        }
        texts = kept.bytes.array
    }

    func text(_ range: ByteRange) -> String { texts.span.bytes.slice(range).text }
}

@Suite struct HeadTests {
    static let java = Fields([
        (":scheme", "http"), (":authority", "127.0.0.1:50051"), (":method", "POST"),
        (":path", "/com.example.shop.OrderService/echoString"), ("content-type", "application/grpc+proto"),
        ("te", "trailers"), ("grpc-timeout", "5000m"), ("tri-service-version", "1.0.0"), ("tri-service-group", "vip"),
        ("tri-consumer-appname", "shop-consumer"), ("grpc-accept-encoding", "bzip2,gzip,snappy"),
        ("uber-trace-id", "fecca5ce7266bcfe:6325286d51387218:0:1"), ("timeout", "5000"),
        ("traceparent", "00-186058845d855b4a039a0cd331166be1-ee8e4909fe3c65e6-01"), ("tenant-id", "t-1"),
    ])

    @Test("the head of a call of Dubbo Java")
    func javaRequest() {
        let head = Self.java.request
        #expect(Self.java.text(head.path) == "/com.example.shop.OrderService/echoString")
        #expect(Self.java.text(head.httpMethod) == "POST")
        #expect(Self.java.text(head.version) == "1.0.0" && Self.java.text(head.group) == "vip")
        #expect(Self.java.text(head.caller) == "shop-consumer")
        #expect(Self.java.text(head.contentTypeText) == "application/grpc+proto")
        #expect(head.form == .grpc && head.timeoutNanoseconds == 5_000_000_000 && head.marks == .isTriple)
    }

    @Test("the form follows from the content type, or from a header that only Triple sends")
    func forms() {
        func form(_ fields: [(String, String)]) -> TripleForm? { Fields(fields).request.form }
        #expect(form([("content-type", "application/grpc")]) == .grpc)
        #expect(form([("content-type", "application/json")]) == nil)
        #expect(form([("content-type", "application/json"), ("triple-protocol-version", "0.1.0")]) == .http)
        #expect(form([("content-type", "application/json"), ("tri-service-timeout", "3000")]) == .http)
        #expect(form([("tri-service-group", "")]) == .http)
        #expect(form([("rest-service-version", "1.0.0"), ("connect-protocol-version", "1")]) == nil)
        #expect(form([]) == nil)
    }

    @Test("the shortest deadline counts, a bad one is marked")
    func deadlines() {
        func head(_ fields: [(String, String)]) -> TripleRequestHead { Fields(fields).request }
        #expect(head([("grpc-timeout", "3S"), ("timeout", "5000")]).timeoutNanoseconds == 3_000_000_000)
        #expect(head([("grpc-timeout", "9S"), ("_to", "20")]).timeoutNanoseconds == 20_000_000)
        #expect(head([("triple-timeout-ms", "100")]).timeoutNanoseconds == 100_000_000)
        #expect(head([("connect-timeout-ms", "100")]).timeoutNanoseconds == 100_000_000)
        #expect(head([("tri-service-timeout", "100")]).timeoutNanoseconds == 100_000_000)
        #expect(head([]).timeoutNanoseconds == 0)
        let bad = head([("grpc-timeout", "soon"), ("timeout", "5000")])
        #expect(bad.marks == .hasBadTimeout && bad.timeoutNanoseconds == 5_000_000_000)
    }

    @Test("compression and versions of the REST form")
    func others() {
        #expect(Fields([("grpc-encoding", "identity")]).request.marks == [])
        #expect(Fields([("grpc-encoding", "gzip")]).request.marks == .mayBeCompressed)
        for order in [[0, 1], [1, 0]] {
            let both = [("rest-service-version", "1"), ("tri-service-version", "2")]
            let fields = Fields(order.map { both[$0] })
            #expect(fields.text(fields.request.version) == "2")
        }
        let rest = Fields([("rest-service-group", "g")])
        #expect(rest.text(rest.request.group) == "g")
    }

    @Test("the head of a reply, and statuses that are none")
    func response() {
        let fields = Fields([
            (":status", "200"), ("content-type", "application/grpc"), ("tri-exception-code", "3"),
            ("grpc-status", "0"), ("grpc-message", "a%20b"),
        ])
        let head = fields.response
        #expect(head.httpStatus == 200 && head.grpcStatus == 0 && head.hasExceptionCode && head.contentType == .grpc)
        #expect(fields.text(head.grpcMessage) == "a%20b" && !head.isInterim)
        #expect(Fields([(":status", "100")]).response.isInterim)
        let statuses: [(String, Int16)] = [
            ("0", 0), ("17", 17), ("99", 99), ("100", 2), ("", 2), ("-1", 2), ("x", 2), ("00", 0), ("4 ", 2),
        ]
        for (text, status) in statuses {
            #expect(Fields([("grpc-status", text)]).response.grpcStatus == status, "\(text)")
        }
        for text in ["", "20", "2000", "abc", "099", "-10"] {
            #expect(Fields([(":status", text)]).response.httpStatus == 0, "\(text)")
        }
        #expect(TripleResponseHead().grpcStatus == TripleResponseHead.noStatus)
    }

    @Test("a value that does not fit is left out and the rest is kept")
    func limit() {
        let fields = Fields(
            [(":path", "/a.B/c"), ("tri-service-version", "123456789"), ("tri-service-group", "12")],
            limitBytes: 10
        )
        let head = fields.request
        #expect(fields.text(head.path) == "/a.B/c" && head.version.isEmpty && fields.text(head.group) == "12")
        #expect(head.marks == [.isCut, .isTriple])
        #expect(Fields([("grpc-message", "abc"), ("grpc-status", "9")], limitBytes: 2).response.grpcMessage.isEmpty)
    }

    @Test("taking headers allocates nothing once there is a buffer")
    func cost() {
        let name = Array("traceparent".utf8)
        let value = Array("00-186058845d855b4a039a0cd331166be1-ee8e4909fe3c65e6-01".utf8)
        let path = Array("/a.B/c".utf8)
        var texts = PrefixBuffer(limitBytes: 1000)
        _ = texts.append(value.span.bytes)
        _ = texts.append(value.span.bytes)
        var paths = 0
        let count = allocationsWhenWarm {
            for _ in 0..<100 {
                texts.removeAll()
                var head = TripleRequestHead()
                head.take(TripleHeaderName.table.id(of: name.span.bytes), value.span.bytes, into: &texts)
                head.take(TripleHeaderName.path.rawValue, path.span.bytes, into: &texts)
                let kept = texts.bytes.slice(head.path)
                if TriplePath(kept)?.kind(in: kept) == .business { paths += 1 }
            }
        }
        #expect(count == 0, "\(count) allocations")
        #expect(paths == 200)
    }
}
