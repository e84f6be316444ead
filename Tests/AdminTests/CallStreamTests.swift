import Admin
import Calls
import Foundation
import Glibc
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

extension FakeBackend {
    func calls(matching parameters: [(name: String, value: String)]) async throws(CallStreamError) -> CallStream {
        throw .unavailable("nothing to watch")
    }
}

/// A backend that hands out streams whose lines the test sends.
private final class StreamBackend: AdminBackend {
    private struct State {
        var asked: [[String]] = []
        var open: [AsyncStream<[UInt8]>.Continuation] = []
        var cancels = 0
        var taken = 0
        var refusal: CallStreamError?
    }

    private let rest = FakeBackend()
    private let state = Mutex(State())
    /// Every piece of every stream is this one, without end.
    let flood: [UInt8]?

    init(refusal: CallStreamError? = nil, flood: [UInt8]? = nil) {
        self.flood = flood
        state.withLock { $0.refusal = refusal }
    }

    var registry: OperationRegistry { rest.registry }
    var labels: SeriesLabels { rest.labels }
    var build: BuildInfo { rest.build }
    var isReady: Bool { true }
    func snapshots() async -> WorkerSnapshots { await rest.snapshots() }
    func connections() async -> [ConnectionEntry] { await rest.connections() }

    func calls(matching parameters: [(name: String, value: String)]) async throws(CallStreamError) -> CallStream {
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        let refusal = state.withLock { state in
            state.asked.append(parameters.map { "\($0.name)=\($0.value)" })
            if state.refusal == nil { state.open.append(continuation) }
            return state.refusal
        }
        if let refusal { throw refusal }
        let isOver = Mutex(false)
        return CallStream(
            next: { [self] in
                state.withLock { $0.taken += 1 }
                if let flood { return isOver.withLock { $0 } ? nil : flood }
                for await lines in stream { return lines }
                return nil
            },
            cancel: { [self] in
                isOver.withLock { $0 = true }
                state.withLock { $0.cancels += 1 }
                continuation.finish()
            }
        )
    }

    var asked: [[String]] { state.withLock { $0.asked } }
    var cancels: Int { state.withLock { $0.cancels } }
    var taken: Int { state.withLock { $0.taken } }

    func send(_ text: String) { for stream in state.withLock({ $0.open }) { stream.yield(Array(text.utf8)) } }
    func finish() { for stream in state.withLock({ $0.open }) { stream.finish() } }
}

/// Someone who reads an answer as it comes.
private final class Viewer: @unchecked Sendable {
    private var descriptor: Int32
    private var text = ""

    init(_ port: Int, _ target: String, header: String = "", receiveBuffer: Int32? = nil) throws {
        descriptor = try #require(connected(port))
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        let request = Array("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(header)\r\n".utf8)
        #expect(send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count)
    }

    deinit { leave() }

    /// Waits for text up to and with `end`, on a thread of its own.
    func read(to end: String) async -> String? {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: self.readNow(to: end)) }
        }
    }

    private func readNow(to end: String) -> String? {
        while true {
            if let range = text.range(of: end) {
                defer { text.removeSubrange(..<range.upperBound) }
                return String(text[..<range.upperBound])
            }
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return nil }
            text += String(decoding: piece[..<count], as: UTF8.self)
        }
    }

    func leave(_ isReset: Bool = false) {
        if isReset {
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        }
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

/// Runs a server, lets `body` talk to it, and stops it gracefully.
private func serving(_ backend: StreamBackend, _ body: @Sendable (Ports) async throws -> Void) async throws {
    let (listening, continuation) = AsyncStream.makeStream(of: (AdminServer.Listener, Int).self)
    let any = AdminServer.Address(host: "127.0.0.1", port: 0)
    let configuration = AdminServer.Configuration(main: [any], metrics: [any])
    let server = AdminServer(configuration: configuration, backend: backend, logger: silent) {
        continuation.yield(($0, $1))
    }
    let group = ServiceGroup(configuration: .init(services: [server], logger: silent))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        var ports = Ports()
        var waiting = listening.makeAsyncIterator()
        for _ in 0..<2 {
            guard let (listener, port) = await waiting.next() else { break }
            if listener == .main { ports.main = port } else { ports.metrics = port }
        }
        try await body(ports)
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
    }
}

/// Waits until `condition` holds.
private func eventually(_ what: String, _ condition: () -> Bool) async throws {
    for _ in 0..<24_000 where !condition() { try await Task.sleep(for: .milliseconds(5)) }
    #expect(condition(), "never: \(what)")
}

