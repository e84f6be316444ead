import Foundation
import TestSupport
import Testing
import Triple
import Wire

@Suite struct HeaderNameTests {
    @Test("every name is found under its own number, in any case, and spelled as it was found")
    func names() {
        #expect(TripleHeaderName.allCases.first?.rawValue == 1)
        #expect(Int(TripleHeaderName.allCases.last?.rawValue ?? 0) == TripleHeaderName.allCases.count)
        for name in TripleHeaderName.allCases {
            let text = name.text.description
            let lower = Array(text.utf8)
            let upper = Array(text.uppercased().utf8)
            #expect(TripleHeaderName.table.id(of: lower.span.bytes) == name.rawValue, "\(name)")
            #expect(TripleHeaderName.table.id(ignoringCaseOf: upper.span.bytes) == name.rawValue, "\(name)")
            #expect(TripleHeaderName(id: name.rawValue) == name)
            #expect(text == text.lowercased() && !text.isEmpty)
        }
        #expect(Set(TripleHeaderName.allCases.map(\.text.description)).count == TripleHeaderName.allCases.count)
        #expect(TripleHeaderName.grpcTimeout.text.description == "grpc-timeout")
        #expect(TripleHeaderName.exceptionCode.text.description == "tri-exception-code")
        #expect(TripleHeaderName.eagleEyeRPCID.text.description == "eagleeye-rpcid")
    }

    @Test("other names are unwanted", arguments: ["", "x", "tenant-id", "grpc-tags-bin", "content-typ", "tri-", "b4"])
    func unwanted(name: String) {
        let bytes = Array(name.utf8)
        #expect(TripleHeaderName.table.id(of: bytes.span.bytes) == NameTable.unwanted)
        #expect(TripleHeaderName(id: NameTable.unwanted) == nil)
        #expect(TripleHeaderName(id: 255) == nil)
    }

    @Test(
        "attachments are what neither HTTP nor gRPC nor Dubbo uses",
        arguments: [
            ("tenant-id", true), ("traceparent", true), ("uber-trace-id", true), ("sw8", true), ("timeout", true),
            ("_to", true), ("generic", true), ("authorization", true), ("tok-bin", true), ("x-b3-traceid", true),
            ("tri_rpc_status", true), ("tri-mine", true), ("dubbo-attachments", true), ("baggage", true),
            ("grpc", true),
            (":path", false), (":new", false), ("content-type", false), ("te", false), ("user-agent", false),
            ("grpc-timeout", false), ("grpc-accept-encoding", false), ("grpc-tags-bin", false), ("grpc-", false),
            ("tri-service-version", false), ("tri-consumer-appname", false), ("tri-header-convert", false),
            ("triple-timeout-ms", false), ("rest-service-group", false), ("http-status", false), ("host", false),
            ("", false),
        ] as [(String, Bool)]
    )
    func attachments(name: String, isAttachment: Bool) {
        let bytes = Array(name.utf8)
        let id = TripleHeaderName.table.id(of: bytes.span.bytes)
        #expect(TripleHeaderName.isAttachment(id, name: bytes.span.bytes) == isAttachment)
    }

    @Test(
        "binary values are shown in base64 without padding, however they travelled",
        arguments: [
            ("AAEC/g==", "AAEC/g"), ("AAEC/g", "AAEC/g"), ("", ""), ("===", ""), ("\0", ""), ("\0A", "QQ"),
            ("\0AB", "QUI"), ("\0ABC", "QUJD"), ("\0\0\0~", "AAB+"), ("\0???", "Pz8/"),
        ] as [(String, String)]
    )
    func binary(value: String, shown: String) {
        let bytes = Array(value.utf8)
        #expect(TripleAttachment.text(bytes.span.bytes, isBinary: true, maxBytes: 100) == shown)
    }

    @Test("a value is shown as text, repaired and cut")
    func text() {
        let name = Array("tok-bin".utf8)
        let short = Array("-bin".utf8)
        #expect(TripleAttachment.isBinary(name.span.bytes) == true)
        #expect(TripleAttachment.isBinary(short.span.bytes) == false)
        let bytes = hex("61 ff 62 3d 3d")
        #expect(TripleAttachment.text(bytes.span.bytes, isBinary: false, maxBytes: 100) == "a\u{fffd}b==")
        #expect(TripleAttachment.text(bytes.span.bytes, isBinary: false, maxBytes: 1) == "a")
        #expect(TripleAttachment.text(bytes.span.bytes, isBinary: true, maxBytes: -1) == "")
        let every = (UInt8.min...UInt8.max).map { $0 &* 7 }
        let raw = [0] + every
        let base64 = Data(every).base64EncodedString()
        for padded in [base64, base64 + "="] {
            let text = Array(padded.utf8)
            let shown = TripleAttachment.text(text.span.bytes, isBinary: true, maxBytes: 1000)
            #expect(shown == TripleAttachment.text(raw.span.bytes, isBinary: true, maxBytes: 1000))
        }
    }
}
