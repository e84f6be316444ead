internal import Calls

/// A builder of a page of metrics in one of the text forms, byte by byte.
struct ExpositionText: ExpositionWriter {
    static let labelForm = LabelForm.text

    /// The number of bytes gathered before they are passed on; a line or histogram may exceed it.
    private static let pieceBytes = 64 << 10

    private var bytes: [UInt8] = []
    private let sink: ([UInt8]) -> Void
    private let isOpenMetrics: Bool
    private let wallClockOffset: Int64?
    private var sampleName: [UInt8] = []
    private var familyName = ""

    /// An empty page.
    ///
    /// - Parameters:
    ///   - isOpenMetrics: True for OpenMetrics.
    ///   - wallClockOffset: The difference between the workers' clock and the time since 1970, in nanoseconds.
    ///   - sink: Gets the page's next bytes.
    init(isOpenMetrics: Bool, wallClockOffset: Int64?, sink: @escaping ([UInt8]) -> Void) {
        self.isOpenMetrics = isOpenMetrics
        self.wallClockOffset = wallClockOffset
        self.sink = sink
    }

    mutating func begin(_ family: MetricFamily) {
        let suffix = family.kind == .counter ? "_total" : ""
        let name = isOpenMetrics ? family.name : family.name + suffix
        append("# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n")
        if isOpenMetrics, !family.unit.isEmpty { append("# UNIT \(name) \(family.unit)\n") }
        familyName = family.name
        sampleName = Array((family.name + suffix).utf8)
    }

    mutating func write(_ labels: [UInt8], more: [UInt8], value: UInt64) {
        head(sampleName, labels: labels, more: more)
        number(value)
        endLine()
    }

    mutating func write(_ labels: [UInt8], more: [UInt8], value: Int64) {
        head(sampleName, labels: labels, more: more)
        if value < 0 { bytes.append(0x2d) }
        number(value.magnitude)
        endLine()
    }

    mutating func write(_ labels: [UInt8], more: [UInt8], value: Double) {
        head(sampleName, labels: labels, more: more)
        append("\(value)")
        endLine()
    }

    mutating func histogram(_ labels: [UInt8], _ histogram: HistogramSnapshot) {
        let bucketHead = Array("\(familyName)_bucket{".utf8) + labels + (labels.isEmpty ? [] : [0x2c])
        let bounds = isOpenMetrics ? Self.openMetricsBounds : Self.textBounds
        var exemplars = isOpenMetrics ? histogram.exemplars[...] : []
        var sum: UInt64 = 0
        for bucket in bounds.indices {
            sum &+= histogram.classic[bucket]
            bytes.append(contentsOf: bucketHead)
            bytes.append(contentsOf: bounds[bucket])
            number(sum)
            if exemplars.first?.bucket == bucket, let exemplar = exemplars.popFirst() { append(exemplar) }
            bytes.append(0x0a)
        }
        head(Array("\(familyName)_sum".utf8), labels: labels, more: [])
        seconds(histogram.sumNanoseconds)
        bytes.append(0x0a)
        head(Array("\(familyName)_count".utf8), labels: labels, more: [])
        number(histogram.count)
        endLine()
    }

    mutating func end() {
        if isOpenMetrics { append("# EOF\n") }
        giveOut()
    }

    // MARK: Pieces

    private mutating func endLine() {
        bytes.append(0x0a)
        if bytes.count >= Self.pieceBytes { giveOut() }
    }

    private mutating func giveOut() {
        if !bytes.isEmpty { sink(bytes) }
        bytes.removeAll(keepingCapacity: true)
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// ` # {labels} value time`: 63 characters of labels, of which the format allows 128.
    private mutating func append(_ exemplar: HistogramSnapshot.Exemplar) {
        bytes.append(contentsOf: Self.exemplarHead)
        bytes.append(hex: exemplar.traceID.high)
        bytes.append(hex: exemplar.traceID.low)
        bytes.append(contentsOf: Self.exemplarMiddle)
        bytes.append(hex: exemplar.spanID)
        bytes.append(contentsOf: [0x22, 0x7d, 0x20])
        seconds(exemplar.nanoseconds)
        guard let wallClockOffset else { return }
        bytes.append(0x20)
        seconds(exemplar.clock.sinceEpoch(exemplar.endNanoseconds, offset: wallClockOffset))
    }

    private static let exemplarHead = Array(" # {trace_id=\"".utf8)
    private static let exemplarMiddle = Array("\",span_id=\"".utf8)

    private mutating func head(_ name: [UInt8], labels: [UInt8], more: [UInt8]) {
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

    /// Nanoseconds as seconds, exactly.
    private mutating func seconds(_ nanoseconds: UInt64) {
        number(nanoseconds / 1_000_000_000)
        bytes.append(0x2e)
        var (rest, scale) = (nanoseconds % 1_000_000_000, UInt64(100_000_000))
        repeat {
            bytes.append(0x30 + UInt8(truncatingIfNeeded: rest / scale))
            rest %= scale
            scale /= 10
        } while rest > 0
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

extension [UInt8] {
    /// Appends the 16 lower-case hex digits of an id.
    mutating func append(hex id: UInt64) {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: id &>> shift) & 15
            append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }
}
