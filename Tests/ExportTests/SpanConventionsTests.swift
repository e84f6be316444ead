import Calls
import OTLP
import SwiftProtobuf
import Telemetry
import TestSupport
import Testing
import Wire

@testable import Export

/// Calls and the spans that are made of them.
@Suite struct SpanConventionsTests {
    /// A call and what its span has to say, apart from what every span says.
    struct Golden: CustomTestStringConvertible, Sendable {
        let name: String
        var operation = Operation.greeting
        var side = Side.provider
        var outcome = Outcome.ok
        var code: Int32 = 20
        var edit: @Sendable (inout SpanFacts) -> Void = { _ in }
        var texts: [(SpanText, String)] = []
        var names = SpanConventions.Names.classic
        /// Attributes that it must have, as ``spelled(_:)`` spells them; an empty text is one that it must not have.
        let wanted: [String: String]
        var isError = false
        var events: [String] = []
        var testDescription: String { name }
    }

    private static let triple = Operation(
        callProtocol: .triple,
        interface: "com.example.Greeter",
        version: "",
        group: "",
        method: "greet"
    )
    private static let json = Operation(
        callProtocol: .jsonrpc,
        interface: "",
        version: "",
        group: "",
        method: "add"
    )

    private static let plain: [Golden] = [
        Golden(
            name: "Dubbo, served",
            edit: {
                $0.serialization = 2
                $0.requestID = 42
            },
            texts: [(.caller, "shop")],
            wanted: [
                "rpc.system": "apache_dubbo", "rpc.service": "com.example.Greeter", "rpc.method": "greet",
                "rpc.system.name": "", "rpc.response.status_code": "", "error.type": "",
                "dubbo.version": "1.0.0", "dubbo.group": "blue", "dubbo.serialization": "hessian2",
                "dubbo.request_id": "42", "dubbo.status_code": "20", "dubbo.generic": "", "weir.caller": "shop",
                "weir.outcome": "ok", "weir.request.bytes": "100", "weir.response.bytes": "200",
            ]
        ),
        Golden(
            name: "Dubbo with the current names",
            names: .current,
            wanted: [
                "rpc.system": "", "rpc.service": "", "rpc.system.name": "dubbo",
                "rpc.method": "com.example.Greeter/greet", "rpc.response.status_code": "OK",
            ]
        ),
        Golden(
            name: "Triple with both names",
            operation: triple,
            code: 0,
            edit: { $0.requestID = 7 },
            names: .both,
            wanted: [
                "rpc.system": "grpc", "rpc.service": "com.example.Greeter", "rpc.grpc.status_code": "0",
                "rpc.system.name": "grpc", "rpc.method": "com.example.Greeter/greet",
                "rpc.response.status_code": "OK", "dubbo.request_id": "", "weir.stream_id": "7",
                "dubbo.version": "", "dubbo.group": "",
            ]
        ),
        Golden(
            name: "JSON-RPC with a text as its id",
            operation: json,
            code: 0,
            edit: { $0.marks = .hasTextID },
            texts: [(.requestID, "\"r-1\"")],
            names: .both,
            wanted: [
                "rpc.system": "jsonrpc", "rpc.method": "add", "rpc.service": "", "rpc.jsonrpc.request_id": "r-1",
                "jsonrpc.request.id": "r-1", "rpc.jsonrpc.error_code": "", "rpc.response.status_code": "",
            ]
        ),
        Golden(
            name: "JSON-RPC with an escape in its id",
            operation: json,
            code: 0,
            edit: { $0.marks = .hasTextID },
            texts: [(.requestID, "\"a\\nb\"")],
            wanted: ["rpc.jsonrpc.request_id": "\"a\\nb\""]
        ),
        Golden(
            name: "a JSON-RPC notification",
            operation: json,
            outcome: .oneway,
            code: ResultCode.none,
            edit: { $0.marks = .hasTextID },
            wanted: ["rpc.jsonrpc.request_id": "", "weir.outcome": "oneway"]
        ),
        Golden(
            name: "JSON-RPC with an error",
            operation: json,
            outcome: .clientError,
            code: -32_601,
            edit: { $0.requestID = 9 },
            names: .both,
            wanted: [
                "rpc.jsonrpc.request_id": "9", "rpc.jsonrpc.error_code": "-32601", "error.type": "-32601",
                "rpc.response.status_code": "-32601",
            ],
            isError: true
        ),
    ]

