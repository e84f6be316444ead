import Settings
import TestSupport
import Testing

@Suite struct YAMLTests {
    private func document(_ text: String) -> YAMLDocument { YAMLDocument(bytes: Array(text.utf8)) }

    @Test("a tree knows where everything stands and what was quoted") func tree() {
        let result = document("# x\na: 1\nbß:\n  - 'q'\n  - {c: ~, d: \"~\"}\n")
        func scalar(_ text: String, _ line: Int, _ column: Int, quoted: Bool = false) -> (
            YAMLNode.Content, YAMLPosition
        ) {
            (.scalar(text: text, isQuoted: quoted), YAMLPosition(line: line, column: column))
        }
        guard case .mapping(let top)? = result.root?.content, case .sequence(let items) = top[1].value.content,
            case .mapping(let inner) = items[1].content
        else {
            Issue.record("not the expected tree")
            return
        }
        #expect(top.map(\.key) == ["a", "bß"])
        #expect(top.map(\.position) == [YAMLPosition(line: 2, column: 1), YAMLPosition(line: 3, column: 1)])
        #expect((top[0].value.content, top[0].value.position) == scalar("1", 2, 4))
        #expect((items[0].content, items[0].position) == scalar("q", 4, 5, quoted: true))
        #expect((inner[0].value.content, inner[0].value.position) == scalar("~", 5, 9))
        #expect(inner.map(\.value.isNull) == [true, false])
        #expect(inner[1].position == YAMLPosition(line: 5, column: 12))
        #expect(result.problems == [])
        #expect(result.isComplete)
    }

    @Test("texts are taken as written: folded, literal, escaped, with a zero byte") func texts() {
        for (text, expected) in [
            ("a: >\n  x\n  y\n", "x y\n"), ("a: |\n  x\n  y\n", "x\ny\n"), ("a: \"\\u00e9\\0\"", "é\0"),
            ("a: 0x10", "0x10"),
        ] {
            guard case .mapping(let entries)? = document(text).root?.content,
                case .scalar(let found, _) = entries[0].value.content
            else {
                Issue.record("no mapping: \(text)")
                continue
            }
            #expect(found == expected)
        }
    }

    @Test("depth is bounded: at the limit taken, one more refused") func depth() {
        func nested(_ levels: Int) -> String {
            String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        }
        #expect(document(nested(YAMLDocument.maxDepth)).problems == [])
        let deeper = document(nested(YAMLDocument.maxDepth + 1))
        #expect(deeper.problems.map(\.reason) == ["nested deeper than 16 levels"])
        #expect(deeper.problems.first?.position == YAMLPosition(line: 1, column: 17))
        #expect(!deeper.isComplete)
    }

    @Test("size is bounded: at the limit taken, one more refused") func size() {
        let exact = "a: \"" + String(repeating: "x", count: YAMLDocument.maxBytes - 5) + "\""
        #expect(document(exact).problems == [])
        #expect(document(exact + " ").problems.map(\.reason) == ["longer than 1048576 bytes"])
    }

    @Test("an alias bomb is refused and costs nothing") func bomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...40 {
            let items = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(items)]\n"
        }
        let start = ContinuousClock.now
        let result = document(text)
        #expect(result.problems.count == YAMLDocument.maxProblems)
        #expect(result.problems.first?.reason == "anchors (&) are not taken")
        #expect(result.problems.last?.reason == "and more problems from here on")
        #expect(ContinuousClock.now - start < .seconds(120))
        #expect(problems(text).count == YAMLDocument.maxProblems)
    }

    @Test(
        "large hostile texts end soon",
        arguments: [
            "[", "{", "- ", "? ", "a: ", "? [", "[\n", "{\n", "*a ", "&a ", "!a ", "\"", "'", "|", "x: y\n", "#", "\n",
            "-\n", "%A\n", "\t", "a\n", "{a: ",
            "[a, ", ": ", "---\n", "- - ", ",", "\u{85}", "<<: \n",
        ]
    )
    func hostile(piece: String) {
        let start = ContinuousClock.now
        _ = problems(String(repeating: piece, count: YAMLDocument.maxBytes / piece.utf8.count))
        #expect(ContinuousClock.now - start < .seconds(240), "\(piece)")
    }

    @Test("every prefix of a valid file is taken or refused with a place inside it") func prefixes() {
        let bytes = Array(fullText.utf8)
        let lines = fullText.split(separator: "\n", omittingEmptySubsequences: false).count
        for end in 0...bytes.count {
            check(Array(bytes[..<end]), lines: lines)
        }
    }

    @Test("ten thousand mutations of a valid file are taken or refused with a place inside it") func mutations() {
        let seed: UInt64 = 20_261
        print("YAML mutations, seed \(seed)")
        var random = SeededRandom(seed: seed)
        let original = Array(fullText.utf8)
        let spice =
            Array("[]{}:,-?&*!|>'\"#%@`\n\t \\~.0123456789".utf8) + [0, 0x80, 0xff, 0xc3, 0xe2, 0xef, 0xbb, 0xbf, 0x85]
        for _ in 0..<10_000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                mutate(&bytes, spice, &random)
            }
            check(bytes, lines: bytes.count + 1)
        }
    }

    @Test("ten thousand random texts do not disturb") func garbage() {
        var random = SeededRandom(seed: 7)
        let alphabet = Array("[]{}:,-?&*!|>'\"#\n\n  ab:".utf8)
        for _ in 0..<10_000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                Int.random(in: 0..<20, using: &random) == 0
                    ? UInt8.random(in: 0...255, using: &random) : alphabet.randomElement(using: &random) ?? 0
            }
            check(bytes, lines: bytes.count + 1)
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ spice: [UInt8], _ random: inout SeededRandom) {
        guard !bytes.isEmpty else { return }
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.insert(spice.randomElement(using: &random) ?? 0, at: at)
        case 2: bytes.remove(at: at)
        case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...40, using: &random)))
        default:
            let from = Int.random(in: 0..<bytes.count, using: &random)
            bytes.insert(contentsOf: Array(bytes[from..<min(bytes.count, from + 30)]), at: at)
        }
    }

    private func check(_ bytes: [UInt8], lines: Int) {
        do throws(ConfigurationProblems) {
            let settings = try SettingsLoader(file: SettingsFile(name: "f", bytes: bytes)).load()
            if settings.admin.token == nil { #expect(problems(settings.yamlText) == [], "\(hexText(bytes))") }
        } catch {
            #expect(!error.problems.isEmpty)
            for problem in error.problems {
                guard case .file(_, let position) = problem.source else {
                    Issue.record("no place in the file: \(hexText(bytes))")
                    continue
                }
                let isInside = 1...lines + 1 ~= position.line && 1...bytes.count + 2 ~= position.column
                let isOneLine = !problem.description.unicodeScalars.contains { $0.value < 0x20 }
                #expect(isInside && isOneLine, "\(problem) of \(hexText(bytes))")
            }
        }
    }
}
