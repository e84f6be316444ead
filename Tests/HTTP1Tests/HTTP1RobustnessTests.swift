import HTTP1
import TestSupport
import Testing
import Wire

@Suite struct HTTP1RobustnessTests {
    @Test("a direction cut in two anywhere, or into single bytes, gives the same facts", arguments: samples)
    func everySplit(sample: Sample) {
        let bytes = Array(sample.text.utf8)
        let whole = read(sample.role, [bytes[...]], answered: sample.answered, all: true)
        #expect(whole.error == nil)
        for cut in 1..<bytes.count {
            let split = read(sample.role, [bytes[..<cut], bytes[cut...]], answered: sample.answered, all: true)
            #expect(split == whole, "cut at \(cut)")
        }
        for size in [1, 2, 3, 5, 8, 13] {
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(read(sample.role, pieces, answered: sample.answered, all: true) == whole, "pieces of \(size)")
        }
    }

    @Test("a part of a direction is no error, and what it tells is a part of the whole", arguments: samples)
    func everyPrefix(sample: Sample) {
        let bytes = Array(sample.text.utf8)
        let whole = read(sample.role, [bytes[...]], answered: sample.answered)
        for count in 0..<bytes.count {
            let part = read(sample.role, [bytes[..<count]], answered: sample.answered)
            #expect(part.error == nil)
            #expect(part.ends.elementsEqual(whole.ends.prefix(part.ends.count)))
        }
    }

    @Test("pipelined messages of all framings, in all orders, are told apart")
    func pipelining() {
        let requests = [
            "GET /a HTTP/1.1\r\n\r\n", "POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\n\r\n",
            "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nGE\r\n0\r\n\r\n",
            "HEAD /d HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ]
        let responses: [(HTTP1Method, String)] = [
            (.get, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nHTTP"),
            (.head, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
            (
                .post,
                "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\n\r\n"
                    + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
            ),
            (.get, "HTTP/1.1 204 N\r\n\r\n"),
        ]
        var orders = [[]] as [[Int]]
        for _ in 0..<3 { orders = orders.flatMap { order in (0..<4).map { order + [$0] } } }
        for order in orders {
            var end = 0
            let requestEnds = order.map { index in
                end += requests[index].utf8.count
                return end
            }
            #expect(read(.requests, order.map { requests[$0] }.joined()).ends == requestEnds)
            end = 0
            let responseEnds = order.map { index in
                end += responses[index].1.utf8.count
                return end
            }
            let reading = read(
                .responses,
                order.map { responses[$0].1 }.joined(),
                answered: order.map { responses[$0].0 }
            )
            #expect(reading.ends.filter { $0 > 0 } == responseEnds)
        }
    }

    @Test("garbage, and damaged directions, are read the same in any pieces and never crash")
    func garbage() {
        let seed: UInt64 = 0x5eed_0031
        var random = SeededRandom(seed: seed)
        let alphabet = Array("GET / HTTP/1.1\r\n\r\nContent-Length: 5\r\nTransfer-Encoding: chunked0 12;,\t\0".utf8)
        for round in 0..<4000 {
            var bytes: [UInt8]
            let role: HTTP1Reader.Role
            if round % 2 == 0 {
                let sample = samples[Int.random(in: 0..<samples.count, using: &random)]
                role = sample.role
                bytes = Array(sample.text.utf8)
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let at = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: bytes[at] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                    case 1: bytes.remove(at: at)
                    default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
                    }
                }
            } else {
                role = round % 4 == 1 ? .requests : .responses
                bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                }
            }
            let whole = read(role, [bytes[...]])
            let size = Int.random(in: 1...9, using: &random)
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            let split = read(role, pieces)
            #expect(split.error == whole.error, "seed \(seed) round \(round): \(hexText(bytes))")
            #expect(split.ends == whole.ends, "seed \(seed) round \(round): \(hexText(bytes))")
            if whole.error == nil { #expect(split == whole, "seed \(seed) round \(round): \(hexText(bytes))") }
        }
    }
}

/// Counts and keeps nothing.
private struct Counter: HTTP1Sink {
    private static let table = NameTable([("content-type", 1), ("traceparent", 2)])
    static func number(ofHeader name: RawSpan) -> UInt8 { table.id(ignoringCaseOf: name) }
    var messages = 0
    var bodyBytes = 0
    mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {}
    mutating func headEnded(_ head: HTTP1Head) {}
    mutating func body(_ piece: RawSpan) { bodyBytes &+= piece.byteCount }
    mutating func messageEnded() { messages &+= 1 }
}

@Suite struct HTTP1AllocationTests {
    private func allocations(_ role: HTTP1Reader.Role, _ text: String, cut: Int? = nil) -> Int {
        let bytes = Array(text.utf8)
        let front = Array(bytes[..<(cut ?? bytes.count)])
        let back = Array(bytes[(cut ?? bytes.count)...])
        var reader = HTTP1Reader(role)
        var sink = Counter()
        func feed(_ piece: [UInt8]) {
            var at = 0
            while at < piece.count { _ = try? reader.read(piece.span.bytes, &at, into: &sink) }
        }
        for _ in 0..<3 {
            feed(front)
            feed(back)
        }
        #expect(sink.messages == 3)
        return TestSupport.allocations {
            var round = 0
            while round < 100 {
                feed(front)
                feed(back)
                round &+= 1
            }
        }
    }

    private static let request =
        "POST /com.x.UserService HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTimeout: 3s\r\n"
        + "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nContent-Length: 5\r\n\r\n{...}"

    @Test("a message costs no allocation, whole, split, or in chunks")
    func steadyState() {
        #expect(allocations(.requests, Self.request) == 0)
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nA: b\r\n\r\n"
        #expect(allocations(.responses, chunked) == 0)
        #if !DEBUG
            for cut in 1..<Self.request.utf8.count { #expect(allocations(.requests, Self.request, cut: cut) == 0) }
        #endif
    }
}