    private static let registered: [Golden] = [
        Golden(
            name: "a registered protocol",
            operation: Operation(
                callProtocol: ToyProtocol.callProtocol ?? .dubbo,
                interface: "com.example.Greeter",
                version: "",
                group: "",
                method: "greet"
            ),
            outcome: .serverError,
            code: 9,
            edit: { $0.requestID = 3 },
            names: .both,
            wanted: [
                "rpc.system": "toy", "rpc.system.name": "toy", "rpc.service": "com.example.Greeter",
                "rpc.method": "com.example.Greeter/greet",
                "toy.number": "3", "rpc.response.status_code": "SAD", "error.type": "SAD", "dubbo.request_id": "",
                "weir.stream_id": "",
            ],
            isError: true
        )
    ]

    private static let ends: [Golden] = [
        Golden(
            name: "an exception of the application",
            outcome: .businessError,
            texts: [(.exception, "com.example.Sold")],
            names: .current,
            wanted: ["error.type": "com.example.Sold", "rpc.response.status_code": "OK"],
            isError: true,
            events: ["exception com.example.Sold"]
        ),
        Golden(
            name: "an exception of unknown class, seen by the caller",
            side: .consumer,
            outcome: .businessError,
            wanted: ["error.type": "business_error"],
            isError: true
        ),
        Golden(
            name: "an unanswered call",
            outcome: .unanswered,
            code: ResultCode.none,
            wanted: ["error.type": "unanswered", "dubbo.status_code": ""],
            isError: true
        ),
        Golden(
            name: "a call over a limit, served",
            outcome: .limited,
            code: 100,
            edit: { $0.marks = .isRejected },
            wanted: ["error.type": "", "weir.outcome": "limited"],
            events: ["weir.rejected limited"]
        ),
        Golden(
            name: "a call over a limit, made",
            side: .consumer,
            outcome: .limited,
            code: 100,
            edit: { $0.marks = .isRejected },
            wanted: ["error.type": "SERVER_THREADPOOL_EXHAUSTED_ERROR"],
            isError: true,
            events: ["weir.rejected limited"]
        ),
        Golden(
            name: "a lost call",
            outcome: .lost,
            code: ResultCode.none,
            wanted: ["error.type": "lost"]
        ),
        Golden(
            name: "a late reply to a retry",
            outcome: .timeout,
            code: ResultCode.none,
            edit: {
                $0.marks = [.isRetry, .hasLateReply]
                $0.previousAttempts = 2
                $0.lateReply = 9_000_000_000
            },
            wanted: ["error.type": "timeout"],
            isError: true,
            events: ["weir.retry 2", "weir.late_reply 8.0"]
        ),
        Golden(
            name: "a generic stream whose times are known",
            operation: triple,
            code: 0,
            edit: {
                $0.marks = [.isGeneric, .isStream, .isKept, .isInjected]
                $0.streamedRequests = 3
                $0.streamedResponses = 4
                $0.requestEnd = 1_250_000_000
                $0.replyStart = 1_500_000_000
                $0.behindBytes = 4_096
            },
            wanted: [
                "dubbo.generic": "true", "weir.stream.requests": "3", "weir.stream.responses": "4",
                "weir.kept": "true", "weir.injected": "true", "weir.time.request_transfer": "0.25",
                "weir.time.service": "0.25", "weir.time.response_transfer": "0.5", "weir.behind_bytes": "4096",
            ]
        ),
    ]

