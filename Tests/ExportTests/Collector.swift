import Foundation
import Synchronization
import Testing

@testable import Export

/// The collector in Tests/Peers, made of other people's messages; it ends with its owner.
final class Collector: Sendable {
    /// An attribute's value with its type, as OTLP has it.
    struct Value: Decodable, Equatable {
        var stringValue: String?
        var intValue: Int64?
        var doubleValue: Double?
        var boolValue: Bool?

        private enum CodingKeys: String, CodingKey {
            case stringValue = "string_value"
            case intValue = "int_value"
            case doubleValue = "double_value"
            case boolValue = "bool_value"
        }
    }

    struct Event: Decodable {
        let name: String
        let time: UInt64
        let attributes: [String: Value]
    }

    struct Span: Decodable {
        let trace: String
        let id: String
        let parent: String
        let name: String
        let kind: Int
        let start: UInt64
        let end: UInt64
        let state: String
        let flags: UInt32
        let status: Int
        let attributes: [String: Value]
        let events: [Event]
        let resource: [String: Value]
        let scope: [String]
    }

    struct Request: Decodable {
        let transport: String
        let headers: [String: String]
        let bytes: Int
        let raw: Int
        let spans: Int
        let status: Int
        let at: Double
    }

    private struct Line: Decodable {
        var http: Int?
        var grpc: Int?
        var span: Span?
        var request: Request?
        var asked: String?
        var done: String?
    }

    private struct State {
        var rest: [UInt8] = []
        var lines: [Line] = []
        var problems: [String] = []
    }

    /// The folder of the repository.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The interpreter that has what it needs, if there is one; looked for once.
    private static let python: String? = {
        let given = ProcessInfo.processInfo.environment["WEIR_PEERS_PYTHON"]
        let candidates = given.map { [$0] } ?? [root + "/.build-peers/bin/python3", "python3"]
        let modules = "import grpc, opentelemetry.proto.collector.trace.v1.trace_service_pb2"
        return candidates.first { (try? run([$0, "-c", modules])) == 0 }
    }()

    static var isThere: Bool { python != nil }
    static let missing: Comment = """
        not tested: no python3 that has grpc and opentelemetry.proto: see scripts/setup, or name one in \
        WEIR_PEERS_PYTHON
        """

    /// Starts a program, looked for in PATH, with these as its standard input and output.
    private static func spawn(_ command: [String], input: Int32, output: Int32) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, command[0], &actions, nil, &arguments, environ)
        guard code == 0 else { throw Failure("\(command[0]): \(String(cString: strerror(code)))") }
        return pid
    }

    /// Runs a command to its end.
    static func run(_ command: [String]) throws -> Int32 {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let pid = try spawn(command, input: null, output: null)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return status
    }

    private let pid: pid_t
    private let input: Int32
    /// It writes into a file, so that it never has to wait for its reader.
    private let output: Int32
    private let state = Mutex(State())

    init(_ arguments: [String] = []) async throws {
        guard let python = Self.python else { throw Failure(Self.missing.rawValue) }
        let path = NSTemporaryDirectory() + "/weir-collector-\(UUID().uuidString)"
        let file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        let reader = open(path, O_RDONLY | O_CLOEXEC)
        unlink(path)
        var ends: [Int32] = [-1, -1]
        guard file >= 0, reader >= 0, pipe(&ends) == 0 else { throw Failure("no files") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // A collector that is gone is found out by what it does not say.
        signal(SIGPIPE, SIG_IGN)
        let command = [python, Self.root + "/Tests/Peers/otlp_collector.py"] + arguments
        defer {
            close(file)
            close(ends[0])
        }
        pid = try Self.spawn(command, input: ends[0], output: file)
        input = ends[1]
        output = reader
        _ = try await eventually("the collector listens") { self.port(.http) }
    }

    deinit {
        close(input)
        close(output)
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    /// What it has said so far.
    private var lines: [Line] {
        state.withLock { state in
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            while case let count = read(output, &bytes, bytes.count), count > 0 { state.rest += bytes[..<count] }
            let lines = state.rest.split(separator: 0x0a, omittingEmptySubsequences: false)
            for line in lines.dropLast() where !line.isEmpty {
                do {
                    state.lines.append(try JSONDecoder().decode(Line.self, from: Data(line)))
                } catch {
                    state.problems.append("\(error): \(String(decoding: line, as: UTF8.self))")
                }
            }
            state.rest = Array(lines.last ?? [])
            return state.lines
        }
    }

    func port(_ transport: ExportConfiguration.Transport) -> Int? {
        lines.lazy.compactMap { transport == .http ? $0.http : $0.grpc }.first
    }

    /// The spans that it has taken.
    var spans: [Span] {
        get async throws {
            try await obey("sync")
            return lines.compactMap(\.span)
        }
    }
    /// All requests that it has judged.
    var requests: [Request] {
        get async throws {
            try await obey("sync")
            return lines.compactMap(\.request)
        }
    }
    /// The paths that it was asked for.
    var asked: [String] { lines.compactMap(\.asked) }
    /// What it said that was not understood.
    var problems: [String] { state.withLock { $0.problems } }

    /// Gives a command and waits until it is done.
    func obey(_ command: String) async throws {
        let before = lines.count { $0.done == command }
        var rest = Array((command + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Failure("the collector takes no commands") }
            rest = rest.dropFirst(count)
        }
        try await eventually(String(command.prefix(80))) { lines.count { $0.done == command } > before }
    }

    /// A configuration that exports to it, impatiently.
    func configuration(
        _ transport: ExportConfiguration.Transport,
        compression: ExportConfiguration.Compression = .none,
        caFile: String? = nil,
        headers: [(name: String, value: String)] = []
    ) throws -> ExportConfiguration {
        let scheme = caFile == nil ? "http" : "https"
        var configuration = try ExportConfiguration(
            endpoint: "\(scheme)://127.0.0.1:\(try #require(port(transport)))",
            transport: transport,
            headers: headers,
            caFile: caFile,
            compression: compression
        )
        configuration.pollInterval = .milliseconds(10)
        configuration.initialBackoff = .milliseconds(20)
        configuration.maxBackoff = .milliseconds(200)
        configuration.flushTimeout = .seconds(60)
        return configuration
    }
}
