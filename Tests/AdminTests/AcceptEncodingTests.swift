import Testing

@testable import Admin

@Suite struct AcceptEncodingTests {
    @Test(
        "gzip is used where it is named or meant, and not where it is forbidden",
        arguments: [
            (nil, false), ("", false), ("gzip", true), ("GZIP", true), ("x-gzip", true), ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false), ("gzip; q=0.0", false), ("*", true), ("*;q=0", false), ("*, gzip;q=0", false),
            ("gzip, *;q=0", true), ("identity", false), ("br", false), ("gzip;q=x", false), (",,;;,", false),
        ] as [(String?, Bool)]
    )
    func header(_ header: String?, _ isAllowed: Bool) { #expect(AcceptEncoding.allowsGzip(header) == isAllowed) }

    @Test("a header that is too long is taken for none") func long() {
        let padding = String(repeating: "x", count: AcceptHeader.maxBytes - 5)
        #expect(AcceptEncoding.allowsGzip("gzip," + padding))
        #expect(!AcceptEncoding.allowsGzip("gzip,x" + padding))
    }
}