    private static let contexts: [Golden] = [
        Golden(
            name: "other tracers' contexts",
            texts: [
                (.sw8, "1-NWUzMDZjNzdmY2I2-c2Vn-3-c2Vy-aW5z-ZW5k-YWRk"), (.eagleEyeTraceID, "0a0f1e"),
                (.eagleEyeRPCID, "0.1.2"), (.transaction, "10.0.0.1:8091:77"), (.attachment, "0"),
            ],
            wanted: [
                "sw8": "1-NWUzMDZjNzdmY2I2-c2Vn-3-c2Vy-aW5z-ZW5k-YWRk", "sw8.trace_id": "5e306c77fcb6",
                "eagleeye.trace_id": "0a0f1e", "eagleeye.rpc_id": "0.1.2", "seata.xid": "10.0.0.1:8091:77",
                "dubbo.attachment.tenant": "0", "dubbo.attachment.region": "",
            ]
        ),
        Golden(
            name: "the peer of a provider over IPv4",
            edit: {
                $0.marks = .hasEnds
                $0.client = Endpoint(ipv4: 0x0a00_0001, port: 40_000)
                $0.server = Endpoint(ipv4: 0x0a00_0002, port: 20_880)
            },
            wanted: [
                "network.peer.address": "10.0.0.1", "network.peer.port": "40000", "network.type": "ipv4",
                "network.transport": "tcp",
            ]
        ),
        Golden(
            name: "the peer of a consumer over IPv6",
            side: .consumer,
            edit: {
                $0.marks = .hasEnds
                $0.client = Endpoint(high: 0x2001_0db8_0000_0000, low: 1, port: 40_000)
                $0.server = Endpoint(high: 0x2001_0db8_0000_0000, low: 2, port: 20_880)
            },
            wanted: [
                "network.peer.address": "2001:db8::2", "network.peer.port": "20880", "network.type": "ipv6",
            ]
        ),
        Golden(name: "nothing known of the peer", wanted: ["network.peer.address": "", "network.type": ""]),
        Golden(
            name: "an unknown serialization",
            edit: { $0.serialization = 19 },
            wanted: ["dubbo.serialization": "19"]
        ),
    ]

    @Test("a call becomes the span it should", arguments: plain + registered + ends + contexts)
    func goldens(_ golden: Golden) {
        let span = Self.span(golden)
        let found = Dictionary(
            uniqueKeysWithValues: span.attributes.map { ($0.key, Self.spelled($0.value.value)) }
        )
        for (key, value) in golden.wanted { #expect(found[key] ?? "" == value, "\(key)") }
        #expect((span.status.code == .error) == golden.isError)
        #expect(span.kind == (golden.side == .provider ? .server : .client))
        let bare = golden.operation.interface.isEmpty
        #expect(span.name == (bare ? "add" : "com.example.Greeter/greet"))
        let events = span.events.map { event in
            ([event.name] + event.attributes.map { Self.spelled($0.value.value) }).joined(separator: " ")
        }
        #expect(events == golden.events)
    }

    /// What a key's value has to be wherever it appears; keys that end in a point are families.
    private static let schema: [(String, String)] = [
        ("rpc.grpc.status_code", "int"), ("rpc.jsonrpc.error_code", "int"), ("rpc.", "string"),
        ("jsonrpc.request.id", "string"), ("error.type", "string"), ("network.peer.port", "int"),
        ("network.", "string"), ("dubbo.request_id", "int"), ("dubbo.status_code", "int"), ("dubbo.generic", "bool"),
        ("dubbo.", "string"), ("sw8", "string"), ("sw8.trace_id", "string"), ("eagleeye.", "string"),
        ("seata.xid", "string"), ("weir.outcome", "string"), ("weir.caller", "string"), ("weir.time.", "double"),
        ("weir.request.bytes", "int"), ("weir.response.bytes", "int"), ("weir.behind_bytes", "int"),
        ("weir.stream", "int"), ("weir.kept", "bool"), ("weir.injected", "bool"),
    ]

    @Test("every attribute has a known key and always the same type", arguments: plain + ends + contexts)
    func types(_ golden: Golden) throws {
        let attributes = Self.span(golden).attributes
        for attribute in attributes {
            let type = try #require(
                Self.schema.first { key, _ in
                    key.hasSuffix(".") || key == "weir.stream"
                        ? attribute.key.hasPrefix(key) : attribute.key == key
                },
                "\(attribute.key) is in no schema"
            ).1
            #expect(Self.type(attribute.value.value) == type, "\(attribute.key)")
        }
        #expect(Set(attributes.map(\.key)).count == attributes.count)
    }

