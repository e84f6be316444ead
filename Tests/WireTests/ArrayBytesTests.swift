import Testing
import Wire

@Suite
struct ArrayBytesTests {
    @Test("the bytes of an array are those of its span", arguments: [0, 1, 15, 16, 4096])
    func array(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(bytes.byteSpan.byteCount == count)
        #expect(bytes.byteSpan.array == bytes)
    }

    @Test("the bytes of an inline array are those of its span")
    func inlineArray() {
        let bytes: [5 of UInt8] = [1, 2, 3, 4, 255]
        #expect(bytes.byteSpan.array == [1, 2, 3, 4, 255])
    }

    @Test("a span is appended whole", arguments: [0, 1, 7, 8, 300])
    func append(count: Int) {
        let piece = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        var bytes: [UInt8] = [9]
        bytes.append(piece.byteSpan)
        #expect(bytes == [9] + piece)
    }

    @Test("numbers are appended in network byte order")
    func bigEndian() {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt8(0x01))
        bytes.appendBigEndian(UInt16(0x0203))
        bytes.appendBigEndian(UInt32(0x0405_0607))
        bytes.appendBigEndian(UInt64(0x0809_0a0b_0c0d_0e0f))
        #expect(bytes == Array(1...15))
        bytes.appendBigEndian(Int32(-2))
        bytes.appendBigEndian(Int64.min)
        #expect(bytes.suffix(12) == [0xff, 0xff, 0xff, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0])
    }
}
