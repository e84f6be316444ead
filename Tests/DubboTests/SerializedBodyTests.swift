import Dubbo
import Foundation
import Testing
import TestSupport
import Wire

@Suite struct SerializedBodyTests {
    static let longName = (0..<120).reduce("com.example.") { $0 + "Long\($1)x" }
    static let attachments = [
        "traceparent": "00-42fa1722441804130d1098258ba6ab56-4cbdf24acc0a97eb-01", "group": "g\"1\"\n库", "list": "only",
    ]

    @Test("requests of Java, Kryo and Gson give the names they were written with") func names() throws {
        for vector in try SerializationGoldens.vectors() {
            let expected: (interface: String, version: String?, method: String, descriptor: String, generic: String?)
            switch vector.name {
            case "plain":
                expected = ("com.example.shop.OrderService", "1.0.0", "echoString", "Ljava/lang/String;", nil)
            case "null-version":
                expected = ("com.example.shop.OrderService", vector.serialization == 7 ? "" : nil, "m", "", nil)
            case "generic":
                let descriptor = "Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;"
                expected = ("com.example.shop.OrderService", "", "$invoke", descriptor, "realMethod")
            case "text":
                expected = ("com.example.订单😀Serviceé", "1", "方法", "I", nil)
            case "long":
                expected = (Self.longName, "1.0.0", "方" + Self.longName, "", nil)
            default:
                continue
            }
            let request = SerializedRequest(vector.body, serialization: vector.serialization)
            let label = Comment("\(vector.name) \(vector.serialization)")
            #expect(request.understood, label)
            #expect(request.dubboVersion == "2.0.2", label)
            #expect(request.interface == expected.interface, label)
            #expect(request.version == expected.version, label)
            #expect(request.method == expected.method, label)
            #expect(request.parameterDescriptor == expected.descriptor, label)
            #expect(request.genericMethod == expected.generic, label)
            #expect(request.attachments == (vector.serialization == 16 ? Self.attachments : nil), label)
        }
    }

    @Test("replies of Java, Kryo and Gson give their kind and what is known of the exception") func replies() throws {
        let kinds: [String: ResponseMetadata.Kind] = [
            "value": .valueWithAttachments, "null": .nullWithAttachments, "exception": .exceptionWithAttachments,
        ]
        for vector in try SerializationGoldens.vectors() {
            let label = Comment("\(vector.name) \(vector.serialization)")
            let isGson = vector.serialization == 16
            if let kind = kinds[vector.name] {
                let reply = SerializedReply(vector.body, serialization: vector.serialization)
                #expect(reply.understood, label)
                #expect(reply.kind == kind, label)
                #expect(reply.attachments == (isGson ? ["dubbo": "2.0.2"] : nil), label)
                #expect(reply.exceptionClass == (kind.isException && !isGson ? "Gen$Boom" : ""), label)
                #expect(reply.message == (kind.isException && isGson ? "boom 库存" : nil), label)
            } else if vector.name == "error" {
                let reply = SerializedReply(vector.body, status: 70, serialization: vector.serialization)
                #expect(reply.understood && reply.kind == nil, label)
                #expect(reply.message == "No provider 库存", label)
            }
        }
    }

    @Test("events say heartbeat, readonly or writeable in every encoding") func events() throws {
        let payloads: [String: EventPayload] = [
            "heartbeat": .heartbeat, "readonly": .readonly, "writeable": .writeable,
        ]
        var bodies = try SerializationGoldens.vectors().compactMap { vector in
            payloads[vector.name].map { ($0, vector.serialization, vector.body) }
        }
        #expect(bodies.count == 17)
        bodies += [
            (.heartbeat, 2, hex("4e")), (.heartbeat, 2, hex("4e4e")), (.readonly, 2, hex("0152")),
            (.writeable, 2, hex("0157")), (.other, 2, hex("0148")), (.other, 2, hex("91")), (.other, 2, []),
            (.heartbeat, 23, hex("00000001 af")), (.readonly, 23, hex("00000002 4a52")),
            (.writeable, 23, hex("00000002 4a57")), (.other, 23, hex("00000002 4a48")), (.other, 23, []),
            (.heartbeat, 6, Array("null\r\n".utf8)), (.readonly, 6, Array("\"R\"".utf8)),
            (.other, 6, Array("R\n".utf8)),
            (.heartbeat, 25, hex("00")), (.other, 9, hex("00")), (.other, 0, []),
            (.other, 6, Array(repeating: 0x20, count: 17)),
        ]
        for (payload, serialization, body) in bodies {
            let read = SerializedBody.readEvent(body.span.bytes, serialization: serialization)
            #expect(read == payload, "\(serialization) \(hexText(body))")
        }
    }

