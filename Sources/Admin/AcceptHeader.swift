package import Telemetry

/// Which form of the metrics page a scraper wants.
package enum AcceptHeader {
    /// The longest header that is read; a longer one is taken for none.
    package static let maxBytes = 4096

    /// OpenMetrics when it is named and not liked less than plain text; text otherwise.
    ///
    /// A version other than 1.0.0 that is named does not count. Source: RFC 9110 §12.5.1.
    package static func format(_ header: String?) -> ExpositionFormat {
        guard let header, header.utf8.count <= maxBytes else { return .text }
        var (openMetrics, text) = (0.0, 0.0)
        for range in header.split(separator: ",") {
            let parts = range.split(separator: ";").map { trimmed($0).lowercased() }
            guard let type = parts.first else { continue }
            let weight = parameter("q", in: parts).map { Double($0) ?? 0 } ?? 1
            let version = parameter("version", in: parts) ?? "1.0.0"
            if type == "application/openmetrics-text", version == "1.0.0" { openMetrics = max(openMetrics, weight) }
            if type == "text/plain" { text = max(text, weight) }
        }
        return openMetrics > 0 && openMetrics >= text ? .openMetrics : .text
    }

    private static func parameter(_ name: String, in parts: [String]) -> String? {
        for part in parts.dropFirst() where part.hasPrefix(name + "=") { return String(part.dropFirst(name.count + 1)) }
        return nil
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
