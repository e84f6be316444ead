import Foundation
import JSONRPC
import TestSupport
import Testing
import Wire

@Suite struct JSONScannerTests {
    @Test("the JSON test suite: what must be JSON is, what must not be is not")
    func testSuite() throws {
        guard let folder = corpus("json/JSONTestSuite") else { return }
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(files.count > 150)
        // Left open by the RFC: half surrogate pairs, any number, a byte order mark and 500 levels are taken, what is not UTF-8 is not.
        let refused: Set = [
            "i_string_UTF-16LE_with_BOM.json", "i_string_invalid_utf-8.json", "i_string_iso_latin_1.json",
            "i_string_lone_utf8_continuation_byte.json", "i_string_not_in_unicode_range.json",
            "i_string_overlong_sequence_2_bytes.json", "i_string_overlong_sequence_6_bytes.json",
            "i_string_overlong_sequence_6_bytes_null.json", "i_string_truncated-utf-8.json",
            "i_string_utf16BE_no_BOM.json", "i_string_utf16LE_no_BOM.json", "i_string_UTF8_surrogate_U+D800.json",
        ]
        for file in files where file.hasSuffix(".json") {
            let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(file)))
            let isJSON = file.hasPrefix("y_") || (file.hasPrefix("i_") && !refused.contains(file))
            let whole = scan([bytes[...]])
            #expect((whole.fault == nil) == isJSON, "\(file): \(String(describing: whole.error))")
            for size in [1, 2, 7, 64] where bytes.count < 20_000 || size > 2 {
                #expect(scan(pieces(bytes, of: size)) == whole, "\(file) in pieces of \(size)")
            }
        }
    }

    @Test("a message cut anywhere gives the same facts", arguments: messages)
    func everySplit(text: String) {
        let bytes = Array(text.utf8)
        let whole = scan([bytes[...]])
        #expect(whole.fault == nil)
        for cut in 1..<max(bytes.count, 1) { #expect(scan([bytes[..<cut], bytes[cut...]]) == whole, "cut at \(cut)") }
        for size in 1...9 { #expect(scan(pieces(bytes, of: size)) == whole, "pieces of \(size)") }
        // One scanner for all of them keeps nothing from one to the next.
        var scanner = JSONScanner()
        _ = scan([Array(messages[5].utf8)[...]], with: &scanner)
        #expect(scan([bytes[...]], with: &scanner) == whole)
    }

    @Test("a part of a message is truncated and nothing else", arguments: messages)
    func everyPrefix(text: String) {
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            let part = scan([bytes[..<count]])
            let isNumber = (text == "-1.5" && (count == 2 || count == 4))
            let isWhole = text.hasSuffix(" ") && count == bytes.count - 1
            #expect(part.fault == (isNumber || isWhole ? nil : .truncated), "\(count) bytes")
        }
    }

    @Test("texts are unescaped, ids are kept as they are, the last of equal names counts")
    func texts() {
        let first = scan(messages[1]).found[0]
        #expect(first.method == "a.b\n😀\u{fffd}x\u{fffd}é中😀")
        #expect(first.id == #""\u4e2d\"中\\""#)
        #expect(first.facts.version == .two)
        let second = scan(messages[2]).found[0]
        #expect(second.method == "two")
        #expect(second.id == "-1.50E-2")
        #expect(second.facts.params == .object)
        #expect(second.facts.error == .absent)
        let last = scan(messages[5]).found[0].facts
        #expect(last.error == .array)
        #expect(last.errorCode == nil)
        #expect(last.id == .array)
        #expect(last.method == .notText)
        #expect(last.version == .other)
        #expect(scan(#"{"method":"a","method":1}"#).found[0].method == "")
        #expect(scan(#"{"id":"a","id":{}}"#).found[0].id == "")
        #expect(scan(#"{"jsonrpc":2,"methods":"b","metho":"c","id\u0000":1}"#).found[0].facts.role == .neither)
        #expect(scan(#"{"id":7,"Id":8}"#).found[0].id == "7")
        #expect(scan(#"{"Id":8,"id":7}"#).found[0].id == "7")
        #expect(scan(#"{"Error":{"code":1},"ERROR":1,"Result":2}"#).found[0].facts.error == .absent)
    }

    @Test(
        "an error's code is a whole number at the top of the error",
        arguments: [
            ("-32601", -32601), ("1.0", 1), ("1.5", nil), ("1e3", nil), ("\"1\"", nil), ("null", nil), ("0", 0),
            ("-0", 0), ("2147483648", .max), ("-99999999999999999999999999", -.max), ("[1]", nil),
            ("{\"code\":1}", nil),
            ("1,\"code\":2", 2), ("1,\"code\":null", nil), ("[{\"code\":1}],\"c\":{\"code\":3}", nil),
        ] as [(String, Int32?)]
    )
    func codes(text: String, code: Int32?) {
        #expect(scan(#"{"id":1,"error":{"message":"code","code":\#(text)}}"#).found[0].facts.errorCode == code)
        #expect(scan(#"{"id":1,"result":{"code":\#(text)}}"#).found[0].facts.errorCode == nil)
        #expect(scan(#"{"error":{"code":9,"x":{"code":8}},"error":null,"id":1}"#).found[0].facts.errorCode == nil)
    }

    @Test("offsets count from the beginning and hold each message exactly")
    func offsets() {
        let text = "  {\"id\":1}\n[ {\"id\":2} , 3 ]\r\n4 "
        let bytes = Array(text.utf8)
        for size in 1...bytes.count {
            let scan = scan(pieces(bytes, of: size), .stream)
            let parts = scan.found.map {
                String(decoding: bytes[Int($0.facts.startOffset)..<Int($0.facts.endOffset)], as: UTF8.self)
            }
            #expect(parts == [#"{"id":1}"#, #"{"id":2}"#, "3", "4"])
            #expect(scan.ends == [10, 21, 25, 27, 30])
            #expect(scan.batches == [2])
        }
    }

    @Test("a stream has values by lines or back to back")
    func streams() {
        let lines = scan("{\"method\":\"a\"}\n{\"method\":\"b\"}\r\n\n[1]\n", .stream)
        #expect(lines.found.map(\.method) == ["a", "b", ""])
        #expect(lines.isLineDelimited)
        let close = scan("{\"method\":\"a\"}{\"method\":\"b\"}[1][]\"x\"{}", .stream)
        #expect(close.found.map(\.method) == ["a", "b", "", "", ""])
        #expect(close.batches == [1, 0])
        #expect(!close.isLineDelimited)
        #expect(close.fault == nil)
        #expect(scan("1 2\n3", .stream).found.count == 3)
        #expect(scan("", .stream).fault == nil)
        #expect(scan("{}{", .stream).fault == .truncated)
        #expect(scan("{},{}", .stream).fault == .unexpectedByte)
        #expect(scan("1{}", .stream).fault == .unexpectedByte)
        #expect(scan("true{}", .stream).fault == .unexpectedByte)
        #expect(scan("{}{}").fault == .trailingBytes)
        #expect(scan("").fault == .truncated)
    }

    @Test("a line's end is told once, behind the value")
    func lineEnds() throws {
        let bytes = Array("{} \r\n\n {}\n{}{}\n".utf8)
        var scanner = JSONScanner(.stream)
        var at = 0
        var ends: [Int] = []
        while at < bytes.count { if try scanner.read(bytes.span.bytes, &at) == .lineEnd { ends.append(at) } }
        #expect(ends == [5, 10, 15])
    }

    @Test("512 levels are allowed and no more", arguments: ["[", #"{"a":"#])
    func depth(opening: String) {
        let closing = opening == "[" ? "]" : "}"
        for (levels, error) in [(511, nil), (512, nil), (513, .tooDeep)] as [(Int, JSONError?)] {
            let value = String(repeating: opening, count: levels) + "1" + String(repeating: closing, count: levels)
            #expect(scan(value).fault == error)
        }
        #expect(scan("[" + #"{"a":["# + "}]]").fault == .unexpectedByte)
    }

    @Test("methods have at most 512 bytes and ids at most 256", arguments: [1, 9, 10_000])
    func lengths(size: Int) {
        for (count, isKept) in [(511, true), (512, true), (513, false)] {
            let name = String(repeating: "m", count: count)
            let found = scan(pieces(Array(#"{"jsonrpc":2,"method":"\#(name)","id":1}"#.utf8), of: size)).found[0]
            #expect(found.method == (isKept ? name : ""))
            #expect(found.facts.method == (isKept ? .text : .tooLong))
            #expect(found.facts.role == .request)
        }
        for (count, isKept) in [(255, true), (256, true), (257, false)] {
            let id = "\"" + String(repeating: "i", count: count - 2) + "\""
            let found = scan(pieces(Array(#"{"method":"m","id":\#(id)}"#.utf8), of: size)).found[0]
            #expect(found.id == (isKept ? id : ""))
            #expect(found.facts.isIDTooLong == !isKept)
            #expect((found.key != nil) == isKept)
        }
    }

    @Test("ids that mean the same have one key")
    func keys() {
        func key(_ id: String) -> UInt64? { scan(#"{"id":\#(id),"result":1}"#).found[0].key }
        let groups = [
            ["1", "1.0", "1e0", "10E-1", "0.1e+1", "1.000"], ["0", "-0", "0.0", "0e5", "-0.0e1"],
            ["-1", "-1.0", "-10e-1"],
            ["10", "1e1", "10.0", "0.01e3"], ["9007199254740993"], ["9007199254740992"], ["1e400"], ["1.5", "15e-1"],
            [#""1""#], [#""""#], [#""a""#, #""\u0061""#], [#""😀""#, #""\ud83d\uDE00""#],
            [#""\n\"\\/""#, #""\u000A\u0022\u005c\/""#],
            [#""\ud800x""#, #""\uFFFDx""#], ["null"], ["true"], ["false"], [#""null""#],
            [#""\#(String(repeating: "\\u0041", count: 42))""#, #""\#(String(repeating: "A", count: 42))""#],
        ]
        var seen = Set<UInt64>()
        for group in groups {
            let keys = Set(group.map(key))
            #expect(keys.count == 1, "\(group)")
            guard let key = keys.first, let key else { Issue.record("\(group) has no key"); continue }
            #expect(seen.insert(key).inserted, "\(group) is not alone")
        }
        #expect(key("{}") == nil)
        #expect(key("[1]") == nil)
        #expect(scan("{}").found[0].key == nil)
    }

    @Test("errors stay and have labels of their own")
    func errors() throws {
        var scanner = JSONScanner(.stream)
        var at = 0
        let wrong = Array("x".utf8)
        let right = Array("{}".utf8)
        #expect(throws: JSONError.unexpectedByte) { _ = try scanner.read(wrong.span.bytes, &at) }
        #expect(at == 0)
        #expect(throws: JSONError.unexpectedByte) { _ = try scanner.read(right.span.bytes, &at) }
        #expect(throws: JSONError.unexpectedByte) { _ = try scanner.finish() }
        scanner.begin(.stream)
        let progress = try scanner.read(right.span.bytes, &at)
        #expect(progress == .message)
        #expect(Set(JSONError.allCases.map(\.label.description)).count == JSONError.allCases.count)
    }
}
