import Calls
import Capture
import FoundationEssentials
import Inspection
import Telemetry

extension Workload {
    static let capture = [
        // A file of 400 calls over four connections: 602 bytes a call with the headers of its two packets.
        Workload("capture.read-call") {
            let path = FileManager.default.temporaryDirectory.appending(path: "weir-bench-\(UUID()).pcap").path
            try Data(CaptureText.calls(Workload.round, connections: 4)).write(to: URL(filePath: path))
            let file = TemporaryFile(path: path)
            try CaptureText.read(file.path)
            return { repetitions in
                for _ in 0..<repetitions / Workload.round {
                    do { try CaptureText.read(file.path) } catch { preconditionFailure("\(error)") }
                }
            }
        }
    ]
}

/// A file that lives as long as this.
private final class TemporaryFile: Sendable {
    let path: String

    init(path: String) { self.path = path }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Captures of Dubbo calls in the form of pcap files.
private enum CaptureText {
    /// Reads the capture as `weir read` does.
    static func read(_ path: String) throws(CaptureError) {
        let (registry, labels) = (OperationRegistry(capacity: 2000), SeriesLabels())
        let inspector = Inspector(registry: registry, recorder: Recorder(labels: labels))
        let reassembler = Reassembler(consumer: CaptureInspector(inspector: inspector, side: .provider))
        var file = try CaptureFile(path: path)
        try reassembler.read(&file)
        let seen = MetricsSnapshot(merging: [inspector.recorder.snapshot()], registry: registry, labels: labels)
        precondition(seen.operations.reduce(0) { $0 + $1.calls } == UInt64(Workload.round), "calls were not counted")
    }

    static func calls(_ count: Int, connections: Int) -> [UInt8] {
        // Nanoseconds, version 2.4, whole packets, Ethernet.
        var file = [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0] as [UInt8]
        var sequences = [(client: UInt32, server: UInt32)](repeating: (1000, 2000), count: connections)
        for connection in 0..<connections {
            file += packet(0, connection, fromClient: true, flags: 0x02, sequence: 999, [])
            file += packet(0, connection, fromClient: false, flags: 0x12, sequence: 1999, [])
        }
        for call in 0..<count {
            let connection = call % connections
            let (request, reply) = (Frames.request(id: UInt64(call)), Frames.reply(id: UInt64(call)))
            let (up, down) = sequences[connection]
            file += packet(call, connection, fromClient: true, flags: 0x18, sequence: up, request)
            file += packet(call, connection, fromClient: false, flags: 0x18, sequence: down, reply)
            sequences[connection] = (up + UInt32(request.count), down + UInt32(reply.count))
        }
        return file
    }

    private static func packet(
        _ milliseconds: Int,
        _ connection: Int,
        fromClient: Bool,
        flags: UInt8,
        sequence: UInt32,
        _ payload: [UInt8]
    ) -> [UInt8] {
        let (client, server) = (UInt16(40_000 + connection), UInt16(20_880))
        let addresses = [[10, 0, 0, 1], [10, 0, 0, 2]] as [[UInt8]]
        let ports = Frames.bigEndian(fromClient ? client : server) + Frames.bigEndian(fromClient ? server : client)
        let segment = ports + Frames.bigEndian(sequence) + [0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0] + payload
        let ip =
            [0x45, 0] + Frames.bigEndian(UInt16(20 + segment.count)) + [0, 1, 0x40, 0, 64, 6, 0, 0]
            + addresses[fromClient ? 0 : 1] + addresses[fromClient ? 1 : 0] + segment
        let bytes = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0] + ip
        let record = [1_700_000_000 + milliseconds / 1000, milliseconds % 1000 * 1_000_000, bytes.count, bytes.count]
        return record.flatMap { Frames.bigEndian(UInt32($0)).reversed() } + bytes
    }
}
