/// A metrics page, read as a scraper reads it.
struct Metrics {
    /// One sample.
    struct Sample {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    let samples: [Sample]

    init(text: String) throws {
        samples = try text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { try Self.sample($0) }
    }

    /// The samples of a name whose labels have those values.
    func all(_ name: String, _ labels: [String: String] = [:]) -> [Sample] {
        samples.filter { sample in sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value } }
    }

    /// Their sum.
    func sum(_ name: String, _ labels: [String: String] = [:]) -> Int {
        Int(all(name, labels).reduce(0) { $0 + $1.value })
    }

    private static func sample(_ line: Substring) throws -> Sample {
        var rest = line
        let name = rest.prefix { $0 != "{" && $0 != " " }
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while let first = rest.first, first != "}" {
                let key = rest.prefix { $0 != "=" }
                rest = rest.dropFirst(key.count + 2)
                labels[String(key)] = quoted(&rest)
                if rest.first == "," { rest = rest.dropFirst() }
            }
            rest = rest.dropFirst()
        }
        guard let number = rest.split(separator: " ").first, let value = Double(number) else {
            throw Failure("not a sample: \(line)")
        }
        return Sample(name: String(name), labels: labels, value: value)
    }

    /// Reads up to the closing quotation mark.
    private static func quoted(_ rest: inout Substring) -> String {
        var value = ""
        while let next = rest.popFirst(), next != "\"" {
            guard next == "\\", let escaped = rest.popFirst() else {
                value.append(next)
                continue
            }
            value.append(escaped == "n" ? "\n" : escaped)
        }
        return value
    }
}
