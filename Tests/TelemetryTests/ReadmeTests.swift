import Calls
import Foundation
import Telemetry
import Testing

/// README's table of metrics against the page: who builds on the one must find the other.
@Suite struct ReadmeTests {
    /// A row of the table: the names in its first column, and what the others say.
    struct Row {
        let names: [String]
        let types: [String]
        /// The words in code, in their order: labels and values of theirs.
        let words: [String]
        let text: String
    }

    private static let readme: String = {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return (try? String(contentsOfFile: folder.path + "/README.md", encoding: .utf8)) ?? ""
    }()

    private static func code(_ text: Substring) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }

    static let rows: [Row] = readme.split(separator: "\n").compactMap { line in
        let cells = line.split(separator: "|", omittingEmptySubsequences: false)
        guard cells.count == 5, cells[1].hasPrefix(" `weir_") else { return nil }
        let types = cells[2].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        return Row(names: code(cells[1]), types: types, words: code(cells[3]), text: String(cells[3]))
    }

    /// The page with everything that can be on it.
    private static func page() -> String {
        let bench = MetricsPageTests.busy()
        let stream = bench.operation("chat", in: .triple)
        bench.recorder.callFinished(call(stream, code: 0), wasInFlight: false, isStream: true)
        var additions = MetricsPageTests.everything
        additions.names = .weir
        additions.limits = [LimitReadings(name: "l", allowed: 1, rejected: 1, wouldReject: 1)]
        additions.drains = DrainReadings(
            states: [DrainReadings.State(interface: "I", method: "m", value: 1)],
            signals: ["readonly", "writeable", "closing", "goaway", "not_serving", "serving", "connection_close"].map {
                (signal: $0, count: 1)
            }
        )
        additions.directConnections = [(20880, 1)]
        return bench.page(process: Bench.readings, additions: additions)
    }

    /// Labels that every series of an operation has, and those of histograms.
    private static let ordinary: Set<String> = ["side", "protocol", "interface", "method", "version", "group", "le"]

    @Test("the same metrics with the same types are on the page and in the table")
    func names() {
        var listed: [String: String] = [:]
        for row in Self.rows {
            for (index, name) in row.names.enumerated() where name.hasPrefix("weir_") {
                listed[name] = row.types.count > index ? row.types[index] : row.types.last
            }
        }
        var there: [String: String] = [:]
        for line in Self.page().split(separator: "\n") where line.hasPrefix("# TYPE weir_") {
            let words = line.split(separator: " ")
            there[String(words[2])] = String(words[3])
        }
        #expect(listed.count > 30)
        for name in Set(listed.keys).union(there.keys).sorted() {
            #expect(listed[name] == there[name], "\(name)")
        }
    }

    @Test("every label of a metric is named in its row, and where its values are listed, all of them are")
    func labels() {
        var values: [String: [String: Set<String>]] = [:]
        for sample in samples(Self.page()).keys {
            guard let brace = sample.firstIndex(of: "{") else { continue }
            let name = String(sample[..<brace])
            for pair in sample[sample.index(after: brace)...].dropLast().split(separator: "\",") {
                let parts = pair.split(separator: "=", maxSplits: 1)
                let value = parts[1].trimmingCharacters(in: ["\""])
                values[name, default: [:]][String(parts[0]), default: []].insert(value)
            }
        }
        for row in Self.rows {
            for name in row.names {
                for (label, found) in values[name] ?? [:] where !Self.ordinary.contains(label) {
                    guard let at = row.words.firstIndex(of: label) else {
                        // What a build is made of is nobody's selector.
                        if name != "weir_build_info" { Issue.record("\(name): \(label)") }
                        continue
                    }
                    guard row.text.contains("`\(label)`: `") else { continue }
                    // The values stand behind the label; of those that are not words of the page nothing is said.
                    let listed = row.words[(at + 1)...].prefix { !Self.ordinary.contains($0) && $0 != "caller" }
                    #expect(found.isSubset(of: listed), "\(name) \(label): \(found.subtracting(listed))")
                }
            }
        }
    }

    @Test("every reason of a partial verdict, and every outcome, is in its table")
    func words() {
        let partial = Self.rows.first { $0.names == ["weir_verdicts_partial_total"] }
        #expect(partial?.words == ["reason"] + PartialVerdictReason.allCases.map(\.label.description))
        for outcome in Outcome.allCases {
            #expect(Self.readme.contains("`\(outcome.label)`"), "\(outcome)")
        }
    }
}