@Suite(.timeLimit(.minutes(10))) struct CallStreamTests {
    @Test("lines come as they are made, in chunks, after the head") func lines() async throws {
        let backend = StreamBackend()
        try await serving(backend) { ports in
            let viewer = try Viewer(ports.main, "/v1/calls?method=say%2AHello&caller=a+b%E6%95%B0&code=")
            let head = try #require(await viewer.read(to: "\r\n\r\n"))
            #expect(head.hasPrefix("HTTP/1.1 200 "))
            #expect(head.lowercased().contains("content-type: application/x-ndjson\r\n"))
            #expect(head.lowercased().contains("transfer-encoding: chunked\r\n"))
            #expect(head.lowercased().contains("cache-control: no-store\r\n"))
            #expect(head.lowercased().contains("connection: close\r\n"))
            #expect(backend.asked == [["method=say*Hello", "caller=a b数", "code="]])
            backend.send("{\"a\":1}\n")
            #expect(await viewer.read(to: "\n\r\n") == "8\r\n{\"a\":1}\n\r\n")
            backend.send("{\"a\":2}\n{\"a\":33}\n")
            #expect(await viewer.read(to: "}\n\r\n") == "11\r\n{\"a\":2}\n{\"a\":33}\n\r\n")
            backend.send("{}\n")
            backend.finish()
            #expect(await viewer.read(to: "0\r\n\r\n") == "3\r\n{}\n\r\n0\r\n\r\n")
            #expect(await viewer.read(to: "never") == nil)
            try await eventually("the stream is let go") { backend.cancels > 0 }
        }
    }

    @Test("a refusal is one line of JSON with its reason")
    func refusals() async throws {
        for (refusal, status) in [
            (CallStreamError.badParameters("colour: \"no\""), 400), (CallStreamError.unavailable("too many"), 503),
        ] {
            try await serving(StreamBackend(refusal: refusal)) { ports in
                let answer = try #require(await ask(ports.main, "/v1/calls?colour=red"))
                #expect(answer.status == status)
                #expect(answer.headers["content-type"] == "application/json")
                let reason = status == 400 ? "colour: \\\"no\\\"" : "too many"
                #expect(answer.text == "{\"error\":\"\(reason)\"}\n")
            }
        }
    }

    @Test("a query that cannot be decoded is refused by the parameter's name")
    func undecodable() async throws {
        let backend = StreamBackend()
        try await serving(backend) { ports in
            for query in ["method=%", "method=%4", "method=%zz", "method=%ff", "a=b&method=%"] {
                let answer = try #require(await ask(ports.main, "/v1/calls?\(query)"))
                #expect(answer.status == 400 && answer.text == "{\"error\":\"method: not percent-encoded UTF-8\"}\n")
            }
            let long = String(repeating: "a", count: 9000)
            #expect(await ask(ports.main, "/v1/calls?method=\(long)")?.status == 400)
            #expect(backend.asked.isEmpty)
        }
    }

    @Test("a viewer who leaves is noticed although nothing happens", arguments: [false, true])
    func leaving(_ isReset: Bool) async throws {
        let backend = StreamBackend()
        try await serving(backend) { ports in
            let viewer = try Viewer(ports.main, "/v1/calls")
            _ = await viewer.read(to: "\r\n\r\n")
            #expect(backend.cancels == 0)
            viewer.leave(isReset)
            try await eventually("the viewer's stream is cancelled") { backend.cancels > 0 }
        }
    }

    @Test("asking for the head, or otherwise than it is meant, leaves no stream behind")
    func edges() async throws {
        let backend = StreamBackend()
        try await serving(backend) { ports in
            let head = try #require(await ask(ports.main, "/v1/calls", method: "HEAD"))
            #expect(head.status == 200 && head.body.isEmpty)
            try await eventually("the stream is cancelled") { backend.cancels > 0 }
            #expect(await ask(ports.main, "/v1/calls", method: "POST")?.status == 405)
            #expect(await ask(ports.metrics, "/v1/calls")?.status == 404)
            for header in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
                let viewer = try Viewer(ports.main, "/v1/calls", header: header)
                #expect(await viewer.read(to: "}\n")?.hasSuffix("{\"error\":\"takes no body\"}\n") == true)
            }
            #expect(backend.asked.count == 1)
        }
    }

    @Test("a server that stops ends its streams in order")
    func stops() async throws {
        let backend = StreamBackend()
        let kept = Mutex<Viewer?>(nil)
        try await serving(backend) { ports in
            let viewer = try Viewer(ports.main, "/v1/calls")
            _ = await viewer.read(to: "\r\n\r\n")
            backend.send("{}\n")
            _ = await viewer.read(to: "{}\n\r\n")
            kept.withLock { $0 = viewer }
        }
        #expect(await kept.withLock { $0 }?.read(to: "0\r\n\r\n") == "0\r\n\r\n")
        #expect(backend.cancels > 0)
    }

    @Test("a viewer who takes nothing is not written to for ever, and does not keep a server from stopping")
    func stuck() async throws {
        let backend = StreamBackend(flood: [UInt8](repeating: 0x0a, count: 262_144))
        let kept = Mutex<Viewer?>(nil)
        try await serving(backend) { ports in
            let viewer = try Viewer(ports.main, "/v1/calls", receiveBuffer: 4096)
            kept.withLock { $0 = viewer }
            var before = -1
            // A busy machine takes its time to begin.
            for _ in 0..<6000 where backend.taken == 0 { try await Task.sleep(for: .milliseconds(20)) }
            while backend.taken != before {
                before = backend.taken
                try await Task.sleep(for: .milliseconds(300))
            }
            #expect(before > 0)
        }
        #expect(backend.cancels > 0)
    }
}
