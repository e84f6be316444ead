import Calls
import Foundation
import TestSupport
import Testing
import Triple
import Wire

/// The facts that the corpus states of gRPC and Triple messages, from the headers that it lists.
@Suite struct CorpusTests {
    typealias Line = [String: Any]

    static let folder: URL? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let given = ProcessInfo.processInfo.environment["WEIR_CORPUS"]
        let folder = given.map { URL(filePath: $0) } ?? root.appending(path: "../shared/corpus")
        return FileManager.default.fileExists(atPath: folder.appending(path: "captures").path) ? folder : nil
    }()

    /// The lines of every capture that are messages of gRPC or Triple, and of other HTTP/2.
    static func lines(of protocols: Set<String>) throws -> [Line] {
        guard let folder else {
            print("corpus not found: no facts are compared")
            return []
        }
        let captures = folder.appending(path: "captures")
        var lines: [Line] = []
        for case let file as String in FileManager.default.enumerator(atPath: captures.path) ?? .init()
        where file.hasSuffix(".expected.jsonl") {
            let text = try String(contentsOf: captures.appending(path: file), encoding: .utf8)
            for line in text.split(separator: "\n") {
                guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? Line else { continue }
                if protocols.contains(object["protocol"] as? String ?? "") { lines.append(object) }
            }
        }
        return lines
    }

    private func fields(_ line: Line, _ key: String) -> [(String, String)] {
        (line[key] as? [[Any]] ?? []).compactMap { pair in
            guard pair.count == 2, let name = pair[0] as? String, let value = pair[1] as? String else { return nil }
            return (name, value)
        }
    }

    @Test("interface, method, version and group of every request")
    func requests() throws {
        let requests = try Self.lines(of: ["grpc", "triple"]).filter { $0["kind"] as? String == "request" }
        #expect(requests.count >= 70 || Self.folder == nil)
        for line in requests {
            let fields = Fields(fields(line, "headers"))
            let head = fields.request
            #expect(head.form == .grpc)
            guard let interface = line["interface"] as? String, let method = line["rpc_method"] as? String else {
                continue
            }
            let path = Array(fields.text(head.path).utf8)
            let found = TriplePath(path.span.bytes)
            let parsed = try #require(found)
            #expect(path.span.bytes.slice(parsed.interface).text == interface)
            #expect(path.span.bytes.slice(parsed.method).text == method)
            #expect(parsed.kind(in: path.span.bytes) == .business)
        }
    }

    @Test("the status of every reply, and an outcome that fits it")
    func replies() throws {
        let replies = try Self.lines(of: ["grpc", "triple"]).filter { $0["kind"] as? String == "response" }
        #expect(replies.count >= 60 || Self.folder == nil)
        var outcomes: [Outcome: Int] = [:]
        for line in replies {
            let fields = Fields(fields(line, "headers") + fields(line, "trailers"))
            let head = fields.response
            guard let status = (line["grpc_status"] as? String).flatMap(Int16.init) else { continue }
            #expect(head.grpcStatus == status)
            let result = TripleResult(reply: head, form: .grpc)
            outcomes[result.outcome, default: 0] += 1
            #expect((result.outcome == .ok) == (status == 0))
            if let message = line["grpc_message"] as? String { #expect(fields.text(head.grpcMessage) == message) }
            let trailersOnly = line["trailers_only"] as? Bool
            let inHeaders = self.fields(line, "headers").contains { $0.0 == "grpc-status" }
            #expect(trailersOnly == inHeaders)
        }
        if Self.folder != nil { #expect(Set(outcomes.keys) == [.ok, .clientError, .serverError, .timeout]) }
    }

    @Test("other HTTP/2 is not taken for Triple")
    func others() throws {
        for line in try Self.lines(of: ["http2"]) where line["kind"] as? String == "request" {
            #expect(Fields(fields(line, "headers")).request.form == nil)
        }
    }
}