    @Test("ids, times and flags are the facts'")
    func header() {
        var golden = Golden(name: "", texts: [(.tracestate, "vendor=1")], wanted: [:])
        golden.edit = { $0.marks = .isKept }
        let span = Self.span(golden)
        #expect(hexText(span.traceID) == "00000000000000010000000000000002")
        #expect(hexText(span.spanID) == "0000000000000003")
        #expect(span.parentSpanID.isEmpty)
        #expect(span.startTimeUnixNano == 1_700_000_001_000_000_000)
        #expect(span.endTimeUnixNano == 1_700_000_002_000_000_000)
        #expect(span.traceState == "vendor=1")
        #expect(span.flags == 0)
        golden.edit = { $0.parentSpanID = 4 }
        let child = Self.span(golden)
        #expect(hexText(child.parentSpanID) == "0000000000000004")
        #expect(child.flags == 0x301)
    }

    @Test("bytes that are no text are repaired")
    func oddBytes() throws {
        var texts: [UInt8] = []
        SpanTexts.append(.caller, ([0x73, 0xff, 0x00, 0x0a, 0xc3] as [UInt8]).span.bytes, to: &texts)
        let facts = Fixture().facts(1)
        let span = SpanConventions().span(facts, texts: texts[...], operation: .greeting, offset: 0)
        let caller = try #require(span.attributes.first { $0.key == "weir.caller" })
        #expect(caller.value.stringValue == "s\u{fffd}\0\n\u{fffd}")
        let bytes: [UInt8] = try span.serializedBytes()
        #expect(!bytes.isEmpty)
    }

    @Test("texts that are cut or foreign do no harm")
    func brokenTexts() {
        var random = SeededRandom(seed: 1)
        for count in 0..<2_000 {
            let texts = (0..<count % 40).map { _ in UInt8.random(in: 0...12, using: &random) }
            let span = SpanConventions(attachments: ["a"])
                .span(Fixture().facts(1), texts: texts[...], operation: .greeting, offset: -5)
            #expect(!span.name.isEmpty)
        }
    }

    @Test("a capture's times are since 1970 already")
    func wallClock() {
        var golden = Golden(name: "", texts: [], wanted: [:])
        golden.edit = {
            $0.call.clock = .wall
            $0.marks = .hasLateReply
            $0.lateReply = 7_000_000_000
        }
        let span = Self.span(golden)
        #expect(span.startTimeUnixNano == 1_000_000_000 && span.endTimeUnixNano == 2_000_000_000)
        #expect(span.events.map(\.timeUnixNano) == [7_000_000_000])
        golden.edit = {
            $0.marks = .hasLateReply
            $0.lateReply = 7_000_000_000
        }
        #expect(Self.span(golden).events.map(\.timeUnixNano) == [1_700_000_007_000_000_000])
    }

    private static func span(_ golden: Golden) -> OTLPSpan {
        let call = FinishedCall(
            operation: OperationID(rawValue: 0),
            side: golden.side,
            outcome: golden.outcome,
            code: golden.code,
            startNanoseconds: 1_000_000_000,
            durationNanoseconds: 1_000_000_000,
            requestBytes: 100,
            responseBytes: 200
        )
        var facts = SpanFacts(call: call, traceID: TraceID(high: 1, low: 2), spanID: 3, parentSpanID: 0)
        golden.edit(&facts)
        return SpanConventions(names: golden.names, attachments: ["tenant", "region"]).span(
            facts,
            texts: texts(golden.texts)[...],
            operation: golden.operation,
            offset: 1_700_000_000_000_000_000
        )
    }

    private static func spelled(_ value: Opentelemetry_Proto_Common_V1_AnyValue.OneOf_Value?) -> String {
        switch value {
        case .stringValue(let text): text
        case .intValue(let number): String(number)
        case .doubleValue(let number): String(number)
        case .boolValue(let isSo): String(isSo)
        default: "?"
        }
    }

    private static func type(_ value: Opentelemetry_Proto_Common_V1_AnyValue.OneOf_Value?) -> String {
        switch value {
        case .stringValue: "string"
        case .intValue: "int"
        case .doubleValue: "double"
        case .boolValue: "bool"
        default: "?"
        }
    }
}
