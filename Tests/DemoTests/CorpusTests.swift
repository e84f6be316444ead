import Dubbo
import Foundation
import Hessian
import TestSupport
import Testing

@testable import Demo

@Suite struct CorpusTests {
    private struct Entry: Decodable {
        struct Frame: Decodable {
            let kind: String
            let complete: Bool?
            let event: Bool?
            let serialization_id: UInt8?
            let interface: String?
            let method: String?
            let version: String?
        }

        let id: String
        let hex: String
        let frames: [Frame]?
    }

    /// The frames of other projects' tests; `nil` (and a line that says so) where the corpus is not there.
    private static let entries: [Entry]? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/corpus")
        let folder = ProcessInfo.processInfo.environment["WEIR_CORPUS"].map { URL(filePath: $0) } ?? root
        guard let data = try? Data(contentsOf: folder.appending(path: "dubbo2-frames/frames.jsonl")) else {
            print("CorpusTests of the demo: no corpus, nothing compared")
            return nil
        }
        return data.split(separator: UInt8(ascii: "\n")).compactMap { try? JSONDecoder().decode(Entry.self, from: $0) }
    }()

    @Test("requests of other peers are read with the names they carry")
    func requests() throws {
        var compared = 0
        for entry in Self.entries ?? [] {
            guard let stated = entry.frames?.first, stated.kind == "request", stated.complete == true else { continue }
            guard stated.event == false, stated.serialization_id == 2, stated.interface != nil else { continue }
            var buffer = FrameBuffer()
            buffer.append(hex(entry.hex)[...])
            let request = try DemoRequest(#require(try buffer.next()))
            #expect(request.interface == stated.interface, "\(entry.id)")
            #expect(request.version == stated.version ?? "", "\(entry.id)")
            if !request.isGeneric { #expect(request.method == stated.method, "\(entry.id)") }
            compared += 1
        }
        #expect(compared >= 5 || Self.entries == nil)
    }

    @Test("the heartbeats of other peers are the demo's")
    func heartbeats() {
        for entry in Self.entries ?? [] where entry.frames?.first?.event == true {
            let bytes = hex(entry.hex)
            let id = bytes[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let expected = bytes[2] & 0x80 != 0 ? FrameBytes.heartbeat(id: id) : FrameBytes.heartbeatReply(id: id)
            #expect(bytes == expected, "\(entry.id)")
        }
    }
}
