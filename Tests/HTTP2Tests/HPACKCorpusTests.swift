import Foundation
import HTTP2
import TestSupport
import Testing

@Suite struct HPACKCorpusTests {
    private func object(_ data: Data) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
    }

    private func bytes(_ text: Any?) -> [UInt8] { Array((text as? String ?? "?").utf8) }

    @Test("every block of every story decodes to its fields")
    func stories() throws {
        guard let folder = corpus("hpack") else { return }
        var stories = 0
        var blocks = 0
        for encoder in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
            let files = folder.appendingPathComponent(encoder)
            for name in (try? FileManager.default.contentsOfDirectory(atPath: files.path)) ?? [] {
                let story = try #require(object(Data(contentsOf: files.appendingPathComponent(name))))
                blocks += try play(story, "\(encoder)/\(name)")
                stories += 1
            }
        }
        #expect(stories == 36)
        #expect(blocks > 500)
    }

    /// The blocks of a story, decoded in order; how many there were.
    private func play(_ story: [String: Any], _ id: String) throws -> Int {
        let cases = try #require(story["cases"] as? [[String: Any]])
        var decoding = Decoding()
        for (index, step) in cases.enumerated() {
            if let size = step["header_table_size"] as? Int { decoding.decoder.setLimit(UInt32(size)) }
            let expected = try #require(step["headers"] as? [[String: Any]]).flatMap { field in
                field.map { [Array($0.key.utf8), bytes($0.value)] }
            }
            let wire = hex(try #require(step["wire"] as? String))
            let fields = try decoding.pairs(wire)
            #expect(fields == expected, "\(id), block \(index): \(hexText(wire))")
        }
        return cases.count
    }

    @Test("the vectors of RFC 7541 decode, and malformed blocks do not")
    func vectors() throws {
        guard let file = corpus("hpack/rfc7541-and-malformed.jsonl") else { return }
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 13)
        for line in lines {
            let vector = try #require(object(Data(line.utf8)))
            let id = vector["id"] as? String ?? "?"
            var decoding = Decoding(tableBytes: UInt32(vector["max_table_size"] as? Int ?? 4096))
            for step in try #require(vector["steps"] as? [[String: Any]]) {
                let wire = hex(try #require(step["wire"] as? String))
                guard step["error"] == nil else {
                    #expect(decoding.error(wire) != nil, "\(id)")
                    continue
                }
                let expected = try #require(step["headers"] as? [[Any]]).map { $0.map { bytes($0) } }
                let fields = try decoding.pairs(wire)
                #expect(fields == expected, "\(id)")
                guard let size = step["table_size_after"] as? Int else { continue }
                let tableBytes = decoding.decoder.tableBytes
                #expect(tableBytes == size, "\(id)")
                try checkTable(&decoding, step["table_after"] as? [[Any]] ?? [], id)
            }
        }
    }

    /// Reads the dynamic table through indexes.
    private func checkTable(_ decoding: inout Decoding, _ expected: [[Any]], _ id: String) throws {
        let fields = try decoding.pairs(expected.indices.map { 0x80 | UInt8(62 + $0) })
        #expect(fields == expected.map { $0.map { bytes($0) } }, "\(id)")
        #expect(decoding.error([0x80 | UInt8(62 + expected.count)]) == .badIndex(UInt32(62 + expected.count)))
    }
}
