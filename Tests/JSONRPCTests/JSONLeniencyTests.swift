import JSONRPC
import TestSupport
import Testing
import Wire

/// What is no JSON and is accepted by a peer all the same.
@Suite struct JSONLeniencyTests {
    /// Calls of `sum` that one peer or another understands.
    static let examples = [
        #"{"jsonrpc":"2.0","method":"sum","params":[NaN,Infinity,-Infinity],"id":1}"#,
        #"{"jsonrpc":"2.0","params":{"a":+1,"b":.5,"c":2.,"d":007,"e":0x1F,"f":1e},"method":"sum","id":1}"#,
        #"{"jsonrpc":"2.0","method":"sum","id":1} {"more":1}"#, #"{"jsonrpc":"2.0","method":"sum","id":1}]}x"#,
        #"{"jsonrpc":"2.0","method":"sum","params":[1,2,],"id":1,}"#, #"{"params":[,],,"method":"sum","jsonrpc":0}"#,
        #"{/* the */"jsonrpc"/**/:"2.0",// first"# + "\n\"method\": # second\r\"sum\",\"params\":[/***/]}",
        #"/* first */ {"jsonrpc":"2.0","method":"sum"}"#, #"{'jsonrpc':'2.0','method':'sum','params':['"',"'"]}"#,
        #"{jsonrpc:"2.0",method:sum,params:[a,b],id:x}"#, #"{'meth\u006fd'='s\u0075m';"jsonrpc"=>"2.0"}"#,
        "{\"jsonrpc\":\"2.0\",\"params\":\"a\nb\tc\u{1}\",\"method\":\"sum\"}",
        #"{"jsonrpc":"2.0","params":"\x41\'\q","method":"sum"}"#, #"{"jsonrpc":"2.0","a":"\u12","method":"sum"}"#,
        "{\u{c}\"jsonrpc\":\u{b}\"2.0\",\"method\":\"sum\"}\u{0}",
        #"{"jsonrpc":"2.0","params":"# + String(repeating: "[", count: 900) + #"{"method":"]no","b":"\"]"}"#
            + String(repeating: "]", count: 900) + #","method":"sum"}"#,
        #"{"jsonrpc":"2.0","x":True,"y":undefined,"z":nul,"method":"sum"}"#,
        "{\"jsonrpc\":1,\"method\":\"sum\"}\u{0}\u{0}",
    ]

    @Test("a call that a peer understands is a call, cut at every place", arguments: examples)
    func calls(text: String) {
        let bytes = Array(text.utf8)
        let whole = scan([bytes[...]])
        #expect(whole.error == nil && whole.leniency != nil)
        #expect(whole.found.map(\.method) == ["sum"])
        #expect(whole.found.first?.facts.role == .request || whole.found.first?.facts.role == .notification)
        for cut in 0...bytes.count { #expect(scan([bytes[..<cut], bytes[cut...]]) == whole, "cut at \(cut)") }
        #expect(scan(pieces(bytes, of: 1)) == whole)
        let batch = Array("[1,".utf8) + bytes.prefix(bytes.lastIndex(of: 0x7d).map { $0 + 1 } ?? 0) + Array("]".utf8)
        if text.hasPrefix("{"), text.hasSuffix("}"), !text.contains("more") {
            #expect(scan([batch[...]]).found.map(\.method) == ["", "sum"])
        }
    }

    @Test("bytes that are no UTF-8 are a string's all the same, its quote never")
    func encoding() {
        for odd in ["ff", "c2", "e4b8", "80", "eda080", "f8888080", "c0af"] {
            let bytes = Array(#"{"jsonrpc":1,"a":""#.utf8) + hex(odd) + Array(#"","method":"sum"}"#.utf8)
            for size in [1, 2, 100] {
                let scan = scan(pieces(bytes, of: size))
                #expect(scan.leniency == .badUTF8 && scan.error == nil && scan.found.map(\.method) == ["sum"], "\(odd)")
            }
        }
    }

    @Test(
        "what nobody accepts is an error",
        arguments: ["{]", "[}", "{\"a\":1", "{\"a\" \"b\"}", "{\"a\":}", "/x", "[1 2]"]
    )
    func errors(text: String) { #expect(scan(text).error != nil) }

    @Test("an id that could not stand in a reply is not kept")
    func ids() {
        for id in ["'a'", "abc", "01", "NaN", "0x1", "+1"] {
            let found = scan(#"{"jsonrpc":1,"id":\#(id),"method":"sum"}"#).found[0]
            #expect(found.id == "" && found.key == nil && found.facts.role == .request, "\(id)")
        }
    }

    @Test("a byte order mark belongs to the value behind it", arguments: [JSONScanner.Framing.single, .stream])
    func mark(framing: JSONScanner.Framing) {
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        let value = Array(#"{"jsonrpc":"2.0","method":"sum","id":1}"#.utf8)
        let bytes = framing == .single ? mark + value : mark + value + [0x0a] + mark + [0x20] + value + value
        for size in 1...bytes.count {
            var scanner = JSONScanner(framing)
            let scan = scan(pieces(bytes, of: size), framing, with: &scanner)
            #expect(scan.fault == nil && scan.found.map(\.method) == Array(repeating: "sum", count: scan.found.count))
            #expect(scan.found.count == (framing == .single ? 1 : 3))
            #expect(scan.found.map { Int($0.facts.endOffset - $0.facts.startOffset) }.allSatisfy { $0 == value.count })
        }
        var scanner = JSONScanner(framing)
        _ = scan([(mark + value)[...]], framing, with: &scanner)
        #expect(scanner.valueStartOffset == 0)
        #expect(scan([mark[...]]).error == .truncated)
        #expect(scan([([0xef, 0xbb] as [UInt8] + value)[...]]).error == .unexpectedByte)
    }
}
