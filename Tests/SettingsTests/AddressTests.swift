import Settings
import Testing

@Suite struct AddressTests {
    @Test(
        "addresses are read and written in their usual form",
        arguments: [
            ("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:0", "0.0.0.0:0"), (":16006", "[::]:16006"),
            ("[::]:1", "[::]:1"),
            ("[::1]:65535", "[::1]:65535"), ("[2001:DB8:0:0:8:0:0:1]:1", "[2001:db8::8:0:0:1]:1"),
            ("[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8]:1"), ("[1::]:1", "[1::]:1"),
            ("[1:0:3:4:5:6:7:8]:1", "[1:0:3:4:5:6:7:8]:1"),
            ("[::ffff:10.0.0.1]:1", "10.0.0.1:1"), ("[64:ff9b::10.0.0.1]:1", "[64:ff9b::a00:1]:1"),
            ("a-b.c_d:9", "a-b.c_d:9"),
            ("localhost:1", "localhost:1"), ("1and1:1", "1and1:1"),
        ]
    )
    func valid(text: String, expected: String) {
        let address = NetworkAddress(text)
        #expect(address?.description == expected)
        #expect(address?.description.isEmpty == false && NetworkAddress(expected) == address)
    }

    @Test(
        "other texts are not addresses",
        arguments: [
            "", ":", "80", "a", "a:", "a:65536", "a:-1", "a:+1", "a: 1", "a:01", "1.2.3:1", "1.2.3.4.5:1",
            "256.1.1.1:1", "01.2.3.4:1",
            "[]:1", "[::1:1", "::1]:1", "[::1]", "[::1]1", "[1:2]:1", "[1::2::3]:1", "[:::]:1", "[12345::]:1",
            "[g::]:1",
            "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7::8]:1", "[1.2.3.4::]:1", "[::1%lo]:1", "-a:1", "a-:1", "a..b:1",
            "ä:1", "a b:1", "１:1",
        ]
    )
    func invalid(text: String) {
        #expect(NetworkAddress(text) == nil)
    }

    @Test("loopback and unspecified are told") func kinds() {
        for text in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"] {
            #expect(NetworkAddress(text)?.isLoopback == true)
        }
        for text in ["128.0.0.1:1", "[::]:1", "[::2]:1", "0.0.0.0:1", "host:1"] {
            #expect(NetworkAddress(text)?.isLoopback == false)
        }
        #expect(NetworkAddress("[::]:1")?.isUnspecified == true)
        #expect(NetworkAddress("0.0.0.0:1")?.isUnspecified == true)
        #expect(NetworkAddress("1.0.0.0:1")?.isUnspecified == false)
    }
}
