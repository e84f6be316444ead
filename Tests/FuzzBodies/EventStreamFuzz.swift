internal import Calls
internal import Inspection
internal import JSONRPC
internal import Telemetry
internal import Wire

/// Runs a script of event streams and of what is posted beside them through the sessions of one inspector, in pieces
/// and whole.
///
/// The first byte seeds the pieces. Then come steps: a byte that says what is done and how many bytes follow for it.
/// Facts must not depend on the pieces; calls in flight are bounded, and none outlives its connections. What a stream
/// holds is compared with a reader of whole lines.
///
/// - Parameter bytes: Any bytes.
public func fuzzEventStream(_ bytes: UnsafeRawBufferPointer) {
    guard let seed = bytes.first else { return }
    let script = Array(bytes.dropFirst())
    let whole = StreamRun(seed: nil)
    whole.run(script)
    let split = StreamRun(seed: UInt64(seed))
    split.run(script)
    precondition(whole.facts == split.facts, "facts depend on the pieces")
    let events = read(script, piece: script.count)
    precondition(events == lines(of: script), "events are others than their lines say")
    precondition(events == read(script, piece: Int(seed & 7) + 1), "events depend on the pieces")
}

/// The data of the events in bytes, as the reader finds them.
private func read(_ bytes: [UInt8], piece: Int) -> [[UInt8]] {
    var reader = EventStreamReader()
    var events: [[UInt8]] = []
    var data: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: max(1, piece)) {
        let part = Array(bytes[start..<min(bytes.count, start + piece)])
        var at = 0
        loop: while true {
            switch reader.read(part.span.bytes, &at) {
            case .needsMore: break loop
            case .data: data += part[reader.dataStart..<at]
            case .nextLine: data.append(0x0a)
            case .event:
                events.append(data)
                data = []
            }
        }
    }
    return events
}

/// The same from whole lines.
private func lines(of bytes: [UInt8]) -> [[UInt8]] {
    var rest = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
    var events: [[UInt8]] = []
    var data: [[UInt8]] = []
    while let end = rest.firstIndex(where: { $0 == 0x0a || $0 == 0x0d }) {
        let line = rest[..<end]
        let isPair = rest[end] == 0x0d && rest[end...].dropFirst().first == 0x0a
        rest = rest[(end + (isPair ? 2 : 1))...]
        if line.isEmpty {
            if !data.isEmpty { events.append(Array(data.joined(separator: [0x0a]))) }
            data = []
        } else if line.elementsEqual("data".utf8) {
            data.append([])
        } else if line.starts(with: "data:".utf8) {
            let value = line.dropFirst(5)
            data.append(Array(value.first == 0x20 ? value.dropFirst() : value))
        }
    }
    return events
}

/// One pass over a script.
private final class StreamRun {
    private static let limits = Inspector.Limits(callTimeoutNanoseconds: 1 << 30, maxCalls: 16, maxTombstones: 4)
    private static let ends = ObservedConnection(
        client: Endpoint(ipv4: 1, port: 1),
        server: Endpoint(ipv4: 2, port: 2)
    )

    private let registry = OperationRegistry(capacity: 300)
    private let labels = SeriesLabels()
    private let recorder: Recorder
    private let inspector: Inspector
    private let tracing: FuzzTracing
    private var random: UInt64?
    private var now: UInt64 = 1 << 30
    private var plan = Plan()
    /// A POST that a stream answers, a GET's stream, and a connection for everything that is posted beside them.
    private var sessions: [Session] = []
    private(set) var facts: [String] = []

    init(seed: UInt64?) {
        random = seed
        recorder = Recorder(labels: labels)
        inspector = Inspector(registry: registry, recorder: recorder, limits: Self.limits)
        tracing = FuzzTracing(inspector, registry, isInjecting: false)
        sessions = (0..<3).map { _ in open() }
    }

    private func open() -> Session { inspector.open(side: .provider, connection: Self.ends) }

