package import Telemetry

/// A reader for the header `accept` of a scraper.
package enum AcceptHeader {
    /// The longest header that is read; a longer one is taken for none.
    package static let maxBytes = 4096

    /// The preferred form among the named ones; protobuf before OpenMetrics before text for equal preference, and text
    /// if none is named.
    ///
    /// A version of OpenMetrics other than 1.0.0, and protobuf of another message or encoding than ours, do not
    /// count. Source: RFC 9110 §12.5.1.
    package static func format(_ header: String?) -> ExpositionFormat {
        guard let header, header.utf8.count <= maxBytes else { return .text }
        var (protobuf, openMetrics, text) = (0.0, 0.0, 0.0)
        for range in header.split(separator: ",") {
            let parts = range.split(separator: ";").map { trimmed($0).lowercased() }
            guard let type = parts.first else { continue }
            let weight = parameter("q", in: parts).map { Double($0) ?? 0 } ?? 1
            switch type {
            case "application/vnd.google.protobuf":
                if isMetricFamily(parts) { protobuf = max(protobuf, weight) }
            case "application/openmetrics-text":
                if parameter("version", in: parts) ?? "1.0.0" == "1.0.0" { openMetrics = max(openMetrics, weight) }
            case "text/plain":
                text = max(text, weight)
            default: break
            }
        }
        if protobuf > 0, protobuf >= max(openMetrics, text) { return .protobuf }
        return openMetrics > 0 && openMetrics >= text ? .openMetrics : .text
    }

    private static func isMetricFamily(_ parts: [String]) -> Bool {
        parameter("proto", in: parts) == "io.prometheus.client.metricfamily"
            && parameter("encoding", in: parts) == "delimited"
    }

    /// A parameter's value, without quotes.
    private static func parameter(_ name: String, in parts: [String]) -> String? {
        for part in parts.dropFirst() where part.hasPrefix(name + "=") {
            let value = part.dropFirst(name.count + 1)
            guard value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") else { return String(value) }
            return String(value.dropFirst().dropLast())
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
