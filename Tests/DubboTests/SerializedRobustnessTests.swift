import Dubbo
import FuzzBodies
import Testing
import TestSupport
import Wire

@Suite struct SerializedRobustnessTests {
    /// Bodies of every encoding, with their serialization and status.
    static func bodies() throws -> [(serialization: UInt8, status: UInt8, body: [UInt8])] {
        var all = try SerializationGoldens.vectors().map {
            ($0.serialization, $0.name == "error" ? UInt8(70) : 20, $0.body)
        }
        for file in ["fastjson2/requests.bin", "fastjson2/replies.bin"] {
            all += try SerializationGoldens.frames(file).map { (UInt8(23), UInt8(20), $0.body) }
        }
        return all
    }

    @Test("a prefix gives the names of the whole or leaves them unknown") func prefixes() throws {
        for (serialization, status, body) in try Self.bodies() where body.count < 1500 {
            let request = SerializedRequest(body, serialization: serialization)
            let reply = SerializedReply(body, status: status, serialization: serialization)
            for count in 0..<body.count {
                let prefix = Array(body.prefix(count))
                let part = SerializedRequest(prefix, isWhole: false, serialization: serialization)
                #expect(part.attachments == nil)
                for path in [
                    \SerializedRequest.dubboVersion, \.interface, \.version, \.method, \.parameterDescriptor,
                    \.genericMethod,
                ] {
                    if let text = part[keyPath: path], text != request[keyPath: path] {
                        Issue.record("\(path) \(text) at \(count) of \(serialization) \(hexText(body))")
                    }
                }
                _ = SerializedRequest(prefix, serialization: serialization)
                let partReply = SerializedReply(prefix, isWhole: false, status: status, serialization: serialization)
                #expect(partReply.attachments == nil)
                #expect(partReply.kind == nil || partReply.kind == reply.kind)
                #expect(partReply.message == nil || partReply.message == reply.message)
                #expect(partReply.exceptionClass.isEmpty || partReply.exceptionClass == reply.exceptionClass)
                _ = SerializedReply(prefix, status: status, serialization: serialization)
                _ = SerializedBody.readEvent(prefix.span.bytes, serialization: serialization)
            }
        }
    }

