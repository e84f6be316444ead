import Dubbo
import Foundation
import TestSupport
import Testing
import Wire

/// One frame of the corpus and what another reader made of it.
private struct GoldenFrame: @unchecked Sendable {
    let id: String
    let bytes: [UInt8]
    let expected: [String: Any]

    var isComplete: Bool { expected["complete"] as? Bool == true && expected["body_error"] == nil }
    var isEvent: Bool { expected["event"] as? Bool == true }

    func number(_ key: String) -> Int? { (expected[key] as? NSNumber)?.intValue }
    func text(_ key: String) -> String? { expected[key] as? String }

    /// The attachments that are text, as a reader shows them.
    var attachments: Set<String>? {
        guard let all = expected["attachments"] as? [String: Any] else { return nil }
        return Set(all.compactMap { key, value in (value as? String).map { "\(key)=\($0)" } })
    }

    static let all: [GoldenFrame] = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let corpus =
            ProcessInfo.processInfo.environment["WEIR_CORPUS"].map { URL(filePath: $0) }
            ?? root.appending(path: "../shared/corpus")
        guard let data = try? Data(contentsOf: corpus.appending(path: "dubbo2-frames/frames.jsonl")) else {
            print("Dubbo frames are not at \(corpus.path): their tests check nothing")
            return []
        }
        return data.split(separator: 0x0a).flatMap { line -> [GoldenFrame] in
            guard let node = try? JSONSerialization.jsonObject(with: line) as? [String: Any],
                let frames = node["frames"] as? [[String: Any]]
            else { return [] }
            let bytes = hex(node["hex"] as? String ?? "")
            return frames.compactMap { frame in
                let offset = (frame["offset"] as? NSNumber)?.intValue ?? 0
                guard frame["protocol"] as? String == "dubbo2", bytes.count >= offset + 16 else { return nil }
                return GoldenFrame(id: node["id"] as? String ?? "", bytes: Array(bytes[offset...]), expected: frame)
            }
        }
    }()
}

@Suite struct FrameGoldenTests {
    @Test("headers of frames that other projects test with")
    func headers() throws {
        for frame in GoldenFrame.all {
            let header = try FrameHeader(frame.bytes.span.bytes, at: 0)
            #expect(header.isRequest == (frame.text("kind") == "request"), "\(frame.id)")
            #expect(header.isEvent == frame.isEvent, "\(frame.id)")
            if header.isRequest { #expect(header.isTwoWay == (frame.expected["two_way"] as? Bool), "\(frame.id)") }
            if !header.isRequest { #expect(Int(header.status) == frame.number("status"), "\(frame.id)") }
            #expect(Int(header.serialization) == frame.number("serialization_id"), "\(frame.id)")
            #expect(Int(Int64(bitPattern: header.requestID)) == frame.number("request_id"), "\(frame.id)")
            #expect(Int(header.bodyBytes) == frame.number("body_len"), "\(frame.id)")
        }
    }

    private func form(of frame: GoldenFrame) -> BodyForm {
        if frame.isEvent { return .event }
        if frame.text("kind") == "request" { return .request }
        return .reply(status: UInt8(frame.number("status") ?? 0), .attachments)
    }

    @Test("bodies of those frames, alike in one piece, in any two and in single bytes")
    func bodies() {
        var read = 0
        for frame in GoldenFrame.all where frame.isComplete {
            let body = Array(frame.bytes[16..<min(frame.bytes.count, 16 + (frame.number("body_len") ?? 0))])
            let serialization = UInt8(frame.number("serialization_id") ?? 0)
            let form = form(of: frame)
            let whole = DubboTests.read(form, body, serialization: serialization)
            for cuts in (1..<max(body.count, 1)).map({ [$0] }) + [Array(1..<max(body.count, 1))] {
                let split = DubboTests.read(form, body, cuts: cuts, serialization: serialization)
                #expect(split == whole, "\(frame.id) \(cuts.prefix(2))")
            }
            read += 1
            check(whole, frame, form)
        }
        #expect(GoldenFrame.all.isEmpty || read > 20)
    }

    private func check(_ facts: BodyFacts, _ frame: GoldenFrame, _ form: BodyForm) {
        #expect(facts.error == nil, "\(frame.id)")
        switch form {
        case .event: #expect(facts.event == .heartbeat, "\(frame.id)")
        case .request:
            #expect(facts.dubboVersion == frame.text("dubbo_version"), "\(frame.id)")
            #expect(facts.interface == frame.text("interface"), "\(frame.id)")
            #expect(facts.version == frame.text("version"), "\(frame.id)")
            #expect(facts.method == frame.text("method"), "\(frame.id)")
            #expect(facts.descriptor == frame.text("param_desc"), "\(frame.id)")
            #expect(facts.attachments.map { Set($0) } == frame.attachments, "\(frame.id)")
        case .reply:
            #expect(facts.kind.map { Int($0.rawValue) } == frame.number("response_flag"), "\(frame.id)")
            #expect(facts.exceptionClass == frame.text("exception_class") ?? "", "\(frame.id)")
            #expect(facts.message == frame.text("exception_message") ?? frame.text("error_message"), "\(frame.id)")
            #expect(facts.attachments.map { Set($0) } == frame.attachments, "\(frame.id)")
        }
    }

    @Test("frames that end early or hold nonsense are read as far as they go")
    func incomplete() {
        for frame in GoldenFrame.all where !frame.isComplete {
            let body = Array(frame.bytes[16...])
            let facts = DubboTests.read(
                form(of: frame),
                body,
                serialization: UInt8(frame.number("serialization_id") ?? 0)
            )
            let split = DubboTests.read(
                form(of: frame),
                body,
                cuts: Array(1..<max(body.count, 1)),
                serialization: UInt8(frame.number("serialization_id") ?? 0)
            )
            #expect(facts == split, "\(frame.id)")
        }
    }
}
