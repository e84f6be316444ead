import Hessian
import TestSupport
import Testing
import Wire

/// What an entry point came to, whatever pieces its bytes arrived in.
private struct Scanned: Equatable, CustomStringConvertible {
    var end = 0
    var isComplete = false
    var error: HessianError?
    var text: String?

    var description: String { "end \(end) complete \(isComplete) \(error.map { "\($0)" } ?? "") \(text ?? "-")" }
}

/// An entry point of the scanner.
private enum Entry: CaseIterable {
    case value
    case string
    case number
    case type
    case throwable
}

/// Feeds `bytes`, cut at `cuts`, to one entry point; further pieces are not given once it is complete.
private func scan(_ entry: Entry, _ bytes: [UInt8], cuts: [Int] = [], _ limits: HessianLimits = HessianLimits())
    -> Scanned
{
    var scanner = HessianScanner(limits: limits, keptBytes: 1 << 20)
    if entry == .throwable { scanner.beginThrowable() }
    var result = Scanned()
    var start = 0
    for end in cuts + [bytes.count] {
        let piece = Array(bytes[start..<end])
        var at = 0
        do throws(HessianError) {
            result.isComplete = try step(entry, &scanner, piece, &at, &result.text)
        } catch {
            result.error = error
        }
        result.end = result.error == nil ? start + at : -1
        if result.isComplete || result.error != nil { break }
        #expect(at == piece.count && scanner.isInsideValue, "an incomplete value leaves bytes behind")
        scanner.advanceBase(by: piece.count)
        start = end
    }
    if entry == .throwable, result.isComplete {
        let name = scanner.texts.bytes.slice(scanner.throwable.className).text
        result.text = name + "|" + (scanner.throwable.message.map { scanner.texts.bytes.slice($0).text } ?? "nil")
    }
    return result
}

private func step(
    _ entry: Entry,
    _ scanner: inout HessianScanner,
    _ piece: [UInt8],
    _ at: inout Int,
    _ text: inout String?
) throws(HessianError) -> Bool {
    switch entry {
    case .value, .throwable: return try scanner.skipValue(piece.span.bytes, &at)
    case .type: return try scanner.skipType(piece.span.bytes, &at)
    case .number:
        guard try scanner.number(piece.span.bytes, &at) else { return false }
        text = String(scanner.numberRead)
        return true
    case .string:
        switch try scanner.string(piece.span.bytes, &at) {
        case .incomplete: return false
        case .null: text = nil
        case .tooLong: text = "too long"
        case .text(let string):
            let content =
                string.isKept ? scanner.texts.bytes.slice(string.range).array : Array(piece[string.range.indices])
            text = hexText(content)
        }
        return true
    }
}

/// Every way to cut `count` bytes in two, or some of them when there are many; and pieces of one byte.
private func cuts(of count: Int, _ random: inout SeededRandom) -> [[Int]] {
    let all = count <= 200 ? Array(1..<max(count, 1)) : (0..<40).map { _ in Int.random(in: 1..<count, using: &random) }
    return all.map { [$0] } + [Array(1..<max(count, 1))]
}

private func expectSame(
    _ entry: Entry,
    _ bytes: [UInt8],
    _ random: inout SeededRandom,
    _ limits: HessianLimits = HessianLimits()
) {
    let whole = scan(entry, bytes, limits)
    for cuts in cuts(of: bytes.count, &random) {
        let split = scan(entry, bytes, cuts: cuts, limits)
        #expect(split == whole, "\(entry) \(hexText(bytes.prefix(64))) cut at \(cuts.prefix(3)) of \(bytes.count)")
    }
}

/// Whether the vector is Hessian as Dubbo has it; of the corpus' strings one holds a character of four bytes.
private func isReadable(_ vector: HessianVector) -> Bool { !vector.isError && vector.id != "rust/str8" }

