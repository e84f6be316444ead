internal import Calls

/// A builder of a page of metrics as `io.prometheus.client.MetricFamily` messages, each after its length.
///
/// Histograms carry their classic buckets and, in the same message, the native ones of schema 3. A family without
/// samples is left out: some readers look at the first one unconditionally.
///
/// Source: prometheus/client_model, `io/prometheus/client/metrics.proto`.
struct ExpositionProtobuf: ExpositionWriter {
    static let labelForm = LabelForm.protobuf

    /// Field numbers.
    private enum Field {
        enum Family {
            static let name = 1
            static let help = 2
            static let type = 3
            static let metric = 4
        }
        enum Metric {
            static let gauge = 2
            static let counter = 3
            static let histogram = 7
        }
        enum Histogram {
            static let count = 1
            static let sum = 2
            static let bucket = 3
            static let schema = 5
            static let zeroThreshold = 6
            static let zeroCount = 7
            static let positiveSpan = 12
            static let positiveDelta = 13
            static let exemplars = 16
        }
    }

    /// The bytes of a `double` field, all that a `Gauge` or `Counter` has.
    private static let valueBytes = 9

    private let sink: ([UInt8]) -> Void
    private var head = ProtobufWriter()
    private var family = ProtobufWriter()
    private var hasSamples = false
    private var valueField = Field.Metric.gauge
    private let wallClockOffset: Int64?
    private var message = ProtobufWriter()
    private var part = ProtobufWriter()

    /// An empty page.
    ///
    /// - Parameters:
    ///   - wallClockOffset: The difference between the workers' clock and the time since 1970, in nanoseconds.
    ///   - sink: The receiver of the page's next bytes, a whole family at a time because its length comes first.
    init(wallClockOffset: Int64?, sink: @escaping ([UInt8]) -> Void) {
        self.wallClockOffset = wallClockOffset
        self.sink = sink
    }

    mutating func begin(_ new: MetricFamily) {
        end()
        let name = new.kind == .counter ? new.name + "_total" : new.name
        family.bytes(field: Field.Family.name, Array(name.utf8))
        family.bytes(field: Field.Family.help, Array(new.help.utf8))
        let type: UInt64 =
            switch new.kind {
            case .counter: 0
            case .gauge: 1
            case .histogram: 4
            }
        family.varint(field: Field.Family.type, type)
        valueField = new.kind == .counter ? Field.Metric.counter : Field.Metric.gauge
    }

    mutating func write(_ labels: [UInt8], more: [UInt8], value: UInt64) {
        write(labels, more: more, value: Double(value))
    }

    mutating func write(_ labels: [UInt8], more: [UInt8], value: Int64) {
        write(labels, more: more, value: Double(value))
    }

    mutating func write(_ labels: [UInt8], more: [UInt8], value: Double) {
        // The tag and the length of the value's message are a byte each.
        family.begin(field: Field.Family.metric, count: labels.count + more.count + 2 + Self.valueBytes)
        family.append(fields: labels)
        family.append(fields: more)
        family.begin(field: valueField, count: Self.valueBytes)
        family.double(field: 1, value)
        hasSamples = true
    }

    mutating func histogram(_ labels: [UInt8], _ histogram: HistogramSnapshot) {
        message.removeAll()
        message.varint(field: Field.Histogram.count, histogram.count)
        message.double(field: Field.Histogram.sum, Double(histogram.sumNanoseconds) / 1e9)
        appendClassic(histogram.classic, histogram.exemplars)
        appendNative(histogram)
        // Readers want times on these.
        if wallClockOffset != nil {
            for exemplar in histogram.exemplars {
                append(exemplar, field: Field.Histogram.exemplars, to: &message)
            }
        }
        part.removeAll()
        part.bytes(field: Field.Metric.histogram, message.bytes)
        family.begin(field: Field.Family.metric, count: labels.count + part.bytes.count)
        family.append(fields: labels)
        family.append(fields: part.bytes)
        hasSamples = true
    }

