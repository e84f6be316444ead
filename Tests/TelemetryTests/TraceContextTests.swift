import Calls
import Testing
import Wire

@Suite struct TraceContextTests {
    struct Example: CustomTestStringConvertible, Sendable {
        var text: String
        /// Trace, span and decision; `nil` where the text is none.
        var expected: String?
        var testDescription: String { text }
    }

    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    private static func text(_ context: TraceContext?) -> String? {
        guard let context else { return nil }
        return "\(context.traceID.text) \(TraceID.hex(context.spanID)) \(context.decision)"
    }

    @Test(
        "W3C traceparent",
        arguments: [
            Example(text: "00-\(trace)-00f067aa0ba902b7-01", expected: "\(trace) 00f067aa0ba902b7 sampled"),
            Example(text: "00-\(trace)-00f067aa0ba902b7-00", expected: "\(trace) 00f067aa0ba902b7 notSampled"),
            Example(
                text: "00-\(trace.uppercased())-00F067AA0BA902B7-03",
                expected: "\(trace) 00f067aa0ba902b7 sampled"
            ),
            Example(text: "cc-\(trace)-00f067aa0ba902b7-01-what-comes", expected: "\(trace) 00f067aa0ba902b7 sampled"),
            Example(text: "cc-\(trace)-00f067aa0ba902b7-01", expected: "\(trace) 00f067aa0ba902b7 sampled"),
            Example(text: "00-\(trace)-00f067aa0ba902b7-01-x"),
            Example(text: "cc-\(trace)-00f067aa0ba902b7-01x"),
            Example(text: "ff-\(trace)-00f067aa0ba902b7-01"),
            Example(text: "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            Example(text: "00-\(trace)-0000000000000000-01"),
            Example(text: "00-\(trace.dropLast())g-00f067aa0ba902b7-01"),
            Example(text: "00-\(trace)-00f067aa0ba902b7-0"),
            Example(text: "00_\(trace)-00f067aa0ba902b7-01"),
            Example(text: "00-\(trace)-00f067aa0ba902b7-0J"),
            Example(text: ""),
        ]
    )
    func traceparent(_ example: Example) {
        let bytes = Array(example.text.utf8)
        #expect(Self.text(TraceContext(traceparent: bytes.span.bytes)) == example.expected)
    }

    @Test(
        "Jaeger's uber-trace-id",
        arguments: [
            Example(text: "\(trace):53ce929d0e0e4736:0:1", expected: "\(trace) 53ce929d0e0e4736 sampled"),
            Example(text: "\(trace)%3A53ce929d0e0e4736%3a0%3A01", expected: "\(trace) 53ce929d0e0e4736 sampled"),
            // jaeger-client-go does not pad.
            Example(text: "1d:2:0:0", expected: "0000000000000000000000000000001d 0000000000000002 notSampled"),
            Example(
                text: "a0123456789abcdef:f:3:3",
                expected: "000000000000000a0123456789abcdef 000000000000000f sampled"
            ),
            Example(text: "1:2:0:2", expected: "00000000000000000000000000000001 0000000000000002 sampled"),
            Example(text: "1:2:0:08", expected: "00000000000000000000000000000001 0000000000000002 notSampled"),
            Example(text: "1:2:0"),
            Example(text: "1:2:0:1:5"),
            Example(text: "0:2:0:1"),
            Example(text: "1:0:0:1"),
            Example(text: "1:2:0:"),
            Example(text: "1:2:0:100"),
            Example(text: "1x:2:0:1"),
            Example(text: "\(trace)0:2:0:1"),
            Example(text: "1:11112222333344445:0:1"),
            Example(text: "1%3B2:0:1"),
            Example(text: ""),
        ]
    )
    func uberTraceID(_ example: Example) {
        let bytes = Array(example.text.utf8)
        #expect(Self.text(TraceContext(uberTraceID: bytes.span.bytes)) == example.expected)
    }

    @Test(
        "B3 in one header",
        arguments: [
            Example(
                text: "\(trace)-00f067aa0ba902b7-1-05e3ac9a4f6e3b90",
                expected: "\(trace) 00f067aa0ba902b7 sampled"
            ),
            Example(text: "\(trace)-00f067aa0ba902b7-d", expected: "\(trace) 00f067aa0ba902b7 sampled"),
            Example(text: "\(trace)-00f067aa0ba902b7-0", expected: "\(trace) 00f067aa0ba902b7 notSampled"),
            Example(
                text: "a3ce929d0e0e4736-00f067aa0ba902b7",
                expected: "0000000000000000a3ce929d0e0e4736 00f067aa0ba902b7 deferred"
            ),
            Example(text: "0", expected: "00000000000000000000000000000000 0000000000000000 notSampled"),
            Example(text: "d", expected: "00000000000000000000000000000000 0000000000000000 sampled"),
            Example(text: "2"),
            Example(text: "\(trace)-00f067aa0ba902b7-x"),
            Example(text: "\(trace)-00f067aa0ba902b7-1-05e3"),
            Example(text: "\(trace)-00f067aa0ba902b7-1-05e3ac9a4f6e3b90-1"),
            Example(text: "a3ce929d0e0e473-00f067aa0ba902b7-1"),
            Example(text: "\(trace)-00f067aa0ba902b"),
            Example(text: "-"),
        ]
    )
    func b3(_ example: Example) {
        let bytes = Array(example.text.utf8)
        #expect(Self.text(TraceContext(b3: bytes.span.bytes)) == example.expected)
    }

    @Test("B3 in several headers")
    func b3Multi() {
        func read(_ trace: String, _ span: String, _ sampled: String, _ flags: String) -> String? {
            let (trace, span) = (Array(trace.utf8), Array(span.utf8))
            let (sampled, flags) = (Array(sampled.utf8), Array(flags.utf8))
            return Self.text(
                TraceContext(
                    b3TraceID: trace.span.bytes,
                    spanID: span.span.bytes,
                    sampled: sampled.span.bytes,
                    flags: flags.span.bytes
                )
            )
        }
        let span = "00f067aa0ba902b7"
        #expect(read(Self.trace, span, "1", "") == "\(Self.trace) \(span) sampled")
        #expect(read(Self.trace, span, "false", "") == "\(Self.trace) \(span) notSampled")
        #expect(read(Self.trace, span, "", "") == "\(Self.trace) \(span) deferred")
        #expect(read(Self.trace, span, "0", "1") == "\(Self.trace) \(span) sampled")
        #expect(read("", "", "0", "") == "\(String(repeating: "0", count: 32)) 0000000000000000 notSampled")
        #expect(read("", "", "", "") == nil)
        #expect(read(Self.trace, "", "1", "") == nil)
        #expect(read("", span, "1", "") == nil)
        #expect(read(Self.trace, span, "yes", "") == nil)
        #expect(read(Self.trace, span, "d", "") == nil)
    }

    @Test("what is written can be read")
    func roundTrip() {
        for decision in [TraceContext.Decision.sampled, .notSampled] {
            for high: UInt64 in [0x4bf9_2f35_77b3_4da6, 0] {
                let traceID = TraceID(high: high, low: 0xa3ce_929d_0e0e_4736)
                let context = TraceContext(traceID: traceID, spanID: 0x00f0_67aa_0ba9_02b7, decision: decision)
                var (parent, uber, b3): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
                context.appendTraceparent(to: &parent)
                context.appendUberTraceID(parent: 9, to: &uber)
                context.appendB3(to: &b3)
                #expect(TraceContext(traceparent: parent.span.bytes) == context)
                #expect(TraceContext(uberTraceID: uber.span.bytes) == context)
                #expect(TraceContext(b3: b3.span.bytes) == context)
            }
        }
    }

    @Test("sixteen hex digits, every byte in every place")
    func hex() {
        let digits = Array("0123456789abcdefABCDEF".utf8)
        for place in 0..<16 {
            for byte in UInt8.min...UInt8.max {
                var text = Array("0123456789abcdef".utf8)
                text[place] = byte
                let expected = digits.contains(byte) ? UInt64(String(decoding: text, as: UTF8.self), radix: 16) : nil
                #expect(text.span.bytes.hex64(at: 0) == expected)
                #expect(text.span.bytes.hexNumber == expected)
            }
        }
    }
}
