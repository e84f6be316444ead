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

    static let protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
    static let prometheus2Native = protobuf + "," + prometheus2.replacing("1.0.0,", with: "1.0.0;q=0.8,")
    static let prometheus3Native = protobuf + ";q=0.7," + prometheus3

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
            (";;;,,,", .text), (protobuf, .protobuf), (prometheus2Native, .protobuf), (prometheus3Native, .protobuf),
            (protobuf + ";q=0", .text), (protobuf + ";q=0.4, application/openmetrics-text;q=0.5", .openMetrics),
            (protobuf + ";q=0.5, text/plain;q=0.6", .text), (protobuf + ", text/plain", .protobuf),
            ("application/vnd.google.protobuf", .text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", .text),
            ("application/vnd.google.protobuf;proto=some.Other;encoding=delimited", .text),
            (protobuf.replacing("delimited", with: "\"delimited\""), .protobuf),
            ("application/openmetrics-text;version=\"1.0.0\"", .openMetrics), ("text/plain;q=nan", .text),
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