    @Test("garbage and damaged bodies do no harm") func garbage() throws {
        let bodies = try Self.bodies().filter { $0.body.count < 1500 }
        var random = SeededRandom(seed: 23)
        for round in 0..<100_000 {
            var bytes: [UInt8] = (0..<3).map { _ in UInt8.random(in: 0...255, using: &random) }
            if round % 4 == 0 {
                bytes += (0..<Int.random(in: 0...200, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
            } else {
                let chosen = bodies[Int.random(in: 0..<bodies.count, using: &random)]
                bytes[0] = UInt8([3, 4, 6, 7, 8, 16, 23, 25].firstIndex(of: Int(chosen.serialization)) ?? 0)
                bytes += chosen.body
                for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 3 {
                    let at = Int.random(in: 3..<bytes.count, using: &random)
                    bytes[at] = UInt8.random(in: 0...255, using: &random)
                }
            }
            bytes.withUnsafeBytes(fuzzSerializedBody)
        }
    }

    @Test("at most 128 attachments are kept") func attachmentCount() {
        for count in [127, 128, 129, 1000] {
            var object: [UInt8] = [0xa6]
            var text = "{"
            for number in 0..<count {
                object += Fastjson2Tests.short("k\(number)") + Fastjson2Tests.short("v")
                text += "\(number == 0 ? "" : ",")\"k\(number)\":\"v\""
            }
            let kept = min(count, RequestMetadata.maxAttachments)
            let chunked = SerializedRequest(Fastjson2Tests.request(object + [0xa5]), serialization: 23)
            #expect(chunked.attachments?.count == kept)
            let lines = SerializedReply(Array("5\n\(text)}\n".utf8), serialization: 6)
            #expect(lines.attachments?.count == kept)
        }
    }

    @Test("values nested sixty-four deep are read, deeper ones not") func depth() {
        for (depth, isRead) in [(63, true), (64, true), (65, false), (100_000, false)] {
            let nested = [UInt8](repeating: 0x95, count: depth) + [0x01]
            let object =
                [0xa6] + Fastjson2Tests.short("a") + nested + Fastjson2Tests.short("k") + hex("4a76 a5")
            let request = SerializedRequest(Fastjson2Tests.request(object), serialization: 23)
            #expect(request.understood)
            #expect(request.attachments == (isRead ? ["k": "v"] : nil), "\(depth)")
        }
        let open = "{\"a\":" + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
        #expect(SerializedReply(Array("5\n\(open)\n".utf8), serialization: 6).attachments == [:])
    }

    @Test("lengths past the end of the body are refused") func lengths() {
        for bytes in [
            "79 48 7fffffff", "7a 48 ffffffff", "7c f0", "91 48 7fffffff", "a4 48 7fffffff", "a4 f0", "a4 05 01",
        ] {
            let object = [0xa6] + Fastjson2Tests.short("a") + hex(bytes)
            #expect(SerializedRequest(Fastjson2Tests.request(object), serialization: 23).attachments == nil)
        }
        for body in ["ffffffff", "7fffffff 4a61", "00000002 4a"] {
            #expect(!SerializedRequest(hex(body), serialization: 23).understood)
        }
        #expect(!SerializedRequest(hex("aced0005 7affffffff 00000005"), serialization: 3).understood)
        #expect(!SerializedRequest(hex("ffffffff7f 61"), serialization: 8).understood)
        #expect(!SerializedRequest(hex("c0ffffffffffff"), serialization: 8).understood)
    }

    @Test("symbols are remembered up to number 511") func symbolNumbers() {
        for (number, isKnown) in [("39ff", true), ("3a00", false), ("48 7fffffff", false), ("f0", false)] {
            let object = hex("a6 7f 4a61 \(number) 4a31 4a6b 7f \(number) a5")
            let request = SerializedRequest(Fastjson2Tests.request(object), serialization: 23)
            #expect(request.attachments == (isKnown ? ["a": "1", "k": "a"] : ["a": "1"]))
        }
    }

    @Test("texts that do not fit leave their field unknown and later ones readable") func textLimit() {
        // "front" takes five bytes; the version, of five, the first of the five names.
        let body = Fastjson2Tests.request(hex("a6 4a61 4a62 a5"))
        #expect(
            SerializedRequest(body, serialization: 23, limitBytes: 5 + 5 + 9 + 5 + 4 + 1 + 2).attachments == ["a": "b"]
        )
        #expect(SerializedRequest(body, serialization: 23, limitBytes: 5 + 5 + 9 + 5 + 4 + 1 + 1).attachments == [:])
        let tight = SerializedRequest(body, serialization: 23, limitBytes: 5 + 5 + 8)
        #expect(!tight.understood && tight.interface == nil && tight.version == "1.0.0")
    }

    @Test("a long key that is repeated by its symbol is tried a bounded number of times") func repeatedKey() {
        let key = hex("7f 7c 3880") + [UInt8](repeating: 0x5e, count: 128) + [0x00]
        let again = (0..<5000).flatMap { _ in hex("7f 00 4a76") }
        let body = Fastjson2Tests.request([0xa6] + key + hex("4a76") + again + [0xa5])
        #expect(SerializedRequest(body, serialization: 23).attachments?.count == 1)
        #expect(SerializedRequest(body, serialization: 23, limitBytes: 100).attachments == [:])
    }

    @Test("work grows with the body only") func largeBodies() {
        let letters = [UInt8](repeating: 0x61, count: 500_000)
        _ = SerializedRequest(letters, serialization: 8)
        _ = SerializedRequest([0x22] + letters, serialization: 6)
        _ = SerializedRequest([UInt8](repeating: 0x0a, count: 500_000), serialization: 6)
        _ = SerializedReply(Array("5\n{\"a\":".utf8) + [UInt8](repeating: 0x5b, count: 500_000), serialization: 6)
        _ = SerializedReply(Fastjson2Tests.reply(5, [UInt8](repeating: 0x92, count: 500_000)), serialization: 23)
        _ = SerializedReply(
            Fastjson2Tests.reply(5, [0xa6] + [UInt8](repeating: 0x94, count: 500_000)),
            serialization: 23
        )
        _ = SerializedRequest([UInt8](repeating: 0, count: 500_000), serialization: 23)
        _ = SerializedRequest(hex("aced0005") + [UInt8](repeating: 0x77, count: 500_000), serialization: 3)
        _ = SerializedRequest(
            hex("aced0005") + (0..<250_000).flatMap { _ in [0x77, 0x00] as [UInt8] },
            serialization: 3
        )
    }
}
