import Hessian
import TestSupport
import Testing

@Suite struct HessianTextTests {
    @Test("content bytes become text, surrogate pairs one character, halves U+FFFD")
    func strings() {
        let cases: [(String, String)] = [
            ("", ""), ("616263", "abc"), ("c3a9e4b8ad", "é中"), ("eda0bdedb880", "😀"), ("61eda0bdedb88062", "a😀b"),
            ("eda0bd", "\u{fffd}"), ("edb880", "\u{fffd}"), ("edb880eda0bd", "\u{fffd}\u{fffd}"),
            ("eda0bdeda0bdedb880", "\u{fffd}😀"), ("f09f9880", "😀"), ("f09f9880eda0bdedb880", "😀😀"),
            ("ed9fbf", "\u{d7ff}"), ("ed9fbfeda0bd61", "\u{d7ff}\u{fffd}a"), ("ff61", "\u{fffd}a"),
            ("edafbfedbfbf", "\u{10ffff}"), ("eda080edb080", "\u{10000}"),
        ]
        for (bytes, text) in cases {
            #expect(HessianText.string(hex(bytes).span.bytes, maxBytes: 100) == text, "\(bytes)")
        }
    }

    @Test("the cap is in bytes of the result and never splits a character")
    func caps() {
        let contents = ["abcdef", "é中😀é中😀", "中中中中", "😀😀😀", "a😀"]
        for text in contents {
            let cesu = encoded { $0.string(text) }.dropFirst()
            for cap in -1...20 {
                let shown = HessianText.string(Array(cesu).span.bytes, maxBytes: cap)
                #expect(shown == prefix(of: text, cap), "\(text) \(cap)")
                #expect(HessianText.string(utf16: Array(text.utf16), maxBytes: cap) == shown)
                #expect(HessianText.string(Array(text.utf8).span.bytes, maxBytes: cap) == shown)
            }
            #expect(HessianText.string(Array(cesu).span.bytes, maxBytes: .max) == text)
        }
    }

    private func prefix(of text: String, _ cap: Int) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if result.utf8.count + String(scalar).utf8.count > cap { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    @Test("arbitrary bytes give text within the cap")
    func garbage() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...30, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? [0xed, 0xa0, 0xb0, 0x80][Int.random(in: 0...3, using: &random)]
                    : UInt8.random(in: 0...255, using: &random)
            }
            let cap = Int.random(in: 0...40, using: &random)
            #expect(HessianText.string(bytes.span.bytes, maxBytes: cap).utf8.count <= cap)
        }
    }

    @Test("a long text is read no further than its cap needs")
    func longText() {
        let bytes = [UInt8](repeating: 0x61, count: 1 << 20)
        #expect(HessianText.string(bytes.span.bytes, maxBytes: 3) == "aaa")
    }

    // MARK: Values for people

    @Test("values are shown close to JSON")
    func rendering() {
        let cases: [(String, String)] = [
            ("4e", "null"), ("54", "true"), ("46", "false"), ("c830", "48"), ("3c0800", "2048"),
            ("5f00002fda", "12.25"),
            ("447ff8000000000000", "nan"), ("4a000000d04b9284b8", "date(1998-05-08T09:51:31.000Z)"),
            ("03610a22", #""a\n\"""#), ("01eda0bd", "\"\u{fffd}\""), ("23010aff", "bytes(3: 010aff)"),
            ("20", "bytes(0)"),
            ("7a9192", "[1, 2]"), ("72045b696e749192", "int[] [1, 2]"), ("78", "[]"), ("485a", "{}"),
            ("48 0161 91 92 4e 5a", #"{"a": 1, 2: null}"#), ("4d 016d 91 92 5a", "m {1: 2}"),
            ("43 0163 92 0178 0179 60 91 5190", #"#0 c {"x": 1, "y": ref #0}"#), ("01 00", #""\u0000""#),
        ]
        for (bytes, text) in cases { #expect(decode(hex(bytes)).only?.rendered() == text, "\(bytes)") }
    }

    @Test("the text of a value is bounded in all, by string, by array and by depth")
    func renderingBounds() {
        let long = HessianValue.string(String(repeating: "中", count: 1000))
        #expect(long.rendered(maxTextBytes: 7) == "\"中中…\"")
        #expect(HessianValue.binary([UInt8](repeating: 0, count: 40)).rendered(maxBinaryBytes: 2) == "bytes(40: 0000…)")
        let list = HessianValue.list(HessianList(id: 0, elements: [HessianValue](repeating: long, count: 50)))
        for cap in [-1, 0, 1, 2, 3, 4, 10, 11, 12, 1000, 4096] {
            let text = list.rendered(maxBytes: cap)
            #expect(text.utf8.count <= max(0, cap))
            #expect(cap < 3 || text.hasSuffix("…"))
        }
        #expect(list.description.utf8.count <= 4096)
        let deep = decode([UInt8](repeating: 0x79, count: 200) + [0x4e]).only
        #expect(deep?.rendered() == String(repeating: "[", count: 64) + "…" + String(repeating: "]", count: 64))
        let name = String(repeating: "n", count: 600)
        let object = HessianValue.object(
            HessianObject(definition: HessianClass(name: name, fieldNames: [name]), id: 0, values: [.null])
        )
        #expect(object.rendered(maxTextBytes: 5) == #"nnnnn… {"nnnnn…": null}"#)
    }

    @Test("dates are spelled in ISO 8601")
    func dates() {
        let cases: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_225_920_095, "2026-11-21T01:52:00.095Z"), (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (253_402_300_800_000, "253402300800000"),
            (-62_167_219_200_001, "-62167219200001"), (.min, "-9223372036854775808"), (.max, "9223372036854775807"),
            (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"), (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
        ]
        for (date, text) in cases { #expect(HessianValue.date(date).rendered() == "date(\(text))", "\(date)") }
    }

    @Test("a field is found by its name")
    func fields() {
        guard case .object(let object)? = decode(hex("43 0163 92 0178 0179 60 91 5190")).only else {
            Issue.record("not an object")
            return
        }
        #expect(object["x"] == .int32(1) && object["y"] == .ref(0) && object["z"] == nil)
    }
}
