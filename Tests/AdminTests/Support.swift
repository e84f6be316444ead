import Admin
import Calls
import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry

/// A backend whose numbers the test sets.
final class FakeBackend: AdminBackend {
    let registry: OperationRegistry
    let labels = SeriesLabels()
    let build = BuildInfo(version: "1.2.3", revision: "abc")
    private let ready = Mutex(true)
    private let stuck = Mutex(0)
    private let taken: RecorderSnapshot
    /// How often the workers were asked.
    private let asked = Mutex(0)

    /// Numbers of that many operations with one call each: `get`, `get1`, `get2` and so on.
    init(operations: Int = 1) {
        registry = OperationRegistry(capacity: operations + 10)
        let recorder = Recorder(labels: labels)
        for number in 0..<operations {
            Self.call(number == 0 ? "get" : "get\(number)", registry, recorder)
        }
        taken = recorder.snapshot()
    }

    private static func call(_ method: String, _ registry: OperationRegistry, _ recorder: Recorder) {
        let operation = registry.intern(
            Operation(callProtocol: .dubbo, interface: "com.x.S", version: "", group: "", method: method)
        )
        recorder.callFinished(
            FinishedCall(
                operation: operation,
                side: .provider,
                outcome: .ok,
                code: 20,
                startNanoseconds: 0,
                durationNanoseconds: 1_000_000,
                requestBytes: 10,
                responseBytes: 20
            ),
            wasInFlight: false
        )
    }

    var timesAsked: Int { asked.withLock { $0 } }

    var isReady: Bool {
        get { ready.withLock { $0 } }
        set { ready.withLock { $0 = newValue } }
    }

    var stuckWorkers: Int {
        get { stuck.withLock { $0 } }
        set { stuck.withLock { $0 = newValue } }
    }

    /// Paths of the rest of Weir, where nothing can be done.
    var routes: [AdminRoute] {
        ["/v1/limits", "/v1/drain", "/v1/config"].map { path in .read(path) { .problem(503, "not available") } } + [
            .change(.put, "/v1/limits", text: { _ in .problem(503, "not available") }),
            .change(.post, "/v1/drain", form: { _ in .problem(503, "not available") }),
            .change(.delete, "/v1/drain", form: { _ in .problem(503, "not available") }),
            .change(.post, "/v1/reload") { .problem(503, "not available") },
            .read("/v1/echo", query: { Self.echo($0) }),
            .change(.post, "/v1/echo", form: { Self.echo($0) }),
            .change(.put, "/v1/echo", text: { AdminAnswer(contentType: "text/plain", text: $0) }),
            .change(.delete, "/v1/echo") { AdminAnswer(contentType: "text/plain", text: "gone") },
        ]
    }

    private static func echo(_ parameters: [AdminParameter]) -> AdminAnswer {
        let text = parameters.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        return AdminAnswer(contentType: "text/plain", text: text)
    }

    func snapshots() async -> WorkerSnapshots {
        asked.withLock { $0 += 1 }
        return WorkerSnapshots(recorders: [taken], staleWorkers: 2)
    }

    func connections() async -> [ConnectionEntry] {
        [
            ConnectionEntry(
                id: 7,
                peer: "127.0.0.1:5000",
                upstream: "[::1]:20880",
                side: .consumer,
                connectionProtocol: .dubbo,
                ageSeconds: 1.5,
                inFlight: 3,
                bytesToUpstream: 100,
                bytesToDownstream: 200,
                state: .halfClosed
            )
        ]
    }
}

/// What a server answered.
struct Answer {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    init?(_ bytes: [UInt8]) {
        let end = Array("\r\n\r\n".utf8)
        guard let at = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else { return nil }
        var lines = String(decoding: bytes[..<at], as: UTF8.self).components(separatedBy: "\r\n")
        guard let status = Int(lines.removeFirst().split(separator: " ").dropFirst().first ?? "") else { return nil }
        self.status = status
        headers = [:]
        for line in lines {
            let parts = line.components(separatedBy: ": ")
            headers[parts[0].lowercased()] = parts.dropFirst().joined(separator: ": ")
        }
        body = Array(bytes[(at + end.count)...])
    }
}

/// Asks a server on this machine, on a thread of its own so that the server keeps its threads.
func ask(
    _ port: Int,
    _ path: String,
    method: String = "GET",
    accept: String? = nil,
    host: String = "localhost",
    headers: [String] = [],
    body: String = ""
) async -> Answer? {
    let lines = ["\(method) \(path) HTTP/1.1", "Host: \(host)", "Connection: close"] + headers
    let request = (lines + (accept.map { ["Accept: \($0)"] } ?? []) + ["", ""]).joined(separator: "\r\n") + body
    return await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(returning: exchange(port, Array(request.utf8)).flatMap(Answer.init))
        }
    }
}

/// A TCP socket connected to a port of this machine, whose kernel keeps so much of what has not been read.
func connected(_ port: Int, receiveBytes: Int32? = nil) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var receiveBytes {
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBytes, socklen_t(MemoryLayout<Int32>.size))
    }
    var patience = timeval(tv_sec: 120, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    if result == 0 { return descriptor }
    close(descriptor)
    return nil
}

private func exchange(_ port: Int, _ request: [UInt8]) -> [UInt8]? {
    guard let descriptor = connected(port) else { return nil }
    defer { close(descriptor) }
    guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
    var answer: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = recv(descriptor, &piece, piece.count, 0)
        guard count > 0 else { return answer }
        answer += piece[..<count]
    }
}

/// The ports of a running server.
struct Ports: Sendable {
    var main = 0
    var metrics = 0
    var probes = 0
}

/// Runs a server on free ports, lets `body` talk to it, and stops it gracefully.
func withServer(
    _ backend: FakeBackend = FakeBackend(),
    metrics: Bool = false,
    probes: Bool = false,
    configure: (inout AdminServer.Configuration) -> Void = { _ in },
    _ body: @Sendable (Ports) async throws -> Void
) async throws {
    let (listening, continuation) = AsyncStream.makeStream(of: (AdminServer.Listener, Int).self)
    let any = AdminServer.Address(host: "127.0.0.1", port: 0)
    var configuration = AdminServer.Configuration(
        main: [any],
        metrics: metrics ? [any] : [],
        probes: probes ? [any] : []
    )
    configure(&configuration)
    let server = AdminServer(
        configuration: configuration,
        backend: backend,
        logger: silent
    ) { continuation.yield(($0, $1)) }
    let group = ServiceGroup(configuration: .init(services: [server], logger: silent))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        var ports = Ports()
        var waiting = listening.makeAsyncIterator()
        for _ in 0..<(1 + (metrics ? 1 : 0) + (probes ? 1 : 0)) {
            guard let (listener, port) = await waiting.next() else { break }
            switch listener {
            case .main: ports.main = port
            case .metrics: ports.metrics = port
            case .probes: ports.probes = port
            }
        }
        try await body(ports)
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
    }
}

let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
