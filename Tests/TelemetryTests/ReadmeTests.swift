import Calls
import Foundation
import Telemetry
import Testing

/// README's table of metrics, the dashboards and the rules against the catalogue: who builds on the one must find the
/// other.
@Suite struct ReadmeTests {
    /// A row of the table: the names in its first column, and what the others say.
    struct Row {
        let names: [String]
        let types: [String]
        /// The words in code, in their order: labels and values of theirs.
        let words: [String]
        let text: String
    }

    private static let top: URL = {
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { folder.deleteLastPathComponent() }
        return folder
    }()

    private static let readme =
        (try? String(contentsOfFile: top.path + "/README.md", encoding: .utf8)) ?? ""

    private static func code(_ text: Substring) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
            .map { String($0.element) }
    }

    static let rows: [Row] = readme.split(separator: "\n").compactMap { line in
        let cells = line.split(separator: "|", omittingEmptySubsequences: false)
        guard cells.count == 5, [" `weir_", " `process_"].contains(where: cells[1].hasPrefix) else { return nil }
        let types = cells[2].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        return Row(names: code(cells[1]), types: types, words: code(cells[3]), text: String(cells[3]))
    }

    /// The page with everything that can be on it.
    static func page(_ names: MetricNameFamilies = .weir) -> String {
        let bench = MetricsPageTests.busy()
        let stream = bench.operation("chat", in: .triple)
        bench.recorder.callFinished(call(stream, code: 0), wasInFlight: false, isStream: true)
        var additions = MetricsPageTests.everything
        additions.names = names
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

    @Test("the same metrics with the same types are in the catalogue and in the table")
    func names() {
        var listed: [String: String] = [:]
        for row in Self.rows {
            for (index, name) in row.names.enumerated() {
                listed[name] = row.types.count > index ? row.types[index] : row.types.last
            }
        }
        var there: [String: String] = [:]
        for metric in MetricCatalog.all where !metric.family.name.hasPrefix("dubbo_") {
            there[metric.family.sampleName] = metric.family.kind.rawValue
        }
        #expect(listed.count > 40)
        for name in Set(listed.keys).union(there.keys).sorted() {
            #expect(listed[name] == there[name], "\(name)")
        }
    }

    @Test("the names of Dubbo's own are in README without their side, all of them and no others")
    func dubboNames() throws {
        let text = try #require(Self.readme.components(separatedBy: "`dubbo_provider_` or `dubbo_consumer_`").last)
        let paragraph = try #require(text.components(separatedBy: "\n\n").first)
        // Where names are alike, the rest of them stands behind "…".
        var listed: Set<String> = []
        for item in Self.code(paragraph[...]) {
            let ends = item.split(separator: "{").map { $0.split(separator: "}", omittingEmptySubsequences: false) }
            guard ends.count == 2 else {
                listed.insert(item)
                continue
            }
            for choice in ends[1][0].split(separator: ",", omittingEmptySubsequences: false) {
                listed.insert("\(ends[0][0])\(choice)\(ends[1][1])")
            }
        }
        var there: Set<String> = []
        for metric in MetricCatalog.all where metric.family.name.hasPrefix("dubbo_") {
            let sides = ["dubbo_provider_", "dubbo_consumer_"]
            let side = try #require(sides.first(where: metric.family.name.hasPrefix))
            there.insert(String(metric.family.sampleName.dropFirst(side.count)))
        }
        #expect(listed == there, "\(listed.symmetricDifference(there).sorted())")
    }

    @Test("every label of a metric is named in its row, and where its values are listed, they are all values it has")
    func labels() throws {
        let metrics = Dictionary(uniqueKeysWithValues: MetricCatalog.all.map { ($0.family.sampleName, $0) })
        for row in Self.rows {
            for name in row.names {
                let labels = metrics[name]?.labels ?? []
                for label in labels where !Self.ordinary.contains(label.name) {
                    guard let at = row.words.firstIndex(of: label.name) else {
                        Issue.record("\(name): \(label.name)")
                        continue
                    }
                    guard row.text.contains("`\(label.name)`: `") else { continue }
                    let others = Set(labels.map(\.name))
                    let listed = row.words[(at + 1)...].prefix { !others.contains($0) }
                    #expect(Set(listed) == Set(label.values ?? []), "\(name) \(label.name)")
                }
            }
        }
    }

    // MARK: Dashboards and rules

    /// The metrics that a text speaks of, but for the names that recording rules make, which have colons.
    private static func metrics(in text: String) -> Set<String> {
        let name = #/(?:weir|process|dubbo_provider|dubbo_consumer)_[a-z0-9_]*[a-z0-9]/#
        var names: Set<String> = []
        for match in text.matches(of: name) {
            let before =
                match.range.lowerBound > text.startIndex ? text[text.index(before: match.range.lowerBound)] : " "
            let after = match.range.upperBound < text.endIndex ? text[match.range.upperBound] : " "
            let joins = { (character: Character) in
                character.isLetter || character.isNumber || [":", "_", "-", "/", "."].contains(character)
            }
            // A sentence may end behind a name, and a name may stand before a colon of YAML.
            let isJoined = after == "_" || after == ":" && isWord(behind: match.range.upperBound, in: text)
            if !joins(before), !isJoined { names.insert(String(text[match.range])) }
        }
        return names
    }

    private static func isWord(behind colon: String.Index, in text: String) -> Bool {
        let next = text.index(after: colon)
        return next < text.endIndex && text[next].isLetter
    }

    private static let sampleNames: Set<String> = Set(
        MetricCatalog.all.flatMap { metric -> [String] in
            let name = metric.family.sampleName
            return metric.family.kind == .histogram ? ["", "_bucket", "_sum", "_count"].map { name + $0 } : [name]
        }
    )

    @Test(
        "every metric that the dashboards, the rules and README speak of is in the catalogue",
        arguments: [("dashboards", 40), ("rules", 30), ("README.md", 45)]
    )
    func uses(_ place: String, _ atLeast: Int) throws {
        let url = Self.top.appendingPathComponent(place)
        let found = FileManager.default.enumerator(at: url, includingPropertiesForKeys: nil)?.allObjects ?? []
        let files = found.isEmpty ? [url] : found.compactMap { $0 as? URL }
        var names: Set<String> = []
        for file in files where ["json", "yml", "yaml", "py", "md"].contains(file.pathExtension) {
            let used = Self.metrics(in: try String(contentsOf: file, encoding: .utf8))
            names.formUnion(used)
            let unknown = used.subtracting(Self.sampleNames).sorted()
            #expect(unknown.isEmpty, "\(file.lastPathComponent): \(unknown)")
        }
        #expect(names.count >= atLeast, "\(names.count)")
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
