import Calls
import Foundation
import Hessian
import Inspection
import Telemetry
import TestSupport
import Testing

/// The objects that lines of JSON hold.
func objects(_ bytes: [UInt8]) throws -> [[String: Any]] {
    try bytes.split(separator: 0x0a).map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
    }
}

@Suite struct MessageLineTests {
    @Test("a request's line has every field of the contract")
    func request() throws {
        let bench = Bench()
        let session = bench.open()
        let request = Frames.request(
            id: .max,
            method: "$invoke",
            arguments: { $0.string("re\"al") },
            attachments: [("group", "g\u{1}"), ("token", "secret"), ("Authorization", "x"), ("数", "😀")]
        )
        bench.up(session, request, now: 1_700_000_000_000_000_001)
        let line = try #require(try objects(bench.messages.json.bytes).first)
        #expect(line["protocol"] as? String == "dubbo2" && line["kind"] as? String == "request")
        #expect(line["dir"] as? String == "c2s" && line["ts"] as? String == "1700000000.000000001")
        #expect(line["client"] as? String == "10.0.0.1:5000" && line["server"] as? String == "10.0.0.2:20880")
        #expect((line["request_id"] as? NSNumber)?.int64Value == -1 && line["event"] as? Bool == false)
        #expect(line["serialization_id"] as? Int == 2 && line["body_len"] as? Int == request.count - 16)
        #expect(line["two_way"] as? Bool == true && line["dubbo_version"] as? String == "2.0.2")
        #expect(line["interface"] as? String == "com.x.Svc" && line["version"] as? String == "1.0.0")
        #expect(line["group"] as? String == "g\u{1}" && line["method"] as? String == "$invoke")
        #expect(line["generic_method"] as? String == "re\"al" && line["param_desc"] as? String == "Ljava/lang/String;")
        let attachments = line["attachments"] as? [String: String]
        #expect(attachments == ["group": "g\u{1}", "token": "***", "Authorization": "***", "数": "😀"])
    }

    @Test("a reply's line has every field of the contract")
    func replies() throws {
        let bench = Bench()
        let session = bench.open()
        bench.up(session, Frames.heartbeat())
        bench.down(
            session,
            Frames.exception(id: 3, message: "no\n", attachments: [("password", "p"), ("dubbo", "2.0.2")]),
            now: 5
        )
        bench.down(session, Frames.failure(id: 4, status: 100, "full", tail: [0x4e]))
        bench.down(session, Frames.reply(id: 5))
        let lines = try objects(bench.messages.json.bytes)
        #expect(lines.map { $0["kind"] as? String } == ["request", "response", "response", "response"])
        #expect(lines[0]["event_data"] as? String == "heartbeat" && lines[0]["two_way"] as? Bool == true)
        #expect(lines[1]["dir"] as? String == "s2c" && lines[1]["ts"] as? String == "0.000000005")
        #expect(lines[1]["status"] as? Int == 20 && lines[1]["exception_class"] as? String == "com.x.Oops")
        #expect(lines[1]["exception_message"] as? String == "no\n")
        #expect(lines[1]["attachments"] as? [String: String] == ["password": "***", "dubbo": "2.0.2"])
        #expect(lines[2]["status"] as? Int == 100 && lines[2]["exception_message"] as? String == "full")
        #expect(lines[2]["exception_class"] is NSNull && lines[2]["attachments"] == nil)
        #expect(lines[3]["status"] as? Int == 20 && lines[3]["exception_message"] is NSNull)
        #expect(lines[3]["two_way"] == nil && lines[3]["interface"] == nil)
    }

    @Test("what could not be read is null, and no invention")
    func unknown() throws {
        let bench = Bench()
        let session = bench.open()
        bench.up(
            session,
            Frames.request(version: nil) + Frames.frame(0xcc, id: 2, [1]) + Frames.frame(0xac, id: 3, [1])
        )
        let lines = try objects(bench.messages.json.bytes)
        #expect(lines[0]["version"] is NSNull && lines[0]["generic_method"] == nil)
        for field in ["dubbo_version", "interface", "version", "method", "param_desc"] {
            #expect(lines[1][field] is NSNull, "\(field)")
        }
        #expect(lines[1]["attachments"] == nil && lines[1]["serialization_id"] as? Int == 12)
        #expect(lines[2]["event_data"] is NSNull)
    }

    @Test("the owner may take the lines one by one")
    func flush() {
        var taken: [[UInt8]] = []
        let bench = Bench(.nothing)
        let lines = MessageLines(redacted: Redaction(names: [])) { taken.append($0.json.bytes) }
        bench.inspector.messageObserver = lines
        let session = bench.open()
        bench.up(session, Frames.request(attachments: [("token", "shown")]))
        lines.removeAll()
        bench.down(session, Frames.reply())
        #expect(taken.count == 2 && taken.allSatisfy { $0.last == 0x0a && $0.filter { $0 == 0x0a }.count == 1 })
        #expect(String(decoding: taken[0], as: UTF8.self).contains(#""token":"shown""#))
    }
}

@Suite struct CallLineTests {
    @Test("a call's line has every field of the contract")
    func fields() throws {
        let bench = Bench(.nothing)
        let lines = CallLines(registry: bench.registry) { _ in }
        bench.inspector.callObserver = lines
        let session = bench.open()
        let trace = "00-aa5002224700d59c14b9d7ffef07e298-b0e67b41b370c66a-00"
        let request = Frames.request(
            id: 1 << 63,
            attachments: [("group", "g"), ("remote.application", "shop"), ("traceparent", trace)]
        )
        bench.up(session, request, now: 1_700_000_000_000_000_000)
        let reply = Frames.exception(id: 1 << 63)
        bench.down(session, reply, now: 1_700_000_000_001_234_567)
        bench.up(session, Frames.request(isTwoWay: false), now: 1_700_000_001_000_000_000)
        let all = try objects(lines.json.bytes)
        let line = all[0]
        #expect(line["ts"] as? String == "1700000000.000000000" && line["duration_us"] as? Int == 1234)
        #expect(line["side"] as? String == "provider" && line["protocol"] as? String == "dubbo")
        #expect(line["interface"] as? String == "com.x.Svc" && line["method"] as? String == "hello")
        #expect(line["version"] as? String == "1.0.0" && line["group"] as? String == "g")
        #expect(line["outcome"] as? String == "business_error" && line["code"] as? String == "OK")
        #expect(line["exception"] as? String == "com.x.Oops" && line["id"] as? String == "-9223372036854775808")
        #expect(line["client"] as? String == "10.0.0.1:5000" && line["server"] as? String == "10.0.0.2:20880")
        #expect(line["caller"] as? String == "shop" && line["request_bytes"] as? Int == request.count)
        #expect(line["response_bytes"] as? Int == reply.count && line["sampled"] as? Bool == false)
        #expect(line["trace_id"] as? String == "aa5002224700d59c14b9d7ffef07e298")
        #expect(line["parent_span_id"] as? String == "b0e67b41b370c66a" && line.count == 20)
        #expect(
            all[1]["outcome"] as? String == "oneway" && all[1]["code"] as? String == "" && all[1]["sampled"] is NSNull
        )
        #expect(all[1]["trace_id"] as? String == "" && all[1].count == 20)
        lines.removeAll()
        #expect(lines.json.bytes.isEmpty)
    }
}