    func run(_ script: [UInt8]) {
        for place in 0..<2 { begin(place) }
        var rest = script[...]
        while let step = rest.popFirst() {
            let count = Int(step >> 3)
            let text = Array(rest.prefix(count))
            switch step & 7 {
            case 0, 1: give(Int(step & 1), text, .toDownstream, isChunk: true)
            case 2: post("/m?s=1", [], text)
            case 3: post("/mcp", ["Mcp-Session-Id: s"], text)
            case 4: tick()
            case 5: restart(0)
            case 6: restart(1)
            default: post("/mcp", ["Accept: text/event-stream"], Self.call(id: count, tool: text))
            }
            if step & 7 < 4 || step & 7 == 7 { rest = rest.dropFirst(count) }
            precondition(inspector.callsInFlight <= Self.limits.maxCalls, "more calls than the bound")
        }
        for session in sessions { inspector.close(session, now: now) }
        inspector.endCorrelated(now: now)
        precondition(inspector.callsInFlight == 0, "calls outlive their connections")
        precondition(inspector.correlation.isEmpty, "endpoints and calls outlive their connections")
        collect()
    }

    private static func call(id: Int, tool: [UInt8]) -> [UInt8] {
        let name = String(decoding: tool, as: UTF8.self).filter { $0.isLetter }
        let params = "{\"_meta\":{\"traceparent\":\"00-\(name)\"},\"name\":\"\(name)\"}"
        return Array("{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":\(params),\"id\":\(id)}".utf8)
    }

    /// A request whose response is a stream begins.
    private func begin(_ place: Int) {
        let request =
            place == 0
            ? Self.request("/mcp", ["Mcp-Session-Id: s"], Array("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}".utf8))
            : Array("GET /sse HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nMcp-Session-Id: s\r\n\r\n".utf8)
        give(place, request, .toUpstream)
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        give(place, Array(head.utf8), .toDownstream)
        if place == 1 { give(1, Array("event: endpoint\ndata: /m?s=1\n\n".utf8), .toDownstream, isChunk: true) }
    }

    /// Ends a stream in order and begins another one, or on another connection.
    private func restart(_ place: Int) {
        if now & 1 == 0 {
            give(place, Array("0\r\n\r\n".utf8), .toDownstream)
        } else {
            inspector.close(sessions[place], now: now)
            sessions[place] = open()
        }
        now += 1
        begin(place)
    }

    private func post(_ path: String, _ headers: [String], _ body: [UInt8]) {
        guard !body.isEmpty else { return }
        give(2, Self.request(path, headers, body), .toUpstream)
        give(2, Array("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".utf8), .toDownstream)
    }

    private static func request(_ path: String, _ headers: [String], _ body: [UInt8]) -> [UInt8] {
        let lines = ["POST \(path) HTTP/1.1", "Host: a", "Content-Length: \(body.count)"] + headers
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    private func tick() {
        now += 1 << 29
        inspector.tick(now: now)
    }

    /// Bytes of one direction: all at once, or in pieces of 1 to 32 bytes drawn from the seed.
    private func give(_ place: Int, _ bytes: [UInt8], _ direction: Direction, isChunk: Bool = false) {
        guard !isChunk || !bytes.isEmpty else { return }
        let size = isChunk ? Array("\(String(bytes.count, radix: 16))\r\n".utf8) : []
        let all = size + bytes + (isChunk ? [0x0d, 0x0a] : [])
        var start = 0
        while start < all.count {
            var count = all.count - start
            if let state = random {
                let next = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                random = next
                count = min(count, Int(next >> 59) + 1)
            }
            let piece = Array(all[start..<start + count])
            start += count
            plan.removeAll()
            inspector.receive(sessions[place], bytes: piece.span.bytes, going: direction, now: now, plan: &plan)
            precondition(plan.forwardsAll && plan.edits.isEmpty, "an observer changes bytes")
        }
    }

    private func collect() {
        facts += tracing.facts(inspector)
        let snapshot = MetricsSnapshot(merging: [recorder.snapshot()], registry: registry, labels: labels)
        for report in snapshot.operations {
            precondition(report.inFlight == 0, "a call that ended is in flight")
            for result in report.results where result.count > 0 {
                facts.append(
                    "\(report.operation) \(report.side) \(result.outcome) \(result.code) \(result.count)"
                        + " \(report.requestBytes) \(report.responseBytes) \(report.lateReplies)"
                )
            }
        }
        facts += snapshot.uninspectedBytes.map { "\($0.reason) \($0.count)" }
        facts += snapshot.decodeErrors.map { "\($0.reason) \($0.count)" }
    }
}
