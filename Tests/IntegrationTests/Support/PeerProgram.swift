import Foundation
import Testing

/// A server and client of other people's making, in Tests/Peers.
enum PeerProgram: String, CustomStringConvertible, Sendable {
    case grpc
    case triple
    case jsonrpc
    /// JSON-RPC over HTTP/2.
    case h2rpc
    /// gRPC for a relay that refuses and changes requests.
    case governed
    /// gRPC for a relay that gives requests a trace context of its own.
    case traced
    /// Dubbo providers, and consumers that obey drains or do not.
    case drain
    /// gRPC with a health service, for a proxy that is drained.
    case drained
    /// gRPC whose calls are held until they are all there.
    case held
    /// What looks like JSON-RPC and is none, beside gRPC and JSON-RPC.
    case bystander
    /// MCP servers and clients.
    case mcp
    /// Clients that come and go.
    case churn
    /// HTTP answers that nobody reads for long.
    case slow
    /// A collector of spans; no peer of anybody's.
    case collector

    var description: String { rawValue }

    /// The package it needs; what is in Python already needs none.
    private var package: String {
        switch self {
        case .grpc, .governed, .traced, .drained, .held: "grpc"
        case .bystander: "connectrpc, hypercorn, logstash_async"
        case .collector: "opentelemetry.proto.collector.trace.v1.trace_service_pb2"
        case .triple: "dubbo"
        case .mcp: "mcp.server.mcpserver"
        case .h2rpc: "h2"
        case .jsonrpc, .drain, .slow, .churn: "json"
        }
    }

    /// The interpreter that has what it needs, if there is one; looked for once.
    private var python: String? {
        switch self {
        case .grpc, .governed, .traced, .drained, .held: Self.pythonWithGRPC
        case .bystander: Self.pythonWithConnect
        case .collector: Self.pythonWithMessages
        case .triple: Self.pythonWithDubbo
        case .mcp: Self.pythonWithMCP
        case .h2rpc: Self.pythonWithH2
        case .jsonrpc, .drain, .slow, .churn: Self.pythonAlone
        }
    }

    private static let pythonWithGRPC = find(.grpc)
    private static let pythonWithDubbo = find(.triple)
    private static let pythonWithMCP = find(.mcp)
    private static let pythonWithH2 = find(.h2rpc)
    private static let pythonWithMessages = find(.collector)
    private static let pythonWithConnect = find(.bystander)
    private static let pythonAlone = find(.jsonrpc)

    /// Whether it can be run here.
    var isThere: Bool { python != nil }

    /// Why it cannot.
    static func missing(_ peers: PeerProgram...) -> Comment {
        let packages = peers.map(\.package).joined(separator: " and ")
        return "not tested: no python3 that has \(packages): see scripts/setup, or name one in WEIR_PEERS_PYTHON"
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    private static func find(_ peer: PeerProgram) -> String? {
        let given = ProcessInfo.processInfo.environment["WEIR_PEERS_PYTHON"]
        let candidates = given.map { [$0] } ?? [root + "/.build-peers/bin/python3", "python3"]
        return candidates.first { python in
            (try? ChildProcess.run([python, "-c", "import \(peer.package)"]))?.end == .exited(0)
        }
    }

    /// The command that runs it.
    func command(_ arguments: [String]) throws -> [String] {
        guard let python else { throw Failure(Self.missing(self).rawValue) }
        let file = self == .collector ? "otlp_collector" : "\(rawValue)_peer"
        return [python, "\(Self.root)/Tests/Peers/\(file).py"] + arguments
    }

    /// The command that runs a program of the test's own which may import it.
    func command(program: String, _ arguments: [String]) throws -> [String] {
        guard let python else { throw Failure(Self.missing(self).rawValue) }
        let path = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv.pop(1))\n"
        return [python, "-c", path + program, "\(Self.root)/Tests/Peers"] + arguments
    }

    /// Starts its client against a port.
    func client(_ address: Address, _ arguments: [String] = []) throws -> ChildProcess {
        try ChildProcess(command(["call", "\(address.port)"] + arguments))
    }
}

/// What a client says of its calls.
struct PeerSummary: Decodable {
    /// How many calls it made.
    let calls: Int
    /// By method and status.
    let counts: [String: [String: Int]]
    let exceptions: [String: Int]?
    let problems: [String]

    /// Waits for a client's end and takes what it printed.
    static func of(_ client: ChildProcess) throws -> (summary: PeerSummary, text: String) {
        let end = try client.wait(within: 4 * patience)
        guard end == .exited(0) else { throw Failure("the client: \(end) \(client.outputText) \(client.errorText)") }
        return (try JSONDecoder().decode(PeerSummary.self, from: Data(client.output)), client.outputText)
    }
}

/// A server that runs until its owner ends.
final class PeerServer {
    let address: Address
    private let process: ChildProcess
    /// The server ends when nobody holds the other end of its standard input.
    private var lifeline: Int32
    private let folder: TemporaryFolder

    /// Starts it, with `namespace` in that network namespace.
    init(_ peer: PeerProgram, _ arguments: String..., namespace: String? = nil) throws {
        folder = try TemporaryFolder()
        let fifo = folder.path + "/lifeline"
        guard mkfifo(fifo, 0o600) == 0 else { throw Failure(call: "mkfifo") }
        let lifeline = open(fifo, O_RDWR | O_CLOEXEC)
        guard lifeline >= 0 else { throw Failure(call: "open \(fifo)") }
        self.lifeline = lifeline
        let prefix = namespace.map { ["ip", "netns", "exec", $0] } ?? []
        let process = try ChildProcess(prefix + peer.command(["serve"] + arguments), input: fifo)
        self.process = process
        let port = try eventually("\(peer) listens") {
            guard process.isRunning() else { throw Failure("\(peer): \(process.errorText)") }
            return process.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast().first
        }
        guard let port = UInt16(port) else { throw Failure("no port: \(port)") }
        address = .loopback(port)
    }

    /// A further port that it has printed, in that line after the first.
    func port(line: Int) throws -> UInt16 {
        let text = try eventually("a line \(line)") {
            process.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast().dropFirst(line).first
        }
        guard let port = UInt16(text) else { throw Failure("no port: \(text)") }
        return port
    }

    deinit { letGo() }

    private func letGo() {
        if lifeline >= 0 { close(lifeline) }
        lifeline = -1
    }

    /// Ends it; what it said at last.
    func lastLine() throws -> String {
        letGo()
        try process.wait()
        return String(process.outputText.split(separator: "\n").last ?? "")
    }

    /// Ends it; how often each of its methods was called, whatever became of it.
    func stop() throws -> [String: Int] {
        let line = try lastLine()
        let said = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        guard let counts = said?["counts"] as? [String: Any] else { throw Failure("no counts: \(line)") }
        return counts.mapValues { count in
            count as? Int ?? (count as? [String: Int])?.values.reduce(0, +) ?? 0
        }
    }
}
