import FoundationEssentials
import FuzzBodies
import Testing
import TestSupport

/// What the fuzzer does, for a moment and always the same.
@Suite struct MutationTests {
    @Test("seeded changes of the fuzzer's inputs break no promise")
    func mutations() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fuzz/Corpus/Capture")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        let seeds = try names.map { try [UInt8](Data(contentsOf: folder.appending(path: $0))) }.filter { !$0.isEmpty }
        #expect(seeds.count > 20)
        var random = SeededRandom(seed: 23)
        for turn in 0..<4000 {
            var bytes = seeds[turn % seeds.count]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
                case 3:
                    let other = seeds.randomElement(using: &random)!
                    bytes.replaceSubrange(at..., with: other.suffix(Int.random(in: 0...other.count, using: &random)))
                default: bytes[at] = UInt8.random(in: 0...255, using: &random)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            bytes.withUnsafeBytes { fuzzCapture($0) }
        }
    }
}
