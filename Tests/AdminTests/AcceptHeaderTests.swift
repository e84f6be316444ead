import Admin
import Telemetry
import Testing

@Suite struct AcceptHeaderTests {
    static let prometheus2 =
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;"
        + "version=0.0.4;q=0.5,*/*;q=0.1"
    static let prometheus3 =
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
        + "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3"

    @Test(
        "the form is the one asked for",
        arguments: [
            (nil, .text), ("", .text), ("*/*", .text), ("text/html", .text), ("text/plain", .text),
            ("application/openmetrics-text", .openMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", .openMetrics),
            ("application/openmetrics-text; version=0.0.1", .text), ("application/openmetrics-text;q=0", .text),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.5", .text),
            ("text/plain;q=0.5 , application/openmetrics-text ; q=0.5", .openMetrics),
            ("application/openmetrics-text;q=x", .text), (prometheus2, .openMetrics), (prometheus3, .openMetrics),
            (";;;,,,", .text),
        ] as [(String?, ExpositionFormat)]
    )
    func formats(_ header: String?, _ format: ExpositionFormat) {
        #expect(AcceptHeader.format(header) == format)
    }

    @Test("a header is read up to its limit") func limit() {
        let type = "application/openmetrics-text,"
        for (count, format) in [(4095, ExpositionFormat.openMetrics), (4096, .openMetrics), (4097, .text)] {
            #expect(AcceptHeader.format(type + String(repeating: "x", count: count - type.utf8.count)) == format)
        }
    }
}