    mutating func end() {
        if hasSamples {
            head.removeAll()
            head.append(UInt64(family.bytes.count))
            sink(head.bytes)
            sink(family.bytes)
        }
        family.removeAll()
        hasSamples = false
    }

    // MARK: Histograms

    private mutating func appendClassic(_ counts: [UInt64], _ exemplars: [HistogramSnapshot.Exemplar]) {
        var exemplars = exemplars[...]
        var sum: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            sum &+= count
            part.removeAll()
            part.varint(field: 1, sum)
            part.double(field: 2, Self.bounds[bucket])
            if exemplars.first?.bucket == bucket, let exemplar = exemplars.popFirst() {
                append(exemplar, field: 3, to: &part)
            }
            message.bytes(field: Field.Histogram.bucket, part.bytes)
        }
    }

    private mutating func appendNative(_ histogram: HistogramSnapshot) {
        message.zigzag(field: Field.Histogram.schema, Int64(HistogramScale.schema))
        message.double(field: Field.Histogram.zeroThreshold, Self.zeroThreshold)
        message.varint(field: Field.Histogram.zeroCount, histogram.zeroCount)
        let buckets = histogram.buckets
        var (at, end) = (0, 0)
        while at < buckets.count {
            var next = at + 1
            while next < buckets.count, buckets[next].bucket == buckets[next - 1].bucket + 1 { next += 1 }
            part.removeAll()
            // The first span counts from index 0, the others from the end of the one before.
            part.zigzag(field: 1, Int64(buckets[at].schemaIndex - end))
            part.varint(field: 2, UInt64(next - at))
            message.bytes(field: Field.Histogram.positiveSpan, part.bytes)
            end = buckets[next - 1].schemaIndex + 1
            at = next
        }
        var before: UInt64 = 0
        for bucket in buckets {
            message.zigzag(field: Field.Histogram.positiveDelta, Int64(bitPattern: bucket.count &- before))
            before = bucket.count
        }
    }

    private func append(_ exemplar: HistogramSnapshot.Exemplar, field: Int, to writer: inout ProtobufWriter) {
        let time = wallClockOffset.map { exemplar.clock.sinceEpoch(exemplar.endNanoseconds, offset: $0) }
        let (seconds, rest) = (time ?? 0).quotientAndRemainder(dividingBy: 1_000_000_000)
        // A tag each, and the numbers themselves.
        let timeBytes = 2 + ProtobufWriter.byteCount(seconds) + ProtobufWriter.byteCount(rest)
        let count = Self.labelBytes + Self.valueBytes + (time == nil ? 0 : 2 + timeBytes)
        writer.begin(field: field, count: count)
        writer.append(fields: Self.traceIDHead)
        writer.append(hex: exemplar.traceID.high)
        writer.append(hex: exemplar.traceID.low)
        writer.append(fields: Self.spanIDHead)
        writer.append(hex: exemplar.spanID)
        writer.double(field: 2, Double(exemplar.nanoseconds) / 1e9)
        guard time != nil else { return }
        writer.begin(field: 3, count: timeBytes)
        writer.varint(field: 1, seconds)
        writer.varint(field: 2, rest)
    }

    /// All of a label but its value's last `hexDigits` bytes, which follow.
    private static func labelHead(_ name: StaticString, hexDigits: Int) -> [UInt8] {
        var label = LabelText(.protobuf)
        label.add(name, String(repeating: "0", count: hexDigits))
        return label.bytes.dropLast(hexDigits)
    }

    private static let traceIDHead = labelHead("trace_id", hexDigits: 32)
    private static let spanIDHead = labelHead("span_id", hexDigits: 16)
    private static let labelBytes = traceIDHead.count + 32 + spanIDHead.count + 16
    private static let bounds = HistogramScale.classicBoundsNanoseconds.map { Double($0) / 1e9 } + [.infinity]
    /// 2⁻²⁰.
    private static let zeroThreshold = Double(sign: .plus, exponent: HistogramScale.zeroExponent, significand: 1)
}
