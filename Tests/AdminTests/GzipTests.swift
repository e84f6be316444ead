import HTTP1
import NIOCore
import Testing

@testable import Admin

@Suite struct GzipTests {
    private func packed(_ pieces: [[UInt8]]) throws -> ByteBuffer {
        let writer = try GzipWriter()
        for piece in pieces { writer.append(piece) }
        #expect(writer.plainBytes == pieces.reduce(0) { $0 + $1.count })
        return writer.finish()
    }

    private func unpacked(_ buffer: ByteBuffer, _ pieceBytes: Int) throws -> [UInt8] {
        let reader = try GzipReader(buffer)
        var bytes: [UInt8] = []
        while let piece = reader.next(pieceBytes) {
            #expect(1...pieceBytes ~= piece.readableBytes)
            bytes += piece.readableBytesView
        }
        #expect(reader.next(pieceBytes) == nil)
        return bytes
    }

    @Test("what was packed comes back in pieces of any size", arguments: [1, 7, 4096, 100_000])
    func pieces(_ pieceBytes: Int) throws {
        let lines = (0..<1000).map { Array("weir_calls_total{method=\"get\($0)\"} \($0 * $0)\n".utf8) }
        let text = Array(lines.joined())
        #expect(try unpacked(packed(lines), pieceBytes) == text)
        #expect(try unpacked(packed([text]), pieceBytes) == text)
        #expect(try unpacked(packed([]), pieceBytes).isEmpty)
        #expect(try unpacked(packed([[]]), pieceBytes).isEmpty)
    }

    @Test("bytes that cannot be packed come back too, and another reader understands them") func noise() throws {
        var generator = SystemRandomNumberGenerator()
        let noise = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let buffer = try packed([noise])
        #expect(try unpacked(buffer, 8192) == noise)
        let inflater = Inflater()
        try inflater.begin(.gzip, limitBytes: .max - 1)
        var bytes: [UInt8] = []
        let input = Array(buffer.readableBytesView)
        try inflater.read(input.span.bytes) { piece in
            for at in 0..<piece.byteCount { bytes.append(piece.unsafeLoad(fromByteOffset: at, as: UInt8.self)) }
        }
        try inflater.finish()
        #expect(bytes == noise)
    }

    @Test("what ends too early ends, and does not go round for ever") func truncated() throws {
        let buffer = try packed([[UInt8](repeating: 7, count: 100_000)])
        for count in 0..<buffer.readableBytes {
            let part = try #require(buffer.getSlice(at: buffer.readerIndex, length: count))
            #expect(try unpacked(part, 1000).count <= 100_000)
        }
    }
}
