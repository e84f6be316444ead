import JSONRPC
import TestSupport
import Testing
import Wire

/// What is read of `params`: a name, and the trace context in `_meta`.
@Suite struct JSONParameterTests {
    struct Read: Equatable {
        var name: String
        var traceparent: String
        var tracestate: String
    }

    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    /// One message in pieces.
    private func read(_ text: String, piece: Int? = nil, with scanner: inout JSONScanner) -> Read? {
        let bytes = Array(text.utf8)
        scanner.begin(.single)
        for start in stride(from: 0, to: bytes.count, by: piece ?? bytes.count) {
            let part = Array(bytes[start..<min(bytes.count, start + (piece ?? bytes.count))])
            var at = 0
            while at < part.count { guard (try? scanner.read(part.span.bytes, &at)) != nil else { return nil } }
        }
        guard (try? scanner.finish()) != nil else { return nil }
        return scanner.withTraceContext { parent, state in
            Read(name: scanner.parameterName.text, traceparent: parent.text, tracestate: state.text)
        }
    }

    static let messages: [(params: String, name: String, traceparent: String, tracestate: String)] = [
        (#"{"name":"add"}"#, "add", "", ""), (#"{"arguments":{"name":"no","_meta":{}},"name":"add"}"#, "add", "", ""),
        (#"{"name":"a\u0064d\n","arguments":{"x":[{"name":"no"}]}}"#, "add\n", "", ""),
        (#"{"name":"one","name":"two"}"#, "two", "", ""), (#"{"name":"one","name":7}"#, "", "", ""),
        (#"{"name":{"name":"no"}}"#, "", "", ""), (#"["name",{"name":"no"}]"#, "", "", ""), (#""name""#, "", "", ""),
        (#"{"_meta":{"traceparent":"\#(parent)"},"name":"add"}"#, "add", parent, ""),
        (
            #"{"name":"add","_meta":{"a":{"traceparent":"no"},"tracestate":"x=1,y=2","traceparent":"\#(parent)"}}"#,
            "add", parent, "x=1,y=2"
        ),
        (#"{"_meta":{"progressToken":1,"traceparent":7,"b":[{"tracestate":"no"}],"tracestate":"s"}}"#, "", "", "s"),
        (#"{"_meta":[{"traceparent":"no"}],"traceparent":"no"}"#, "", "", ""),
        (#"{"a":{"_meta":{"traceparent":"no"}},"_metal":{"traceparent":"no"}}"#, "", "", ""),
        (#"{"_meta":{"traceparents":"no","tracepare":"no","tracestate":"","name":"no"}}"#, "", "", ""),
        (#"{"\u006eame":"escaped","_\u006deta":{"trace\u0070arent":"t"}}"#, "escaped", "t", ""),
        (#"{"name":"\#(String(repeating: "n", count: 255))"}"#, String(repeating: "n", count: 255), "", ""),
        (#"{"name":"\#(String(repeating: "n", count: 256))","_meta":{"tracestate":"s"}}"#, "", "", "s"),
        (#"{"_meta":{"traceparent":"\#(String(repeating: "t", count: 129))","tracestate":"s"}}"#, "", "", "s"),
        (#"{"_meta":{"tracestate":"\#(String(repeating: "t", count: 513))","traceparent":"p"}}"#, "", "p", ""),
    ]

    @Test("the members that count are read and no others, however they are cut", arguments: messages)
    func everySplit(_ row: (params: String, name: String, traceparent: String, tracestate: String)) {
        let expected = Read(name: row.name, traceparent: row.traceparent, tracestate: row.tracestate)
        var scanner = JSONScanner()
        for text in [
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(row.params)}"#,
            #"{"params":\#(row.params),"error":{"code":1},"jsonrpc":"2.0","method":"tools/call","x":{"name":"no"}}"#,
            #"{"params":{"name":"before","_meta":{"tracestate":"b"}},"params":\#(row.params)}"#,
        ] {
            #expect(read(text, with: &scanner) == expected)
            for piece in [1, 2, 3, 7] { #expect(read(text, piece: piece, with: &scanner) == expected, "\(piece)") }
        }
        // Nothing is left of it for the next.
        #expect(read("{\"method\":\"a\"}", with: &scanner) == Read(name: "", traceparent: "", tracestate: ""))
    }

    @Test("members of a batch have their tools")
    func batch() throws {
        let text =
            #"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}},"#
            + #"{"jsonrpc":"2.0","id":2,"params":{"name":"get"},"method":"prompts/get"},"#
            + #"{"jsonrpc":"2.0","id":3,"method":"tools/call"}]"#
        var scanner = JSONScanner()
        var batch = JSONRPCBatch()
        let bytes = Array(text.utf8)
        var at = 0
        while at < bytes.count {
            if try scanner.read(bytes.span.bytes, &at) == .batchMember { batch.append(scanner) }
        }
        let tools = batch.members.map { member in batch.withText { $0.slice(member.tool).text } }
        #expect(tools == ["add", "", ""])
    }
}
