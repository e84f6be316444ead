import HTTP2
import TestSupport
import Testing
import Wire

/// Reads what a session reads and keeps nothing.
struct Counter: HeaderSink {
    var bytes = 0
    var isPicky = false

    func wants(nameID: UInt8) -> Bool { !isPicky || nameID != NameTable.unwanted }

    mutating func field(_ field: borrowing HeaderField) {
        bytes &+= field.name.byteCount &+ field.value.byteCount &+ Int(field.nameID)
    }
}

@Suite struct AllocationTests {
    private static let first =
        inserting(":path", "/org.apache.dubbo.sample.Greeter/greet")
        + inserting("content-type", "application/grpc+proto") + inserting("grpc-timeout", "1000m")
        + inserting("tri-service-version", "1.0.0") + inserting("x-other", "value")

    private func allocations(_ first: [UInt8], _ next: [UInt8], isPicky: Bool = false) -> Int {
        var decoder = HPACKDecoder(names: tripleNames)
        var scratch = HPACKScratch()
        var sink = Counter(isPicky: isPicky)
        func decode(_ block: [UInt8]) {
            try? decoder.decode(block.span.bytes, scratch: &scratch, into: &sink)
        }
        decode(first)
        for _ in 0..<500 { decode(next) }
        return TestSupport.allocations {
            var round = 0
            while round < 1000 {
                decode(next)
                round &+= 1
            }
        }
    }

    @Test("a block of a warm table costs no allocation, nor do literals, Huffman strings and entries that come and go")
    func warm() {
        #if DEBUG
            // Without the optimiser borrowed spans and typed throws cost some.
            return
        #else
            let warm: [UInt8] = [0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]
            #expect(allocations(Self.first, warm) == 0)
            let huffman = hex("0f0d 85 aec3771a4b 48 82 6402")
            #expect(allocations(Self.first, warm + hex("00 01 61 03 626364")) == 0)
            #expect(allocations(Self.first, warm + huffman) == 0)
            // An entry under the name of another.
            #expect(allocations(Self.first, [0x7f, 0x00] + string(Array("2000m".utf8))) == 0)
            #expect(allocations(Self.first, inserting("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736")) == 0)
            #expect(allocations(Self.first, inserting("a", String(repeating: "v", count: 900)), isPicky: true) == 0)
        #endif
    }
}
