import Foundation
import Synchronization

/// A capture of real Dubbo peers with everything that is known about it; the repository's fixtures have a README.
final class JavaCapture: Sendable {
    /// What the calls of one row of `weir_calls_total` have in common.
    struct Key: Hashable, Comparable, CustomStringConvertible, Sendable {
        var interface: String
        var method: String
        var version: String
        var group: String
        var outcome: String
        var code: String

        var description: String { "\(group)/\(interface):\(version).\(method) \(outcome) \(code)" }
        static func < (left: Key, right: Key) -> Bool { left.description < right.description }
    }

    /// A call as `weir read --output calls` prints it, of those fields that a proxy must count alike.
    struct Call: Decodable, Sendable {
        let side: String
        let ts: String
        let duration_us: UInt64
        let `protocol`: String
        let interface: String
        let method: String
        let version: String
        let group: String
        let outcome: String
        let code: String
        let exception: String
        let trace_id: String
        let parent_span_id: String
        let sampled: Bool?
        let request_bytes: Int
        let response_bytes: Int

        /// What a proxy on the other side calls its side of this call; callbacks go against the stream.
        var otherSide: String { side == "provider" ? "consumer" : "provider" }
        var key: Key {
            Key(interface: interface, method: method, version: version, group: group, outcome: outcome, code: code)
        }
        /// When it ended, in nanoseconds since 1970.
        var end: UInt64 {
            let parts = ts.split(separator: ".")
            return (UInt64(parts[0]) ?? 0) * 1_000_000_000 + (UInt64(parts[1]) ?? 0) + duration_us * 1000
        }
    }

    let name: String
    let pcap: [UInt8]
    let script: Script
    /// What `weir read` says of it.
    let calls: [Call]

    private static let loaded = Mutex<[String: JavaCapture]>([:])

    /// Reads a capture once.
    static func named(_ name: String) throws -> JavaCapture {
        if let known = loaded.withLock({ $0[name] }) { return known }
        let new = try JavaCapture(name, file(name + ".pcap"))
        loaded.withLock { $0[name] = new }
        return new
    }

    /// The first packets of a capture: its connections are open and calls are in flight when it ends.
    func beginning(packets: Int) throws -> JavaCapture {
        var at = 24
        for _ in 0..<packets where at + 16 <= pcap.count {
            at += 16 + (0..<4).reduce(0) { $0 | Int(pcap[at + 8 + $1]) << (8 * $1) }
        }
        return try JavaCapture(name, Array(pcap[..<at]))
    }

    private init(_ name: String, _ pcap: [UInt8]) throws {
        self.name = name
        self.pcap = pcap
        script = try Script(PcapFile(pcap))
        let folder = try TemporaryFolder()
        let read = try WeirBinary.run("read", "--output", "calls", folder.file("capture", pcap))
        guard read.end == .exited(0) else { throw Failure("weir read: \(read.errorText)") }
        calls = try read.output.split(separator: 0x0a).map { try JSONDecoder().decode(Call.self, from: Data($0)) }
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Goldens/java").path

    /// A fixture, unpacked if it is packed.
    static func file(_ name: String) throws -> [UInt8] {
        let path = folder + "/" + name
        if let plain = FileManager.default.contents(atPath: path) { return [UInt8](plain) }
        let unpacked = try ChildProcess.run(["xz", "-dc", path + ".xz"])
        guard unpacked.end == .exited(0) else { throw Failure("xz: \(unpacked.errorText)") }
        return unpacked.output
    }

    /// A log of the Java peers: a row an event.
    func log(_ part: String) throws -> [[String: Any]] {
        try Self.file("\(name).\(part).jsonl").split(separator: 0x0a).compactMap {
            try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]
        }
    }
}

/// Counts what is the same.
func counts<Element: Hashable>(_ elements: some Sequence<Element>) -> [Element: Int] {
    elements.reduce(into: [:]) { $0[$1, default: 0] += 1 }
}

/// Where two counts differ, as lines for a person; empty when they are equal.
func differences<Element: Hashable & Comparable>(_ left: [Element: Int], _ right: [Element: Int]) -> [String] {
    Set(left.keys).union(right.keys).sorted().filter { left[$0] ?? 0 != right[$0] ?? 0 }
        .map { "\($0): \(left[$0] ?? 0) and \(right[$0] ?? 0)" }
}
