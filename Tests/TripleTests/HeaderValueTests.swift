import TestSupport
import Testing
import Triple
import Wire

@Suite struct HeaderValueTests {
    private func grpc(_ value: String) -> Result<UInt64, TripleTimeoutError> {
        let bytes = Array(value.utf8)
        return Result { () throws(TripleTimeoutError) in try TripleTimeout.grpc(bytes.span.bytes) }
    }

    private func milliseconds(_ value: String) -> Result<UInt64, TripleTimeoutError> {
        let bytes = Array(value.utf8)
        return Result { () throws(TripleTimeoutError) in try TripleTimeout.milliseconds(bytes.span.bytes) }
    }

    @Test(
        "grpc-timeout in every unit",
        arguments: [
            ("1n", 1), ("20u", 20_000), ("5000m", 5_000_000_000), ("301m", 301_000_000), ("3S", 3_000_000_000),
            ("2M", 120_000_000_000), ("1H", 3_600_000_000_000), ("99999999n", 99_999_999), ("00000001S", 1_000_000_000),
            ("99999999H", UInt64(Int64.max)), ("99999999M", 5_999_999_940_000_000_000),
        ] as [(String, UInt64)]
    )
    func timeouts(value: String, nanoseconds: UInt64) {
        #expect(grpc(value) == .success(nanoseconds))
    }

    @Test("a grpc-timeout outside the grammar says what is wrong")
    func badTimeouts() {
        let cases: [(String, TripleTimeoutError)] = [
            ("", .empty), ("m", .empty), ("5", .unknownUnit), ("5s", .unknownUnit), ("5ms", .unknownUnit),
            ("5 ", .unknownUnit), ("100000000m", .tooManyDigits(count: 9)), ("-5m", .notANumber), ("5.0S", .notANumber),
            (" 5S", .notANumber), ("+5S", .notANumber), ("0m", .zero), ("00000000H", .zero),
        ]
        for (value, error) in cases {
            #expect(grpc(value) == .failure(error), "\(value)")
            #expect(!error.label.description.isEmpty)
        }
        #expect(Set(cases.map(\.1.label.description)).count == 5)
    }

    @Test("milliseconds")
    func millisecondCounts() {
        #expect(milliseconds("5000") == .success(5_000_000_000))
        #expect(milliseconds("9999999999") == .success(9_999_999_999_000_000))
        #expect(milliseconds("10000000000") == .failure(.tooManyDigits(count: 11)))
        #expect(milliseconds("") == .failure(.empty))
        #expect(milliseconds("0") == .failure(.zero))
        #expect(milliseconds("3s") == .failure(.notANumber))
    }

    @Test(
        "content types",
        arguments: [
            ("application/grpc", .grpc), ("application/grpc+proto", .grpc), ("application/grpc+data", .grpc),
            ("APPLICATION/GRPC+Json", .grpc), ("application/grpc; charset=utf-8", .grpc), ("application/grpc;x", .grpc),
            ("application/grpc-web", .other), ("application/grpc-web+proto", .other), ("application/grpcx", .other),
            ("application/json", .json), ("Application/JSON ; charset=UTF-8", .json), ("application/json-rpc", .other),
            ("application/proto", .proto), ("application/protobuf", .proto), ("application/x-protobuf", .proto),
            ("text/event-stream", .other), ("application/jso", .other), ("", .none), (" ", .none), (";q=1", .none),
        ] as [(String, TripleContentType)]
    )
    func contentTypes(value: String, type: TripleContentType) {
        let bytes = Array(value.utf8)
        #expect(TripleContentType(bytes.span.bytes) == type)
    }

    @Test(
        "grpc-message is decoded and what is not encoded stays",
        arguments: [
            ("user 42 not found: %E7%94%A8%E6%88%B7 100%25", "user 42 not found: 用户 100%"),
            ("bad%0Aline", "bad\nline"), ("kaputt 失败", "kaputt 失败"), ("", ""), ("100%", "100%"), ("%", "%"),
            ("%4", "%4"), ("%zz%41", "%zzA"), ("a+b", "a+b"), ("%e7%94%a8", "用"), ("%E7%94", "\u{fffd}"),
            ("%%41", "%A"),
        ] as [(String, String)]
    )
    func decoding(value: String, text: String) {
        let bytes = Array(value.utf8)
        #expect(GRPCMessageText.decode(bytes.span.bytes, maxBytes: 1000) == text)
        #expect(GRPCMessageText.decode(bytes.span.bytes, maxBytes: .max - 8) == text)
    }

    @Test("a decoded message is cut in front of the character that does not fit")
    func cutting() {
        let bytes = Array("a%E7%94%A8%F0%9F%98%80z".utf8)
        let texts = ["", "a", "a", "a", "a用", "a用", "a用", "a用", "a用😀", "a用😀z", "a用😀z"]
        for (limit, text) in texts.enumerated() {
            #expect(GRPCMessageText.decode(bytes.span.bytes, maxBytes: limit) == text)
        }
        #expect(GRPCMessageText.decode(bytes.span.bytes, maxBytes: -1) == "")
        let long = [UInt8](repeating: 0xff, count: 5000)
        #expect(GRPCMessageText.decode(long.span.bytes, maxBytes: 100).utf8.count == 99)
    }

    @Test("an encoded message is ASCII, has no plus sign, and decodes to itself")
    func encoding() {
        #expect(GRPCMessageText.encode("over limit: 100% + 用\n") == Array("over limit: 100%25 %2B %E7%94%A8%0A".utf8))
        #expect(GRPCMessageText.encode("") == [])
        let long = String(repeating: "用", count: 1000)
        #expect(GRPCMessageText.encode(long).count == GRPCMessageText.maxWrittenBytes / 3 * 9)
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                text.unicodeScalars.append(Unicode.Scalar(UInt32.random(in: 0..<0xd800, using: &random)) ?? "?")
            }
            let encoded = GRPCMessageText.encode(text)
            #expect(encoded.allSatisfy { (0x20..<0x7f).contains($0) && $0 != 0x2b })
            #expect(GRPCMessageText.decode(encoded.span.bytes, maxBytes: 1000) == text)
        }
    }

    @Test("any bytes are decoded to at most what was asked for")
    func garbage() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Bool.random(using: &random) ? 0x25 : UInt8.random(in: 0...255, using: &random)
            }
            let limit = Int.random(in: 0...20, using: &random)
            #expect(GRPCMessageText.decode(bytes.span.bytes, maxBytes: limit).utf8.count <= limit)
            _ = try? TripleTimeout.grpc(bytes.span.bytes)
            _ = try? TripleTimeout.milliseconds(bytes.span.bytes)
            _ = TripleContentType(bytes.span.bytes)
        }
    }
}
