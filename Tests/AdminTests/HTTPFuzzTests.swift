import Foundation
import Glibc
import Testing

@testable import Admin

/// Bytes that are nearly HTTP, and some that are not, against each listener.
///
/// WEIR_FUZZ_REQUESTS makes it longer, WEIR_FUZZ_SEED repeats a run.
@Suite(.timeLimit(.minutes(30))) struct HTTPFuzzTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
            return value ^ (value >> 31)
        }
    }

    private static let methods = [
        "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "CONNECT", "get", "", "G\u{0}T", "PRI",
    ]
    private static let targets = [
        "/metrics", "/healthz", "/readyz", "/readyz?upstream=20880", "/v1/operations", "/v1/connections", "/v1/limits",
        "/v1/drain?format=lines", "/v1/drain?interface=%ff", "/v1/config", "/v1/reload", "/v1/calls?min_ms=x", "*", "",
        "http://localhost/metrics", "//", "/%2e%2e/metrics", "/metrics?" + String(repeating: "a=b&", count: 3000),
        "/" + String(repeating: "x", count: 70_000), "localhost:443",
    ]
    private static let fields = [
        "Host: localhost", "Host: evil.example", "Host:", "Connection: close", "Connection: keep-alive, upgrade",
        "Content-Length: 0", "Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999",
        "Content-Length: 5, 5", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
        "Expect: 100-continue",
        "Upgrade: h2c", "Accept-Encoding: gzip", "Accept-Encoding: *;q=0.1, gzip;q=", "Accept: */*;q=2,,;",
        "Accept: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        "Authorization: Bearer x", "Origin: null", " folded: x", "Bad Name: x", "X: \u{1}\u{7f}", ":", "A",
        "X-Long: " + String(repeating: "y", count: 20_000),
    ]
    private static let bodies = [
        "", "hello", "5\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "0\r\nX: y\r\n\r\n", "limits: [",
    ]

    /// A request of the pieces above, here and there spoiled.
    private static func request(_ generator: inout Generator) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let version = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", ""].randomElement(
                using: &generator
            )!
            var text =
                "\(methods.randomElement(using: &generator)!) \(targets.randomElement(using: &generator)!) \(version)"
            let count = Int.random(in: 0...6, using: &generator)
            let end = Int.random(in: 0..<20, using: &generator) == 0 ? "\n" : "\r\n"
            for _ in 0..<count { text += end + fields.randomElement(using: &generator)! }
            text += end + end + bodies.randomElement(using: &generator)!
            bytes += text.utf8
        }
        switch Int.random(in: 0..<8, using: &generator) {
        case 0:
            for _ in 0..<Int.random(in: 1...10, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
        case 1: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
        case 2: bytes = (0..<2000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        case 3: bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + bytes
        default: break
        }
        return bytes
    }

    /// Sends it in pieces, reads a little or nothing, and leaves in some way.
    private static func talk(_ port: Int, _ seed: UInt64) {
        var generator = Generator(state: seed)
        let bytes = request(&generator)
        guard let descriptor = connected(port, receiveBytes: 8192) else { return }
        defer { close(descriptor) }
        var at = 0
        while at < bytes.count {
            let count = min(bytes.count - at, Int.random(in: 1...8192, using: &generator))
            let sent = bytes[at..<at + count].withUnsafeBytes {
                send(descriptor, $0.baseAddress, count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { return }
            at += sent
        }
        if Bool.random(using: &generator) { shutdown(descriptor, Int32(SHUT_WR)) }
        var answer = [UInt8](repeating: 0, count: 65_536)
        // What does not end by itself, such as a request that is not complete, is left.
        var wait = timeval(tv_sec: 0, tv_usec: 20_000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        let count = recv(descriptor, &answer, answer.count, 0)
        guard count > 0 else { return }
        #expect(answer.starts(with: Array("HTTP/1.".utf8)), "seed \(seed)")
    }

    @Test("whatever clients say, the next one is answered, and nothing stays behind") func requests() async throws {
        let variables = ProcessInfo.processInfo.environment
        let count = variables["WEIR_FUZZ_REQUESTS"].flatMap { Int($0) } ?? 600
        let seed = variables["WEIR_FUZZ_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
        print("seed \(seed)")
        try await withServer(FakeBackend(operations: 50), metrics: true, probes: true) { ports in
            let listeners = [ports.main, ports.metrics, ports.probes]
            await withTaskGroup(of: Void.self) { tasks in
                for worker in 0..<4 {
                    tasks.addTask {
                        for number in stride(from: worker, to: count, by: 4) {
                            await withCheckedContinuation { continuation in
                                Thread.detachNewThread {
                                    Self.talk(listeners[number % 3], seed &+ UInt64(number))
                                    continuation.resume()
                                }
                            }
                        }
                    }
                }
            }
            for port in listeners {
                #expect(await ask(port, "/healthz")?.status == 200, "seed \(seed)")
                #expect(await ask(port, "/readyz")?.status == 200, "seed \(seed)")
            }
            #expect(await ask(ports.main, "/v1/operations")?.status == 200, "seed \(seed)")
        }
    }
}
