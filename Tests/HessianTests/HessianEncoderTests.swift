import Hessian
import TestSupport
import Testing

@Suite struct HessianEncoderTests {
    /// Values written through a stream, whose length the writer did not know, and one by a writer without the form 30.
    static let otherForms: Set<String> = [
        "caucho/inputstream", "caucho/low:bytebuffer-3parts", "caucho/low:bytestream-5",
        "hessian.js/string/01234567890123456789012345678901",
    ]

    /// Whether Java wrote the vector, and in the form that hessian-lite takes for a value of known length.
    private func isWriterForm(_ vector: HessianVector) -> Bool {
        let isJava = ["caucho hessian", "Java hessian", "apache dubbo"].contains { vector.encoder.hasPrefix($0) }
        return isJava && vector.leads.isDisjoint(with: ["55", "57"]) && !Self.otherForms.contains(vector.id)
    }

    @Test("what Java wrote is written again byte for byte")
    func vectors() {
        var count = 0
        for vector in HessianVector.all where !vector.isError && isWriterForm(vector) {
            guard let value = decode(vector.bytes).only else { continue }
            // The fixtures of hessian.js come from a writer with a buffer half as large.
            let chunk = vector.id.hasPrefix("hessian.js") ? 4093 : 8189
            var encoder = HessianEncoder(binaryChunkBytes: chunk)
            encoder.value(value)
            #expect(encoder.bytes == vector.bytes, "\(vector.id) \(hexText(vector.bytes.prefix(60)))")
            count += 1
        }
        if !HessianVector.all.isEmpty { #expect(count > 440, "\(count)") }
    }

    @Test("every vector's value is read back from what is written of it")
    func roundTrips() {
        for vector in HessianVector.all where !vector.isError {
            guard let value = decode(vector.bytes).only else { continue }
            let bytes = encoded { $0.value(value) }
            #expect(decode(bytes).only == value || vector.bytes == hex("448000000000000000"), "\(vector.id)")
        }
    }

    @Test("integers take their shortest form at every border")
    func integers() {
        let borders = [
            -1 << 31, -0x40001, -0x40000, -0x801, -0x800, -17, -16, -9, -8, -1, 0, 1, 15, 16, 47, 48, 0x7ff, 0x800,
            0x3ffff, 0x40000, 1 << 31 - 1,
        ]
        for number in borders {
            let int = encoded { $0.int(Int32(number)) }
            #expect(decode(int).only == .int32(Int32(number)), "\(number)")
            let intSize = (-16...47).contains(number) ? 1 : abs(number) <= 0x800 ? 2 : abs(number) <= 0x40000 ? 3 : 5
            if number != 0x800, number != 0x40000 { #expect(int.count == intSize, "\(number)") }
            let long = encoded { $0.long(Int64(number)) }
            #expect(decode(long).only == .int64(Int64(number)), "\(number)")
        }
        #expect(encoded { $0.int(0x800) } == hex("d40800"))
        #expect(encoded { $0.int(0x40000) } == hex("4900040000"))
        #expect(encoded { $0.long(0x800) } == hex("3c0800"))
        #expect(encoded { $0.long(0x40000) } == hex("5900040000"))
        #expect(encoded { $0.long(.min) } == hex("4c8000000000000000"))
        #expect(encoded { $0.long(1 << 31) } == hex("4c0000000080000000"))
    }

    @Test("doubles take the forms of Java's writer")
    func doubles() {
        let cases: [(Double, String)] = [
            (0, "5b"), (-0.0, "5b"), (1, "5c"), (-1, "5dff"), (127, "5d7f"), (-128, "5d80"), (128, "5e0080"),
            (32767, "5e7fff"), (-32768, "5e8000"), (32768, "5f01f40000"), (12.25, "5f00002fda"), (0.5, "5f000001f4"),
            (.pi, "44400921fb54442d18"), (.nan, "447ff8000000000000"), (-.nan, "447ff8000000000000"),
            (.infinity, "447ff0000000000000"), (-.infinity, "44fff0000000000000"), (1e300, "447e37e43c8800759c"),
            (2_147_483.647, "5f7fffffff"), (.leastNonzeroMagnitude, "440000000000000001"),
        ]
        for (value, text) in cases { #expect(hexText(encoded { $0.double(value) }) == text, "\(value)") }
        var random = SeededRandom(seed: 7)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            let thousandth = Double(Int32(truncatingIfNeeded: random.next())) * 0.001
            for value in [value, thousandth] where !value.isNaN {
                #expect(decode(encoded { $0.double(value) }).only == .double(value), "\(value)")
            }
        }
    }

    @Test("dates take minutes where they can")
    func dates() {
        #expect(encoded { $0.date(milliseconds: 894_621_060_000) } == hex("4b00e3838f"))
        #expect(encoded { $0.date(milliseconds: 894_621_091_000) } == hex("4a000000d04b9284b8"))
        for date in [0, 1, -1, 60_000, -60_000, Int64(Int32.max) * 60_000, (Int64(Int32.max) + 1) * 60_000, .max, .min]
        {
            #expect(decode(encoded { $0.date(milliseconds: date) }).only == .date(date), "\(date)")
        }
    }

    @Test(
        "strings change form at 32, 1024 and 32769 units",
        arguments: [0, 31, 32, 1023, 1024, 0x8000, 0x8001, 70_000]
    )
    func strings(count: Int) {
        let head = [0: "00", 31: "1f", 32: "3020", 1023: "33ff", 1024: "530400", 0x8000: "538000"][count] ?? "528000"
        for unit: UInt16 in [0x61, 0xe9, 0x4e2d] {
            let units = [UInt16](repeating: unit, count: count)
            let bytes = encoded { $0.string(utf16: units) }
            #expect(hexText(bytes.prefix(head.count / 2)) == head)
            #expect(decode(bytes).only == .string(units))
        }
    }

    @Test("a chunk never ends between the halves of a pair")
    func chunksAtPairs() {
        for lead in 0x7ffd...0x8001 {
            let text = String(repeating: "a", count: lead) + "😀" + String(repeating: "b", count: 10)
            let bytes = encoded { $0.string(text) }
            #expect(decode(bytes).only == .string(text))
            let first = Int(bytes[1]) << 8 | Int(bytes[2])
            #expect(first == (lead == 0x7fff ? 0x7fff : 0x8000), "\(lead)")
        }
        // Halves without their other half are kept too, and a row of high ones shortens every chunk.
        let halves = [UInt16](repeating: 0xd83d, count: 0x8000 * 2)
        let bytes = encoded { $0.string(utf16: halves) }
        #expect(decode(bytes).only == .string(halves))
        #expect(bytes.starts(with: [0x52, 0x7f, 0xff, 0xed, 0xa0, 0xbd]))
    }

    @Test(
        "byte arrays change form at 16, 1024 and past the chunk",
        arguments: [0, 15, 16, 1023, 1024, 8189, 8190, 30_000]
    )
    func binaries(count: Int) {
        let head = [0: "20", 15: "2f", 16: "3410", 1023: "37ff", 1024: "420400", 8189: "421ffd"][count] ?? "411ffd"
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let bytes = encoded { $0.binary(content) }
        #expect(hexText(bytes.prefix(head.count / 2)) == head)
        #expect(decode(bytes).only == .binary(content))
    }

    @Test("classes and types are spelled once")
    func tables() {
        let point = HessianClass(name: "P", fieldNames: ["x"])
        let bytes = encoded { encoder in
            encoder.beginList(count: 2)
            for x: Int32 in 1...2 {
                encoder.beginObject(point)
                encoder.int(x)
            }
            encoder.beginList(type: "[int", count: 0)
            encoder.beginMap(type: "[int")
            encoder.end()
            encoder.beginVariableList(type: "v")
            encoder.ref(0)
            encoder.end()
            encoder.beginVariableList()
            encoder.bool(true)
            encoder.null()
            encoder.end()
            encoder.beginList(type: "v", count: 8)
        }
        let expected =
            "7a 43 0150 91 0178 60 91 60 92 70 045b696e74 4d 90 5a 55 0176 51 90 5a 57 54 4e 5a 56 91 98"
        #expect(hexText(bytes) == hexText(hex(expected)))
        let many = encoded { encoder in
            for index in 0..<18 { encoder.beginObject(HessianClass(name: "\(index)", fieldNames: [])) }
        }
        #expect(hexText(many.suffix(14)) == "4302313690" + "4fa0" + "4302313790" + "4fa1")
    }

    @Test("a body goes behind the bytes that are there")
    func appending() {
        var encoder = HessianEncoder(appendingTo: hex("dabb"))
        encoder.string("busy")
        #expect(encoder.bytes == hex("dabb 04 62757379"))
    }
}
