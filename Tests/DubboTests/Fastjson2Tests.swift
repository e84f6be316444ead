import Dubbo
import Testing
import TestSupport
import Wire

@Suite struct Fastjson2Tests {
    /// One value in the form of the body: its length, then the bytes.
    static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(bytes.count).bigEndian, Array.init) + bytes
    }

    static func short(_ text: String) -> [UInt8] { [0x49 + UInt8(text.utf8.count)] + Array(text.utf8) }

    static func request(_ values: [UInt8]...) -> [UInt8] {
        var body: [UInt8] = []
        for text in ["2.0.2", "com.x.Svc", "1.0.0", "call", "I"] { body += chunk(short(text)) }
        for value in values { body += chunk(value) }
        return body
    }

    static func reply(_ kind: UInt8, _ values: [UInt8]...) -> [UInt8] {
        values.reduce(chunk([0xbd, kind])) { $0 + chunk($1) }
    }

    @Test("every request of the capture gives the names and attachments that the peers logged") func requests() throws {
        let frames = try SerializationGoldens.frames("fastjson2/requests.bin")
        let found = Dictionary(uniqueKeysWithValues: frames.map { ($0.requestID, $0) })
        let facts = try SerializationGoldens.rows("fastjson2/facts.tsv").filter { $0[0] == "request" }
        #expect(facts.count > 100)
        var traces = 0
        for fact in facts {
            let frame = try #require(found[Int64(fact[1]) ?? 0])
            let request = SerializedRequest(frame.body, serialization: 23)
            #expect(request.understood)
            #expect(request.dubboVersion == "2.0.2")
            #expect(request.interface == fact[2])
            #expect(request.version == fact[3])
            #expect(request.method == fact[4])
            #expect(request.genericMethod == (fact[5] == "-" ? nil : fact[5]))
            let attachments = try #require(request.attachments)
            for pair in fact[7...] {
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                #expect(attachments[parts[0]] == parts[1], "\(fact)")
                if ["traceparent", "uber-trace-id"].contains(parts[0]) { traces += 1 }
            }
            if fact[6] == "all" { #expect(attachments.count == fact.count - 7, "\(attachments) \(fact)") }
        }
        #expect(traces == 115)
    }

    @Test("every reply of the capture gives the exception that the provider logged") func replies() throws {
        let frames = try SerializationGoldens.frames("fastjson2/replies.bin")
        let found = Dictionary(uniqueKeysWithValues: frames.map { ($0.requestID, $0) })
        let facts = try SerializationGoldens.rows("fastjson2/facts.tsv").filter { $0[0] == "reply" }
        #expect(facts.count == frames.count)
        var exceptions = 0
        for fact in facts {
            let frame = try #require(found[Int64(fact[1]) ?? 0])
            #expect(frame.status == UInt8(fact[2]))
            let reply = SerializedReply(frame.body, status: frame.status, serialization: 23)
            #expect(reply.understood)
            let kind = try #require(reply.kind)
            #expect(kind.isException == (fact[3] != "-"), "\(fact)")
            #expect(reply.exceptionClass == (fact[3] == "-" ? "" : fact[3]))
            #expect(reply.message == (fact[4] == "-" ? nil : fact[4]))
            #expect(reply.attachments == ["dubbo": "2.0.2"])
            if kind.isException { exceptions += 1 }
        }
        #expect(exceptions == 12)
    }

    @Test(
        "strings of every encoding become UTF-8",
        arguments: [
            ("49", ""), ("4b 6162", "ab"), ("4a e9", "é"), ("79 02 6162", "ab"), ("79 3802 6162", "ab"),
            ("79 48 00000002 6162", "ab"), ("7a 03 e5ba93", "库"), ("7c 04 935e 585b", "库存"), ("7d 04 5e93 5b58", "库存"),
            ("7b 04 5e93 5b58", "库存"), ("7b 04 feff 5e93", "库"), ("7b 04 fffe 935e", "库"),
            ("7c 04 3dd8 00de", "😀"), ("7c 02 3dd8", "\u{fffd}"), ("7d 03 0061 00", "a\u{fffd}"),
            ("7d 04 de00 0061", "\u{fffd}a"), ("7e 03 61bf e2", "a\u{fffd}"), ("7e 05 8130 8130 62", "\u{fffd}b"),
        ]
    ) func encodings(encoded: String, text: String) {
        let body = Self.request([0x01], [0xa6] + Self.short("k") + hex(encoded) + [0xa5])
        #expect(SerializedRequest(body, serialization: 23).attachments == ["k": text])
    }

    @Test(
        "attachments that are no text are passed over",
        arguments: [
            "00", "f0", "3801", "440100", "48 00000001", "90 3841", "91 02 0102", "95 01", "94", "96 4a61 4a62",
            "a4 00",
            "a6a5", "a6 4a61 a6 4a62 af a5 a5", "92 4c 412e42 00 a6a5",
            "93 4a24", "a7 010203 05", "a8 07ea021c0c2238 482f075f79", "a9 07cf0c1f", "aa 07ea0101000000 00 4a5a",
            "ab 0000018bcfe5687b", "ac 00000000", "ad 00000000", "ae bf6553f100 05", "af", "b0", "b1", "b2", "b3",
            "b4 cf80", "b5 3ff0000000000000", "b6 05", "b7 3fc00000", "b8 e0", "b9 02 376a", "b9 09 bb 02 0102",
            "ba be 0000000000000001", "bb 01 05", "bc 0102", "bd 01", "be 0000000000000001", "bf 00000001", "c0 0000",
            "d7 ff", "e0", "d8",
            "92 4c 412e45 01 4a4e",
        ]
    ) func others(value: String) {
        let attachments = [0xa6] + Self.short("a") + hex(value) + Self.short("k") + Self.short("v") + [0xa5]
        #expect(SerializedRequest(Self.request([0x01], attachments), serialization: 23).attachments == ["k": "v"])
    }

    @Test("a list of one text counts as the text, typed or not") func lists() {
        let attachments = hex("a6 4a61 95 4a31 4a62 a4 01 4a32 4a63 92 4a4c 00 95 4a33 4a64 96 4a34 4a35 4a65 95 af a5")
        let request = SerializedRequest(Self.request([0x01], attachments), serialization: 23)
        #expect(request.attachments == ["a": "1", "c": "3"])
    }

    @Test("names may be symbols, and keys of a map any scalar") func symbols() {
        let attachments = hex("92 4a4d 00 a6 7f 4a61 01 7f 4a62 02 05 4a78 af 4a78 7f 02 7f 01 4a63 7f 09 a5")
        let request = SerializedRequest(Self.request([0x01], attachments), serialization: 23)
        #expect(request.attachments == ["a": "b", "b": "a"])
    }

    @Test("a throwable's message is its own, not its cause's, also when the name is a known symbol") func cause() {
        let detailMessage = hexText(Self.short("detailMessage"))
        let cause = hex("92 4a43 02 a6 7f \(detailMessage) 03 4a69 7f 4a73 04 95 a6 7f 4a6c 05 01 a5 a5")
        let outer = hex("92 4c412e42 00 a6 7f 4a63 01") + cause + hex("7f 03 4a6f a5")
        let reply = SerializedReply(Self.reply(3, outer, hex("a6 4a6b 4a76 a5")), serialization: 23)
        #expect(reply.exceptionClass == "A.B")
        #expect(reply.message == "o")
        #expect(reply.attachments == ["k": "v"])
    }

    @Test("a getter's message counts where no field says more") func getter() {
        let message = hexText(Self.short("message"))
        let detailMessage = hexText(Self.short("detailMessage"))
        let plain = hex("92 4a45 00 a6 \(message) 4a6d 4a7a 01 a5")
        #expect(SerializedReply(Self.reply(0, plain), serialization: 23).message == "m")
        let both = hex("92 4a45 00 a6 \(message) 4a6d \(detailMessage) 4a64 a5")
        #expect(SerializedReply(Self.reply(0, both), serialization: 23).message == "d")
        let cut = SerializedReply(Self.reply(0, hex("92 4a45 00 a6 \(message) 4a6d")), serialization: 23)
        #expect(cut.message == nil && cut.exceptionClass == "E" && cut.kind == .exception)
    }

    @Test("an exception cut off by the inspection cap still gives class and message") func cut() {
        let message = hexText(Self.short("detailMessage"))
        let whole = Self.reply(3, hex("92 4a45 00 a6 \(message) 4a64 4a7a 94 a5"), hex("a6a5"))
        let reply = SerializedReply(Array(whole.dropLast(8)), isWhole: false, serialization: 23)
        #expect(reply.exceptionClass == "E" && reply.message == "d" && reply.attachments == nil)
    }

    @Test("attachments behind an exception that was shortened are found") func shortened() {
        let message = hexText(Self.short("detailMessage"))
        let body = Self.reply(3, hex("92 4a45 00 a6 \(message) 4a64 4a7a a4 38"), hex("a6 4a61 4a62 a5"))
        let reply = SerializedReply(body, serialization: 23)
        #expect(reply.exceptionClass == "E" && reply.message == "d" && reply.attachments == ["a": "b"])
    }

    @Test("an object without a type is no throwable") func notThrowable() {
        let untyped = SerializedReply(
            Self.reply(3, hex("a6 \(hexText(Self.short("message"))) 4a64 a5"), hex("a6a5")),
            serialization: 23
        )
        #expect(untyped.kind == .exceptionWithAttachments)
        #expect(untyped.exceptionClass.isEmpty && untyped.message == nil && untyped.attachments == [:])
    }

    @Test("a status other than 20 gives the error text") func errorText() {
        let body = Self.chunk(hex("7a 03 e5ba93"))
        let reply = SerializedReply(body, status: 70, serialization: 23)
        #expect(reply.understood && reply.message == "库" && reply.kind == nil)
        #expect(!SerializedReply(Self.chunk([0xaf]), status: 70, serialization: 23).understood)
    }

    @Test("a kind that does not exist is not understood") func kinds() {
        for kind: UInt8 in 0...5 {
            #expect(SerializedReply(Self.chunk([kind]), serialization: 23).kind?.rawValue == kind)
            #expect(SerializedReply(Self.chunk([0xbd, kind]), serialization: 23).kind?.rawValue == kind)
        }
        for bytes in ["06", "f0", "bd ff", "4a31", "48 00000100", ""] {
            #expect(!SerializedReply(Self.chunk(hex(bytes)), serialization: 23).understood)
        }
    }
}
