import TestSupport
import Testing
import Triple
import Wire

@Suite struct HealthTests {
    private func names(_ message: [UInt8]) -> [String]? {
        let bytes = message.span.bytes
        guard let request = HealthRequest(bytes) else { return nil }
        return [bytes.slice(request.service).text, bytes.slice(request.interface(in: bytes)).text]
    }

    @Test(
        "the interface stands between the group and the version",
        arguments: [
            ("com.x.Shop", "com.x.Shop"), ("g/com.x.Shop:1.0", "com.x.Shop"), ("com.x.Shop:1.0", "com.x.Shop"),
            ("g/com.x.Shop", "com.x.Shop"), ("a/b/c:d:e", "c"), ("/c", "c"), ("g/", ""), (":1", ""), ("", ""),
        ]
    )
    func interface(_ name: String, _ interface: String) {
        let message = [0x0a, UInt8(name.utf8.count)] + Array(name.utf8)
        #expect(names(message) == [name, interface])
        // Of a field that comes twice the last one counts; others are stepped over.
        #expect(names(hex("0a0178 1005") + message + hex("12026162")) == [name, interface])
        for count in 1..<message.count where count != 1 { #expect(names(Array(message.prefix(count))) == nil) }
    }

    @Test("no field is the server as a whole, and what is no message is none")
    func others() {
        #expect(names([]) == ["", ""] && names(hex("1005")) == ["", ""])
        #expect(names(hex("0f")) == nil && names(hex("00")) == nil)
    }

    @Test("statuses are messages with one field")
    func statuses() {
        #expect(HealthStatus.serving == hex("00 00000002 0801") && HealthStatus.notServing == hex("00 00000002 0802"))
    }
}
