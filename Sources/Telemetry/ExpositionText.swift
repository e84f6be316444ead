/// The text forms in which Prometheus reads metrics.
public enum ExpositionFormat: CaseIterable, Sendable {
    /// Prometheus text format 0.0.4.
    case text
    /// OpenMetrics 1.0.0.
    case openMetrics

    /// The value of the HTTP header `Content-Type`.
    public var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }
}

/// A family of samples: one metric name.
struct MetricFamily {
    /// What kind of numbers it has.
    enum Kind: String {
        case counter, gauge, histogram
    }

    /// The name, of a counter without `_total`.
    var name: String
    var kind: Kind
    /// The unit the name ends in, or empty.
    var unit = ""
    /// One line without backslashes and quotes.
    var help: String
}

/// Builds a page of metrics byte by byte.
struct ExpositionText {
    private(set) var bytes: [UInt8] = []
    let format: ExpositionFormat
    /// `name{`, or `name` and a space, of the family being written.
    private var sampleName: [UInt8] = []
    private var familyName = ""

    init(format: ExpositionFormat, capacity: Int) {
        self.format = format
        bytes.reserveCapacity(capacity)
    }

    /// Writes a family's head; its samples must follow.
    mutating func begin(_ family: MetricFamily) {
        let suffix = family.kind == .counter ? "_total" : ""
        let name = format == .text ? family.name + suffix : family.name
        append("# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n")
        if format == .openMetrics, !family.unit.isEmpty { append("# UNIT \(name) \(family.unit)\n") }
        familyName = family.name
        sampleName = Array((family.name + suffix).utf8)
    }

    /// Writes `name{labels} value`, or `name value` when there are no labels.
    mutating func sample(_ labels: [UInt8], more: [UInt8] = [], _ value: Int64) {
        head(sampleName, labels, more)
        if value < 0 { bytes.append(0x2d) }
        number(value.magnitude)
        bytes.append(0x0a)
    }

    /// As above for a counter's number.
    mutating func sample(_ labels: [UInt8], more: [UInt8] = [], _ value: UInt64) {
        head(sampleName, labels, more)
        number(value)
        bytes.append(0x0a)
    }

    /// As above for a number with a fraction.
    mutating func sample(_ value: Double) {
        head(sampleName, [], [])
        append("\(value)\n")
    }

    /// Writes the samples of one histogram.
    mutating func histogram(_ labels: [UInt8], _ histogram: HistogramSnapshot) {
        let bucketHead = Array("\(familyName)_bucket{".utf8) + labels + (labels.isEmpty ? [] : [0x2c])
        let bounds = format == .text ? Self.textBounds : Self.openMetricsBounds
        var sum: UInt64 = 0
        for (bound, count) in zip(bounds, histogram.classic) {
            sum += count
            bytes.append(contentsOf: bucketHead)
            bytes.append(contentsOf: bound)
            number(sum)
            bytes.append(0x0a)
        }
        head(Array("\(familyName)_sum".utf8), labels, [])
        seconds(histogram.sumNanoseconds)
        head(Array("\(familyName)_count".utf8), labels, [])
        number(histogram.count)
        bytes.append(0x0a)
    }

    /// Ends the page where the format wants an end.
    mutating func end() {
        if format == .openMetrics { append("# EOF\n") }
    }

    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func head(_ name: [UInt8], _ labels: [UInt8], _ more: [UInt8]) {
        bytes.append(contentsOf: name)
        if !labels.isEmpty || !more.isEmpty {
            bytes.append(0x7b)
            bytes.append(contentsOf: labels)
            bytes.append(contentsOf: more)
            bytes.append(0x7d)
        }
        bytes.append(0x20)
    }

    /// Digits without a String: most of a page's numbers are short.
    private mutating func number(_ value: UInt64) {
        if value >= 10 { number(value / 10) }
        bytes.append(0x30 + UInt8(truncatingIfNeeded: value % 10))
    }

    /// Nanoseconds as seconds, exactly, and the end of the line.
    private mutating func seconds(_ nanoseconds: UInt64) {
        number(nanoseconds / 1_000_000_000)
        bytes.append(0x2e)
        var (rest, scale) = (nanoseconds % 1_000_000_000, UInt64(100_000_000))
        repeat {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: rest / scale))
            rest %= scale
            scale /= 10
        } while rest > 0
        bytes.append(0x0a)
    }

    /// `le="…"} ` of every classic bucket; OpenMetrics wants the point in whole numbers too.
    private static let textBounds = bounds(suffix: "")
    private static let openMetricsBounds = bounds(suffix: ".0")

    private static func bounds(suffix: String) -> [[UInt8]] {
        let fractions = [
            "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
        ]
        let all = fractions + ["1" + suffix, "2.5", "5" + suffix, "10" + suffix, "+Inf"]
        return all.map { Array("le=\"\($0)\"} ".utf8) }
    }
}

/// Appends labels to a piece of text.
struct LabelText {
    private(set) var bytes: [UInt8] = []

    /// Appends `name="value"`, with a comma before it unless it is the first.
    ///
    /// A backslash, a quote and a line feed are escaped as the formats ask. Other control characters, which names from
    /// the wire may hold and a NUL of which would end a scrape, are spelled `\xNN`.
    mutating func add(_ name: StaticString, _ value: String) {
        if !bytes.isEmpty { bytes.append(0x2c) }
        bytes.append(contentsOf: name.description.utf8)
        bytes.append(contentsOf: [0x3d, 0x22])
        for byte in value.utf8 { append(escaped: byte) }
        bytes.append(0x22)
    }

    private mutating func append(escaped byte: UInt8) {
        switch byte {
        case 0x5c, 0x22:
            bytes.append(0x5c)
            bytes.append(byte)
        case 0x0a:
            bytes.append(contentsOf: [0x5c, 0x6e])
        case 0..<0x20, 0x7f:
            let digits: [UInt8] = Array("0123456789abcdef".utf8)
            bytes.append(contentsOf: [0x5c, 0x5c, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)]])
        default:
            bytes.append(byte)
        }
    }
}
