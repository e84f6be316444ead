import Testing
import Wire

@Suite struct ByteSpanTests {
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
}
