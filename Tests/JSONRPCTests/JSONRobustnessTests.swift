import Foundation
import JSONRPC
import TestSupport
import Testing
import Wire

/// Writes random JSON with the members that count strewn in.
private struct RandomJSON {
    var random: SeededRandom
    private static let names = [
        "method", "id", "error", "result", "code", "params", "jsonrpc", "x", "", "\\u006dethod",
    ]
    private static let strings = [
        "", "a", "2.0", "com.x.Service", "\\n\\\"\\\\\\/\\b\\f\\r\\t", "é", "中文字符很长的一段文字", "😀", "\\ud83d\\ude00",
        "\\u0041b",
        "a long plain text without anything special in it, over several words", "\u{7f}",
    ]
    private static let numbers = ["0", "-0", "1", "-32601", "12.5", "1e3", "1E-3", "-2.50e+10", "9007199254740993"]

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    mutating func pick(_ list: [String]) -> String { list[Int.random(in: 0..<list.count, using: &random)] }
    mutating func space() -> String {
        Int.random(in: 0..<4, using: &random) == 0 ? pick([" ", "\n", "\t\r\n", "          "]) : ""
    }

    mutating func value(_ depth: Int) -> String {
        let kind = Int.random(in: 0..<(depth > 4 ? 4 : 8), using: &random)
        switch kind {
        case 0: return pick(Self.numbers)
        case 1: return pick(["true", "false", "null"])
        case 2, 3: return "\"" + pick(Self.strings) + pick(Self.strings) + "\""
        case 4, 5:
            let members = (0..<Int.random(in: 0..<6, using: &random)).map { _ in
                space() + "\"" + pick(Self.names) + "\"" + space() + ":" + space() + value(depth + 1) + space()
            }
            return "{" + space() + members.joined(separator: ",") + "}"
        default:
            let members = (0..<Int.random(in: 0..<5, using: &random)).map { _ in space() + value(depth + 1) + space() }
            return "[" + space() + members.joined(separator: ",") + "]"
        }
    }
}

@Suite struct JSONRobustnessTests {
    private func isJSONForFoundation(_ bytes: [UInt8]) -> Any? {
        try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
    }

