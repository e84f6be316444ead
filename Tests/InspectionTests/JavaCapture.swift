import Calls
import Capture
import Foundation
import Inspection
import Telemetry
import Wire

/// A line of a log or of an output.
typealias Line = [String: Any]

/// One of the captures of Dubbo Java under `Tests/Goldens/java`: what was read of it and what the peers logged.
final class JavaCapture: @unchecked Sendable {
    static let names = [
        "dubbo-all", "dubbo-c26-p33", "dubbo-load", "dubbo-mtu1500", "dubbo-heartbeat-shutdown", "dubbo-threadpool",
        "dubbo-fastjson2", "mixed-one-port",
    ]
    static let tripleNames = ["triple-all", "triple-load"]

    let name: String
    /// The Dubbo frames.
    let messages: [Line]
    /// The halves of Triple streams.
    let streams: [Line]
    let calls: [Line]
    let snapshot: MetricsSnapshot
    /// The consumer's calls, and those it answered as callbacks.
    let consumerCalls: [Line]
    let callbacks: [Line]
    let providerCalls: [Line]
    let frames: [Line]
    let providerFrames: [Line]

    /// The capture of that name, read once; `nil` (and a line that says so) when there is no `xz` to unpack it.
    static func named(_ name: String) throws -> JavaCapture? { try cache[name]?.get() ?? nil }

    private static let cache: [String: Result<JavaCapture?, any Error>] = {
        var all: [String: Result<JavaCapture?, any Error>] = [:]
        for name in names + tripleNames { all[name] = Result { try JavaCapture(name) } }
        return all
    }()

    private init?(_ name: String) throws {
        self.name = name
        guard let packets = try GoldenFile.contents("java/\(name).pcap") else {
            print("there is no xz to unpack \(name): nothing is checked")
            return nil
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "weir-\(name)-\(UUID().uuidString).pcap")
        try packets.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let registry = OperationRegistry(capacity: 2000)
        let labels = SeriesLabels()
        let recorder = Recorder(labels: labels)
        let inspector = Inspector(registry: registry, recorder: recorder)
        let messageLines = MessageLines(redacted: Redaction(names: [])) { _ in }
        let callLines = CallLines(registry: registry) { _ in }
        inspector.messageObserver = messageLines
        inspector.callObserver = callLines
        let reassembler = Reassembler(consumer: CaptureInspector(inspector: inspector, side: .provider))
        var capture = try CaptureFile(path: file.path)
        try reassembler.read(&capture)
        reassembler.finish()
        let spoken = try objects(messageLines.json.bytes)
        messages = spoken.filter { $0.text("protocol") == "dubbo2" }
        streams = spoken.filter { $0.text("protocol") == "triple" }
        calls = try objects(callLines.json.bytes)
        snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
        let all = try Self.log("\(name).calls.jsonl").filter { $0["protocol"] as? String == "dubbo" }
        consumerCalls = all.filter { $0["side"] as? String == "consumer" }
        callbacks = all.filter { $0["side"] as? String != "consumer" }
        providerCalls = try Self.log("\(name).provider-calls.jsonl").filter { $0["protocol"] as? String == "dubbo" }
        frames = try Self.log("\(name).frames.jsonl")
        providerFrames = try Self.log("\(name).provider-frames.jsonl")
    }

    private static func log(_ name: String) throws -> [Line] { try GoldenFile.lines("java/\(name)") }
}

extension Line {
    func text(_ key: String) -> String? { self[key] as? String }
    func number(_ key: String) -> Int64? { (self[key] as? NSNumber)?.int64Value }
    func flag(_ key: String) -> Bool? { self[key] as? Bool }
    func texts(_ key: String) -> [String: String] { self[key] as? [String: String] ?? [:] }

    /// The parts of `[group/]interface[:version]`.
    var service: (group: String, interface: String, version: String)? {
        guard let all = text("service") else { return nil }
        let (group, rest) =
            all.contains("/")
            ? (String(all.prefix { $0 != "/" }), String(all.drop { $0 != "/" }.dropFirst())) : ("", all)
        let version = rest.contains(":") ? String(rest.drop { $0 != ":" }.dropFirst()) : "0.0.0"
        return (group, String(rest.prefix { $0 != ":" }), version)
    }
}