@Suite struct HessianScannerTests {
    @Test("every vector is stepped over alike in one piece, in any two and in single bytes")
    func everySplit() {
        var random = SeededRandom(seed: 1)
        for vector in HessianVector.all {
            expectSame(.value, vector.bytes, &random, HessianLimits(maxDepth: 4096))
            let whole = scan(.value, vector.bytes, HessianLimits(maxDepth: 4096))
            if isReadable(vector) { #expect(whole.isComplete && whole.error == nil, "\(vector.id)") }
        }
    }

    @Test("every prefix of a vector is incomplete, never wrong")
    func everyPrefix() {
        for vector in HessianVector.all where isReadable(vector) && vector.bytes.count <= 200 {
            let whole = scan(.value, vector.bytes, HessianLimits(maxDepth: 4096))
            for count in 0..<whole.end {
                let prefix = scan(.value, Array(vector.bytes[..<count]), HessianLimits(maxDepth: 4096))
                #expect(prefix == Scanned(end: count), "\(vector.id) \(count)")
            }
        }
    }

    @Test("strings come back alike in any pieces, with the text that the decoder reads")
    func strings() {
        var random = SeededRandom(seed: 2)
        for vector in HessianVector.all where vector.type == "string" && isReadable(vector) {
            expectSame(.string, vector.bytes, &random)
            guard let units = vector.expected?.text, vector.bytes.count <= 200 else { continue }
            let content = scan(.string, vector.bytes).text.map { hex($0) } ?? []
            #expect(HessianText.string(content.span.bytes, maxBytes: 1 << 20) == units, "\(vector.id)")
        }
    }

    @Test(
        "what the string entry point takes",
        arguments: [
            ("00", ""), ("0161", "61"), ("30 03 616263", "616263"), ("53 0001 61", "61"),
            ("52 0001 61 0162", "6162"), ("52 0001 61 52 0001 62 53 0000", "6162"), ("52 0000 00", ""),
            ("02 eda0bd edb880", "eda0bdedb880"), ("02 c3a9 e4bda0", "c3a9e4bda0"), ("01 e4bda0", "e4bda0"),
            ("30 21 \(String(repeating: "61", count: 33))", String(repeating: "61", count: 33)),
        ]
    )
    func stringForms(bytes: String, text: String) {
        var random = SeededRandom(seed: 3)
        // A byte that is no part of it follows.
        let input = hex(bytes) + [0x90]
        #expect(scan(.string, input) == Scanned(end: input.count - 1, isComplete: true, text: text))
        expectSame(.string, input, &random)
    }

    @Test(
        "null is no string, anything else is an error",
        arguments: ["90", "41 0000 20", "48 5a", "79 0161", "20", "e0"]
    )
    func notStrings(bytes: String) {
        let lead = hex(bytes)[0]
        #expect(scan(.string, hex(bytes)).error == .badTag(tag: lead, offset: 0))
        #expect(scan(.string, [0x4e]) == Scanned(end: 1, isComplete: true))
    }

    @Test(
        "a byte that begins no character is an error at its place, in any pieces",
        arguments: ["80", "bf", "f0", "ff"]
    )
    func badText(byte: String) {
        var random = SeededRandom(seed: 4)
        let input = hex("03 61 c3a9 \(byte) 61")
        #expect(scan(.string, input).error == .badText(offset: 4))
        expectSame(.string, input, &random)
        #expect(scan(.value, input).error == .badText(offset: 4))
        expectSame(.value, input, &random)
        // A chunk must be followed by one of its own kind.
        #expect(scan(.string, hex("52 0001 61 2161")).error == .badTag(tag: 0x21, offset: 4))
        #expect(scan(.value, hex("41 0001 61 0161")).error == .badTag(tag: 0x01, offset: 4))
    }

    @Test("a string longer than the room for kept texts is stepped over and reported")
    func tooLong() throws {
        var scanner = HessianScanner(keptBytes: 8)
        let bytes = hex("09 616161616161616161 0162")
        var at = 0
        // In one piece nothing is kept.
        let whole = try scanner.string(bytes.span.bytes, &at)
        #expect(whole == .text(HessianStringRange(range: ByteRange(offset: 1, count: 9), isKept: false)) && at == 10)
        scanner.reset()
        let (front, back) = (Array(bytes[..<4]), Array(bytes[4...]))
        at = 0
        let first = try scanner.string(front.span.bytes, &at)
        #expect(first == .incomplete && at == 4)
        at = 0
        let second = try scanner.string(back.span.bytes, &at)
        #expect(second == .tooLong && at == 6 && scanner.texts.isEmpty)
        let third = try scanner.string(back.span.bytes, &at)
        #expect(third == .text(HessianStringRange(range: ByteRange(offset: 7, count: 1), isKept: false)))
    }

    @Test(
        "numbers of every int form",
        arguments: [
            ("80", -16), ("90", 0), ("bf", 47), ("c000", -2048), ("c7ef", -17), ("c830", 48), ("cfff", 2047),
            ("d00000", -262144), ("d40000", 0), ("d7ffff", 262143), ("49 00040000", 262144), ("49 ffffffff", -1),
            ("49 80000000", Int(Int32.min)),
        ]
    )
    func numbers(bytes: String, value: Int) {
        var random = SeededRandom(seed: 5)
        let input = hex(bytes) + [0x5a]
        #expect(scan(.number, input) == Scanned(end: input.count - 1, isComplete: true, text: String(value)))
        expectSame(.number, input, &random)
        for other in [0x4e, 0x54, 0xe0, 0x59, 0x00, 0x5b] as [UInt8] {
            #expect(scan(.number, [other]).error == .badTag(tag: other, offset: 0))
        }
    }

    @Test("types are names or numbers")
    func types() {
        var random = SeededRandom(seed: 6)
        for text in ["05 5b696e745b", "90", "c830", "49 00000001", "52 0001 61 0162", "30 01 61"] {
            let input = hex(text) + [0x5a]
            #expect(scan(.type, input) == Scanned(end: input.count - 1, isComplete: true), "\(text)")
            expectSame(.type, input, &random)
        }
        #expect(scan(.type, [0x8f]).error == .badIndex(offset: 1))
        #expect(scan(.type, [0x4e]).error == .badTag(tag: 0x4e, offset: 0))
    }

    @Test("nesting is bounded at the limit and one above, in any pieces")
    func depth() {
        var random = SeededRandom(seed: 7)
        for limit in [1, 3, 64] {
            let limits = HessianLimits(maxDepth: limit)
            for wrap in [hex("57"), hex("48 90"), hex("72 90")] {
                let open = Array([[UInt8]](repeating: wrap, count: limit + 1).joined())
                let error = scan(.value, open, limits).error
                guard case .tooDeep = error else {
                    Issue.record("\(hexText(wrap)) \(limit): \(String(describing: error))")
                    continue
                }
                expectSame(.value, open, &random, limits)
            }
            let fits = [UInt8](repeating: 0x57, count: limit) + [UInt8](repeating: 0x5a, count: limit)
            #expect(scan(.value, fits, limits) == Scanned(end: fits.count, isComplete: true))
        }
    }

    @Test("class definitions are bounded, and objects need one")
    func classes() {
        let limits = HessianLimits(maxClasses: 2, maxFields: 2)
        #expect(scan(.value, hex("43 0161 90 43 0162 90 61"), limits).isComplete)
        #expect(scan(.value, hex("43 0161 90 43 0162 90 43 0163 90 61"), limits).error == .tooManyClasses(offset: 12))
        #expect(scan(.value, hex("43 0161 92 0178 0179 60 4e4e"), limits).isComplete)
        #expect(scan(.value, hex("43 0161 93 0178 0179 017a 60 4e4e4e"), limits).error == .tooManyClasses(offset: 4))
        #expect(scan(.value, hex("43 0161 8f"), limits).error == .badLength(offset: 4))
        #expect(scan(.value, hex("60"), limits).error == .badIndex(offset: 0))
        #expect(scan(.value, hex("43 0161 90 4f 91"), limits).error == .badIndex(offset: 6))
        #expect(scan(.value, hex("58 8f")).error == .badLength(offset: 2))
        #expect(scan(.value, hex("51 8f")).error == .badIndex(offset: 2))
        #expect(scan(.value, hex("48 90 5a")).error == .oddMap(offset: 2))
        // Many empty levels that are already over take no depth.
        #expect(scan(.value, hex("7a 78 78"), HessianLimits(maxDepth: 1)).isComplete)
    }

    @Test("definitions last for the body and are forgotten by a reset")
    func reset() throws {
        var scanner = HessianScanner()
        let bytes = hex("43 0161 91 0178 60 90 60 91")
        var at = 0
        let first = try scanner.skipValue(bytes.span.bytes, &at)
        #expect(first && at == 8)
        let second = try scanner.skipValue(bytes.span.bytes, &at)
        #expect(second && at == 10)
        scanner.reset()
        at = 8
        #expect(throws: HessianError.badIndex(offset: 8)) { _ = try scanner.skipValue(bytes.span.bytes, &at) }
        scanner.reset()
        at = 0
        let again = try scanner.skipValue(bytes.span.bytes, &at)
        #expect(again && at == 8)
    }

    @Test("garbage is refused or taken alike in any pieces")
    func garbage() {
        var random = SeededRandom(seed: 8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for entry in Entry.allCases {
                let whole = scan(entry, bytes)
                var cuts = Array(1..<bytes.count)
                if bytes[0] & 1 == 0 { cuts.removeAll { _ in Bool.random(using: &random) } }
                let split = scan(entry, bytes, cuts: cuts)
                #expect(split == whole, "\(entry) \(hexText(bytes)) \(cuts)")
                if split != whole { return }
            }
        }
    }
}

@Suite struct HessianThrowableTests {
    /// An exception object of those fields, in front of it `before`.
    private func object(_ name: String, _ fields: [(String, [UInt8])], lead: [UInt8] = [0x60]) -> [UInt8] {
        var encoder = HessianEncoder()
        encoder.string(name)
        encoder.int(Int32(fields.count))
        for field in fields { encoder.string(field.0) }
        return [0x43] + encoder.bytes + lead + fields.flatMap { $0.1 }
    }

