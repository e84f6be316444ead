/// The forms in which Prometheus reads metrics.
public enum ExpositionFormat: CaseIterable, Sendable {
    /// Prometheus text format 0.0.4.
    case text
    /// OpenMetrics 1.0.0, with exemplars.
    case openMetrics
    /// Length-delimited protobuf messages, with exemplars and native histograms.
    case protobuf

    /// The value of the HTTP header `Content-Type`.
    public var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        }
    }
}

/// A builder of a page of metrics: families one after the other, each with all its samples.
protocol ExpositionWriter {
    /// The form of labels on this page; all labels passed to it must have that form.
    static var labelForm: LabelForm { get }

    /// Writes a family's head; its samples must follow.
    mutating func begin(_ family: MetricFamily)
    /// Writes one sample under `labels` and then `more`.
    mutating func write(_ labels: [UInt8], more: [UInt8], value: UInt64)
    /// Writes a sample as above with a number that may be negative.
    mutating func write(_ labels: [UInt8], more: [UInt8], value: Int64)
    /// Writes a sample as above with a fraction; it must be finite.
    mutating func write(_ labels: [UInt8], more: [UInt8], value: Double)
    /// Writes the samples of one histogram.
    mutating func histogram(_ labels: [UInt8], _ histogram: HistogramSnapshot)
    /// Ends the page and gives the last of it out.
    mutating func end()
}

extension ExpositionWriter {
    mutating func sample(_ labels: [UInt8], more: [UInt8] = [], _ value: UInt64) {
        write(labels, more: more, value: value)
    }
    mutating func sample(_ labels: [UInt8], more: [UInt8] = [], _ value: Int64) {
        write(labels, more: more, value: value)
    }
    mutating func sample(_ labels: [UInt8], more: [UInt8] = [], _ value: Double) {
        write(labels, more: more, value: value)
    }
}