    /// What Foundation says of the same messages.
    private func check(_ found: Found, _ object: Any, _ text: String) {
        guard let message = object as? [String: Any] else {
            #expect(found.facts.form != .object, "\(text)")
            return
        }
        #expect(found.facts.form == .object, "\(text)")
        #expect((found.facts.method == .text) == (message["method"] is String), "\(text)")
        if let method = message["method"] as? String { #expect(found.method == method, "\(text)") }
        #expect((found.facts.result != .absent) == (message["result"] != nil), "\(text)")
        #expect((found.facts.error != .absent) == (message["error"] != nil), "\(text)")
        #expect((found.facts.params != .absent) == (message["params"] != nil), "\(text)")
        #expect((found.facts.version == .two) == (message["jsonrpc"] as? String == "2.0"), "\(text)")
        switch message["id"] {
        case nil: #expect(found.facts.id == .absent, "\(text)")
        case is NSNull: #expect(found.facts.id == .null, "\(text)")
        case is String: #expect(found.facts.id == .string, "\(text)")
        case is [Any]: #expect(found.facts.id == .array, "\(text)")
        case is [String: Any]: #expect(found.facts.id == .object, "\(text)")
        default: #expect(found.facts.id == .number || found.facts.id == .boolean, "\(text)")
        }
        if found.facts.id == .string || found.facts.id == .number {
            let id = isJSONForFoundation(Array(found.id.utf8)) as? NSObject
            #expect(id == message["id"] as? NSObject, "\(text)")
        }
        if let code = found.facts.errorCode, code.magnitude < 1_000_000 {
            #expect((message["error"] as? [String: Any])?["code"] as? Int == Int(code), "\(text)")
        }
    }

    @Test("random JSON gives what Foundation finds, whole and in pieces")
    func differential() {
        let seed: UInt64 = 0x5eed_0032
        var random = RandomJSON(seed: seed)
        for round in 0..<3000 {
            let text = random.space() + random.value(round % 3 == 0 ? 3 : 0) + random.space()
            let bytes = Array(text.utf8)
            let whole = scan([bytes[...]])
            #expect(whole.fault == nil, "seed \(seed) round \(round): \(text)")
            let size = Int.random(in: 1...20, using: &random.random)
            #expect(scan(pieces(bytes, of: size)) == whole, "seed \(seed) round \(round): \(text)")
            guard let object = isJSONForFoundation(bytes) else {
                Issue.record("Foundation refuses \(text)")
                continue
            }
            if let members = object as? [Any] {
                #expect(whole.found.count == members.count, "\(text)")
                for (found, member) in zip(whole.found, members) { check(found, member, text) }
            } else {
                check(whole.found[0], object, text)
            }
        }
    }

    @Test("damaged JSON is refused when Foundation refuses it, and found wrong at one place in any pieces")
    func damaged() {
        let seed: UInt64 = 0x5eed_0033
        var random = RandomJSON(seed: seed)
        let alphabet = Array("{}[]\",:\\u0123456789-+.eEtrufalsn \n\t\u{1}中".utf8) + [0xff, 0x80, 0xc0, 0xed]
        var refused = 0
        for round in 0..<6000 {
            var bytes = Array(random.value(0).utf8)
            for _ in 0..<Int.random(in: 1...2, using: &random.random) where !bytes.isEmpty {
                let at = Int.random(in: 0..<bytes.count, using: &random.random)
                let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &random.random)]
                switch Int.random(in: 0..<4, using: &random.random) {
                case 0: bytes[at] = byte
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(byte, at: at)
                default: bytes.removeSubrange(at...)
                }
            }
            let whole = scan([bytes[...]])
            let size = Int.random(in: 1...9, using: &random.random)
            #expect(scan(pieces(bytes, of: size)) == whole, "seed \(seed) round \(round): \(hexText(bytes))")
            let stream = scan([bytes[...]], .stream)
            #expect(scan(pieces(bytes, of: size), .stream) == stream, "seed \(seed) round \(round): \(hexText(bytes))")
            if whole.fault != nil { refused += 1 }
            // Foundation takes other encodings and refuses numbers and surrogates that RFC 8259 leaves open.
            guard !bytes.isEmpty, !bytes.contains(0), !bytes.contains(where: { $0 >= 0xfe }) else { continue }
            if whole.fault != nil {
                #expect(isJSONForFoundation(bytes) == nil, "seed \(seed) round \(round): \(hexText(bytes))")
            }
        }
        #expect(refused > 2000)
    }

    @Test("bytes without sense never crash")
    func garbage() {
        var random = SeededRandom(seed: 0x5eed_0034)
        let alphabet = Array("{}[]\",:\\u0aD8dc-+.eEtrufalsn \n{{{[[[\"\"\"::,,".utf8)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0..<60, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                    : UInt8.random(in: 0...255, using: &random)
            }
            #expect(scan(pieces(bytes, of: 3), .stream) == scan([bytes[...]], .stream), "\(hexText(bytes))")
        }
    }

    @Test("plain characters end where the first special byte is, at every place and alignment")
    func specialBytes() {
        for special: UInt8 in [0x00, 0x09, 0x1f, 0x0a] {
            for count in 0..<40 {
                for tail in 0..<20 {
                    let text = "\"" + String(repeating: "~", count: count)
                    let bytes = Array(text.utf8) + [special] + [UInt8](repeating: 0x21, count: tail)
                    let scan = scan([bytes[...]])
                    #expect(scan.fault == .controlInString)
                }
            }
        }
        for filler in ["é", "中", "😀", "\u{7f}", "\\n", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{10ffff}"] {
            for count in 0..<20 {
                let text =
                    #"{"method":""# + String(repeating: "a", count: count) + String(repeating: filler, count: 9) + "\"}"
                let expected =
                    String(repeating: "a", count: count) + String(repeating: filler == "\\n" ? "\n" : filler, count: 9)
                #expect(scan(text).found.first?.method == expected)
            }
        }
    }

    @Test(
        "what is not UTF-8 is refused wherever it is cut",
        arguments: [
            "80", "bf", "c0 80", "c1 bf", "c2 22", "c2 c2", "e0 80 80", "e0 9f bf", "e4 b8", "e4 22 22", "ed a0 80",
            "ed bf bf", "f0 80 80 80", "f0 8f bf bf", "f4 90 80 80", "f5 80 80 80", "f8 88 80 80 80", "ff", "fe",
            "f0 9f 98",
            "e4 b8 41", "f0 9f 98 41",
        ]
    )
    func badUTF8(text: String) {
        for padding in [0, 1, 5, 12, 40] {
            let bytes =
                [0x22] + [UInt8](repeating: 0x61, count: padding) + hex("e4b8ad") + hex(text) + hex("e4b8ad2261616161")
            for size in [1, 2, 3, 100] {
                #expect(scan(pieces(bytes, of: size)).fault == .badUTF8, "\(padding) \(size)")
            }
        }
    }
}

@Suite struct JSONAllocationTests {
    private func allocations(_ texts: [String], cut: Int? = nil) -> Int {
        var scanner = JSONScanner(.stream)
        var batch = JSONRPCBatch()
        let pieces = texts.flatMap { text in
            let bytes = Array(text.utf8) + [0x0a]
            return [Array(bytes[..<(cut ?? bytes.count)]), Array(bytes[(cut ?? bytes.count)...])]
        }
        var keys: UInt64 = 0
        var errors = 0
        func round() {
            var index = 0
            while index < pieces.count {
                let piece = pieces[index]
                index &+= 1
                var at = 0
                while at < piece.count {
                    switch try? scanner.read(piece.span.bytes, &at) {
                    case .message: keys &+= JSONRPCID.key(of: scanner) ?? 0
                    case .batchMember: batch.append(scanner)
                    case .batchEnd: batch.removeAll()
                    case .lineEnd, .needsMore: break
                    case nil:
                        errors &+= 1
                        at = piece.count
                    }
                }
            }
        }
        for _ in 0..<3 { round() }
        #expect(errors == 0)
        return TestSupport.allocations {
            var count = 0
            while count < 100 {
                round()
                count &+= 1
            }
        }
    }

    @Test("messages cost no allocation, whole or split")
    func steadyState() {
        #if DEBUG
            // Not optimised, typed throws and borrowed spans cost some.
            return
        #else
            #expect(allocations(messages) == 0)
            for cut in 1..<messages[1].utf8.count { #expect(allocations([messages[1]], cut: cut) == 0) }
        #endif
    }
}
