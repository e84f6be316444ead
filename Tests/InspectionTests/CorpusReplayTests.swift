import Foundation
import FuzzBodies
import Testing

@Suite struct CorpusReplayTests {
    private static let bodies: [(name: String, body: @Sendable (UnsafeRawBufferPointer) -> Void)] = [
        ("Hessian", fuzzHessianValue), ("Serializations", fuzzSerializedBody), ("DubboSession", fuzzDubboSession),
        ("Capture", fuzzCapture), ("JSON", fuzzJSON), ("EventStream", fuzzEventStream),
        ("HTTP1Session", fuzzHTTP1Session),
        ("HTTP2Session", fuzzHTTP2Session), ("HPACK", fuzzHPACK), ("ReplyPatch", fuzzReplyPatch),
    ]

    @Test("what the fuzzers start from, and what once made them stop", arguments: bodies.map(\.name))
    func replay(name: String) throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fuzz/Corpus/\(name)")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        let body = try #require(Self.bodies.first { $0.name == name }?.body)
        for file in files.sorted(by: { $0.path < $1.path }) {
            // Every prefix of a length that halves: what ends early is an input of its own.
            var bytes = try Data(contentsOf: file)
            while !bytes.isEmpty {
                bytes.withUnsafeBytes { body($0) }
                bytes = Data(bytes.prefix(bytes.count / 2))
            }
        }
    }
}