    @Test("fastjson's escapes, spaces and odd members are read") func json() {
        let body = #"""
            "2.0.2"
             "com.x.\u8ba2\uD83D\uDE00\ud83dS" 
            null
            "call"
            ""
            {"a":[1,{"b":"}\""}],"@type":"x"}
            { "traceparent" : "00-1" , "q":"a\"\\\/\b\f\n\r\t\u0041\x42\v'", \#
            "n":-1.5e3, "t":true, "z":null,"one":[ "x" ],"two":["x","y"],"o":{"k":["]"]},"deep":[[["x"]]] }

            """#
        let request = SerializedRequest(Array(body.utf8), serialization: 6)
        #expect(request.interface == "com.x.订😀\u{fffd}S")
        #expect(request.version == nil && request.method == "call" && request.parameterDescriptor == "")
        let expected = ["traceparent": "00-1", "q": "a\"\\/\u{8}\u{c}\n\r\tAB\u{b}'", "one": "x"]
        #expect(request.attachments == expected)
    }

    @Test("fastjson exceptions give class and message, not those of the cause") func jsonException() {
        let body = #"""
            3
            {"@type":"com.x.MyEx","cause":{"@type":"com.x.Inner","message":"in"},\#
            "localizedMessage":"out","message":"o\u00fct","stackTrace":[{"className":"C","lineNumber":1}]}
            {"dubbo":"2.0.2"}

            """#
        let reply = SerializedReply(Array(body.utf8), serialization: 6)
        #expect(reply.kind == .exceptionWithAttachments)
        #expect(
            reply.exceptionClass == "com.x.MyEx" && reply.message == "oüt" && reply.attachments == ["dubbo": "2.0.2"]
        )
        let cut = Array(body.utf8.prefix(100))
        let prefix = SerializedReply(cut, isWhole: false, serialization: 6)
        #expect(prefix.exceptionClass == "com.x.MyEx" && prefix.message == nil && prefix.attachments == nil)
    }

    @Test("lines that are not what they should be are left unknown") func badLines() {
        let bodies = [
            "", "\n", "1", "\"2.0.2\"\n\"a\"\n1\n\"m\"\n", "\"2.0.2\"\n\"a\" x\n\"1\"\n\"m\"\n", "\"2.0.2\"\n\"a\n\"\n",
        ]
        for body in bodies { #expect(!SerializedRequest(Array(body.utf8), serialization: 6).understood) }
        let names = "\"2.0.2\"\n\"a\"\n\"1\"\n\"m\"\n\"\"\n"
        for last in [
            "", "{\"a\":\"b\"", "{\"a\":\"b\"} x", "[\"a\"]", "{\"a\" \"b\"}", "{\"a\":\"b\" \"c\":\"d\"}", "{\"a\":}",
            "null",
        ] {
            let request = SerializedRequest(Array((names + last).utf8), serialization: 6)
            #expect(request.understood && request.attachments == nil, "\(last)")
        }
        for body in ["12\n", "x\n", "\n", "6\n", "-1\n"] {
            #expect(!SerializedReply(Array(body.utf8), serialization: 6).understood)
        }
    }

    @Test("of any other serialization nothing is known") func unknown() throws {
        let known: Set<UInt8> = [3, 4, 6, 7, 8, 16, 23, 25]
        for vector in try SerializationGoldens.vectors() {
            for serialization in UInt8(0)..<32 where !known.contains(serialization) {
                let request = SerializedRequest(vector.body, serialization: serialization)
                #expect(!request.understood && request.interface == nil && request.attachments == nil)
                #expect(!SerializedReply(vector.body, serialization: serialization).understood)
            }
        }
    }

    @Test("the fastjson frames of the corpus give what they are said to hold") func corpus() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let corpus =
            ProcessInfo.processInfo.environment["WEIR_CORPUS"].map { URL(filePath: $0) }
            ?? root.deletingLastPathComponent().appending(path: "shared/corpus")
        guard let lines = try? Data(contentsOf: corpus.appending(path: "dubbo2-frames/frames.jsonl")) else {
            print("no corpus at \(corpus.path()): fastjson frames not read")
            return
        }
        var seen = 0
        for line in lines.split(separator: 0x0a) {
            let entry = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
            let frames = entry["frames"] as? [[String: Any]] ?? []
            guard let expected = frames.first, expected["serialization_id"] as? Int == 6 else { continue }
            let body = Array(hex(entry["hex"] as? String ?? "").dropFirst(16))
            seen += 1
            let attachments = (expected["attachments"] as? [String: Any] ?? [:]).compactMapValues { $0 as? String }
            if expected["kind"] as? String == "request" {
                let request = SerializedRequest(body, serialization: 6)
                #expect(request.interface == expected["interface"] as? String)
                #expect(request.version == expected["version"] as? String)
                #expect(request.method == expected["method"] as? String)
                #expect(request.dubboVersion == expected["dubbo_version"] as? String)
                #expect(request.parameterDescriptor == expected["param_desc"] as? String)
                #expect(request.attachments == attachments)
            } else {
                let reply = SerializedReply(body, serialization: 6)
                #expect(reply.kind.map { Int($0.rawValue) } == expected["response_flag"] as? Int)
                #expect(reply.attachments == attachments)
            }
        }
        #expect(seen >= 2)
    }
}