    private func expect(_ bytes: [UInt8], _ text: String, _ comment: Comment) {
        var random = SeededRandom(seed: 9)
        let whole = scan(.throwable, bytes + [0x4e])
        #expect(whole == Scanned(end: bytes.count, isComplete: true, text: text), comment)
        expectSame(.throwable, bytes, &random)
    }

    private func text(_ text: String) -> [UInt8] {
        var encoder = HessianEncoder()
        encoder.string(text)
        return encoder.bytes
    }

    @Test("class and message of a throwable, wherever its message field stands")
    func fields() {
        let trace = hex("71 00") + object("java.lang.StackTraceElement", [("methodName", text("run"))], lead: [0x61])
        expect(object("a.E", [("detailMessage", text("no"))]), "a.E|no", "alone")
        expect(
            object("a.E", [("stackTrace", trace), ("cause", hex("51 90")), ("detailMessage", text("said 😀"))]),
            "a.E|" + String(decoding: hex("7361696420eda0bdedb880"), as: UTF8.self),
            "last, behind a trace with a class of its own"
        )
        expect(object("a.E", [("detailMessage", [0x4e]), ("x", text("other"))]), "a.E|nil", "null")
        expect(object("a.E", [("x", text("other"))]), "a.E|nil", "absent")
        expect(object("a.E", [("message", text("own")), ("detailMessage", text("true"))]), "a.E|true", "rank, after")
        expect(object("a.E", [("detailMessage", text("true")), ("message", text("own"))]), "a.E|true", "rank, before")
        expect(object("a.E", [("message", text("own"))]), "a.E|own", "a message of its own")
        expect(object("a.E", [("detailMessage", [0x90])]), "a.E|nil", "not a string")
        expect(object("a.E", []), "a.E|nil", "no fields")
        let long = String(repeating: "m", count: 5000)
        expect(object("a.E", [("detailMessage", text(long)), ("x", [0x90])]), "a.E|" + long, "long")
    }

