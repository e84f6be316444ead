import Wire
import Capture
import Testing

@Suite struct EndpointTests {
    @Test(
        "addresses are written in the shortest form",
        arguments: [
            ("0:0:0:0:0:0:0:0", "[::]:80"), ("0:0:0:0:0:0:0:1", "[::1]:80"), ("1:0:0:0:0:0:0:0", "[1::]:80"),
            ("2001:db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:80"), ("2001:db8:0:1:1:1:1:1", "[2001:db8:0:1:1:1:1:1]:80"),
            ("2001:0:0:1:0:0:0:1", "[2001:0:0:1::1]:80"), ("fe80:0:0:0:a:b:c:d", "[fe80::a:b:c:d]:80"),
            ("1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:80"), ("0:0:3:4:5:6:7:8", "[::3:4:5:6:7:8]:80"),
            ("1:2:3:4:5:6:0:0", "[1:2:3:4:5:6::]:80"), ("0:2:3:4:5:6:7:0", "[0:2:3:4:5:6:7:0]:80"),
            ("fd07:b51a:cc66:0:cf8:ecff:fe8b:e833", "[fd07:b51a:cc66:0:cf8:ecff:fe8b:e833]:80"),
            ("0:0:0:0:0:ffff:c000:201", "[::ffff:192.0.2.1]:80"), ("ABCD:0:0:0:0:0:0:EF01", "[abcd::ef01]:80"),
        ]
    )
    func sixteenByteForms(groups: String, text: String) {
        let numbers = groups.split(separator: ":").map { UInt64($0, radix: 16)! }
        let high = numbers[..<4].reduce(0) { $0 << 16 | $1 }
        let low = numbers[4...].reduce(0) { $0 << 16 | $1 }
        #expect(Endpoint(high: high, low: low, port: 80).description == text)
    }

    @Test("an IPv4 endpoint has dots and no brackets")
    func fourByteForm() {
        #expect(Endpoint(ipv4: 0x0a4d_0001, port: 65535).description == "10.77.0.1:65535")
        #expect(Endpoint(ipv4: 0xffff_ffff, port: 0).addressText == "255.255.255.255")
        #expect(Endpoint(ipv4: 1, port: 1) != Endpoint(high: 0, low: 1, port: 1))
    }

    @Test("an IPv4 address that is mapped into IPv6 can be taken as one, and no other")
    func unmapped() {
        let plain = Endpoint(ipv4: 0xc000_0201, port: 80)
        #expect(Endpoint(high: 0, low: 0xffff_c000_0201, port: 80).unmapped == plain && plain.unmapped == plain)
        for (high, low) in [(1, 0xffff_c000_0201), (0, 0x1_ffff_c000_0201), (0, 0xc000_0201)] as [(UInt64, UInt64)] {
            let other = Endpoint(high: high, low: low, port: 80)
            #expect(other.unmapped == other)
        }
    }
}
