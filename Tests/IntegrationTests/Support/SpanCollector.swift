import Foundation
import Testing

/// The collector in Tests/Peers, made of the official OTLP messages.
final class SpanCollector {
    /// An attribute's value with its type, as OTLP has it.
    struct Value: Decodable, Equatable {
        var string_value: String?
        var int_value: Int64?
        var double_value: Double?
        var bool_value: Bool?
    }

    struct Span: Decodable {
        let trace: String
        let id: String
        let parent: String
        let name: String
        let kind: Int
        let start: UInt64
        let end: UInt64
        let status: Int
        let attributes: [String: Value]
        let resource: [String: Value]

        func text(_ name: String) -> String? { attributes[name]?.string_value }
    }

    private struct Line: Decodable {
        let http: UInt16?
        let grpc: UInt16?
        let span: Span?
        let done: String?
    }

    private let process: ChildProcess
    /// The collector's standard input: commands, and its end when nobody holds it.
    private var input: Int32
    private let folder: TemporaryFolder
    let http: Address
    let grpc: Address

    init() throws {
        folder = try TemporaryFolder()
        let fifo = folder.path + "/commands"
        guard mkfifo(fifo, 0o600) == 0 else { throw Failure(call: "mkfifo") }
        let input = open(fifo, O_RDWR | O_CLOEXEC)
        guard input >= 0 else { throw Failure(call: "open \(fifo)") }
        self.input = input
        let process = try ChildProcess(PeerProgram.collector.command([]), input: fifo)
        self.process = process
        let ports = try eventually("the collector listens") {
            guard process.isRunning() else { throw Failure("collector: \(process.errorText)") }
            return try Self.lines(process).first
        }
        http = .loopback(try #require(ports.http))
        grpc = .loopback(try #require(ports.grpc))
    }

    deinit {
        close(input)
        process.send(SIGKILL)
    }

    private static func lines(_ process: ChildProcess) throws -> [Line] {
        let whole = process.output.split(separator: 0x0a, omittingEmptySubsequences: false).dropLast()
        return try whole.map { try JSONDecoder().decode(Line.self, from: Data($0)) }
    }

    /// Gives a command and waits until it is done.
    func obey(_ command: String) throws {
        let before = try Self.lines(process).count { $0.done == command }
        let bytes = Array((command + "\n").utf8)
        guard write(input, bytes, bytes.count) == bytes.count else { throw Failure(call: "write") }
        try eventually(command) { try Self.lines(process).count { $0.done == command } > before }
    }

    /// Every span that it has taken.
    func spans() throws -> [Span] {
        try obey("sync")
        return try Self.lines(process).compactMap(\.span)
    }
}