    @Test("a cause's message is not taken for the throwable's own")
    func cause() {
        let cause = object("b.Cause", [("detailMessage", text("inner"))], lead: [0x61])
        expect(object("a.E", [("cause", cause), ("detailMessage", text("outer"))]), "a.E|outer", "cause first")
        expect(object("a.E", [("cause", cause)]), "a.E|nil", "no message of its own")
        expect(object("a.E", [("detailMessage", cause)]), "a.E|nil", "an object for a message")
    }

    @Test("the class index, several definitions in front, typed maps, and what is no object")
    func forms() {
        expect(object("a.E", [("detailMessage", text("x"))], lead: hex("4f 90")), "a.E|x", "long form of the index")
        let first = hex("43 0162 90")
        expect(first + object("a.E", [("detailMessage", text("x"))], lead: [0x61]), "a.E|x", "the second definition")
        expect(hex("4d 03 612e45 0161 0162 5a"), "a.E|nil", "typed map")
        expect(hex("48 0161 0162 5a"), "|nil", "untyped map")
        expect([0x4e], "|nil", "null")
        expect(hex("51 90"), "|nil", "reference")
        expect(text("said"), "|nil", "text")
    }

    @Test("what was read of a throwable that breaks off stays known")
    func partial() throws {
        var scanner = HessianScanner()
        scanner.beginThrowable()
        let bytes = object("a.E", [("detailMessage", text("x")), ("y", [0x40])])
        var at = 0
        #expect(throws: HessianError.self) { _ = try scanner.skipValue(bytes.span.bytes, &at) }
        let name = scanner.texts.bytes.slice(scanner.throwable.className).text
        #expect(name == "a.E" && scanner.throwable.message != nil)
    }
}
