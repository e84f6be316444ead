import Foundation
import Glibc
import HTTP1
import Testing

@testable import Admin

@Suite(.timeLimit(.minutes(10))) struct PageTests {
    private func unpacked(_ bytes: [UInt8]) throws -> String {
        let inflater = Inflater()
        try inflater.begin(.gzip, limitBytes: 1 << 30)
        var text: [UInt8] = []
        try inflater.read(bytes.span.bytes) { piece in
            for at in 0..<piece.byteCount { text.append(piece.unsafeLoad(fromByteOffset: at, as: UInt8.self)) }
        }
        try inflater.finish()
        return String(decoding: text, as: UTF8.self)
    }

    @Test("a page is packed for who takes gzip, and is the same", arguments: ["/metrics", "/v1/operations"])
    func gzip(_ path: String) async throws {
        try await withServer(FakeBackend(operations: 300)) { ports in
            let packed = try #require(await ask(ports.main, path, headers: ["Accept-Encoding: gzip"]))
            #expect(packed.headers["content-encoding"] == "gzip")
            #expect(packed.headers["content-length"] == "\(packed.body.count)")
            let plain = try #require(await ask(ports.main, path))
            #expect(plain.headers["content-encoding"] == nil)
            #expect(plain.headers["content-length"] == "\(plain.body.count)")
            let text = try unpacked(packed.body)
            #expect(packed.body.count * 8 < text.utf8.count)
            let names = { (text: String) in text.components(separatedBy: "get").count }
            #expect(names(text) == names(plain.text))
            #expect(names(text) > 300)
            if path == "/v1/operations" { #expect(text == plain.text) }
            let head = try #require(await ask(ports.main, path, method: "HEAD", headers: ["Accept-Encoding: gzip"]))
            #expect(head.body.isEmpty)
            #expect(head.headers["content-encoding"] == "gzip")
        }
    }

    @Test("a page may be used again for ten times what its rendering took, 1 s at most, and not once it was revoked")
    func age() throws {
        func page(begun: UInt64, work: UInt64) throws -> RenderedPage {
            RenderedPage(contentType: "text/plain", try GzipWriter(), begun: begun, work: work)
        }
        #expect(try page(begun: 100, work: 50).isFresh(at: 599))
        #expect(try !page(begun: 100, work: 50).isFresh(at: 600))
        #expect(try page(begun: 0, work: .max / 5).isFresh(at: RenderedPage.maxAgeNanoseconds - 1))
        #expect(try !page(begun: 0, work: .max / 5).isFresh(at: RenderedPage.maxAgeNanoseconds))
        let revoked = try page(begun: 0, work: 100)
        revoked.revoke()
        #expect(!revoked.isFresh(at: 1))
    }

    @Test("the oldest pages are revoked when all of them are too large") func live() throws {
        let live = LivePages()
        var generator = SystemRandomNumberGenerator()
        func page() throws -> RenderedPage {
            let writer = try GzipWriter()
            writer.append((0..<LivePages.maxBytes / 3).map { _ in UInt8.random(in: 0...255, using: &generator) })
            let page = RenderedPage(contentType: "text/plain", writer, begun: 0, work: 100)
            live.add(page)
            return page
        }
        let pages = [try page(), try page(), try page()]
        #expect(!pages[0].isFresh(at: 1))
        #expect(pages[1].isFresh(at: 1))
        #expect(pages[2].isFresh(at: 1))
        #expect(try page().isFresh(at: 1))
        #expect(!pages[1].isFresh(at: 1))
    }

    @Test("idle connections do not keep anybody out") func idle() async throws {
        try await withServer(metrics: true, probes: true) { ports in
            for port in [ports.main, ports.metrics, ports.probes] {
                let idle = (0..<200).compactMap { _ in connected(port) }
                defer { for descriptor in idle { close(descriptor) } }
                #expect(idle.count == 200)
                for _ in 0..<5 { #expect(await ask(port, "/healthz")?.status == 200) }
            }
        }
    }

    @Test("readers that take nothing do not keep anybody out, and are cut off") func slowReaders() async throws {
        try await withServer(FakeBackend(operations: 500), metrics: true) { ports in
            for port in [ports.main, ports.metrics] {
                let request = Array("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
                let readers = (0..<100).compactMap { _ in connected(port, receiveBytes: 4096) }
                defer { for descriptor in readers { close(descriptor) } }
                for reader in readers { #expect(send(reader, request, request.count, Int32(MSG_NOSIGNAL)) > 0) }
                for _ in 0..<3 {
                    let answer = try #require(await ask(port, "/metrics"))
                    #expect(answer.status == 200)
                    #expect(answer.headers["content-length"] == "\(answer.body.count)")
                }
                #expect(await ask(port, "/healthz")?.status == 200)
                // Each of them gets an end, and not the whole page.
                for reader in readers {
                    var piece = [UInt8](repeating: 0, count: 1 << 20)
                    var count = 0
                    try await Task.sleep(for: .milliseconds(1))
                    while case let more = recv(reader, &piece, piece.count, Int32(MSG_DONTWAIT)), more > 0 {
                        count += more
                    }
                    #expect(count < 200_000)
                }
            }
        }
    }

    @Test("a request that stops in the middle of its head is ended") func slowRequest() async throws {
        try await withServer(probes: true) { ports in
            for port in [ports.main, ports.probes] {
                let descriptor = try #require(connected(port))
                defer { close(descriptor) }
                let part = Array("GET /healthz HTTP/1.1\r\nHo".utf8)
                #expect(send(descriptor, part, part.count, Int32(MSG_NOSIGNAL)) == part.count)
                let isEnded = await withCheckedContinuation { continuation in
                    Thread.detachNewThread {
                        var byte: UInt8 = 0
                        continuation.resume(returning: recv(descriptor, &byte, 1, 0) <= 0)
                    }
                }
                #expect(isEnded)
            }
        }
    }

    @Test("the listener for probes serves nothing else, and closes after an answer") func probes() async throws {
        let backend = FakeBackend()
        try await withServer(backend, probes: true) { ports in
            #expect(await ask(ports.probes, "/healthz")?.text == "ok\n")
            #expect(await ask(ports.probes, "/readyz")?.text == "ready\n")
            backend.isReady = false
            #expect(await ask(ports.probes, "/readyz")?.status == 503)
            #expect(await ask(ports.probes, "/healthz", method: "HEAD")?.body.isEmpty == true)
            #expect(await ask(ports.probes, "/healthz", method: "POST")?.status == 405)
            for path in ["/metrics", "/v1/operations", "/v1/drain", "/", "*"] {
                #expect(await ask(ports.probes, path)?.status == 404)
            }
            let descriptor = try #require(connected(ports.probes))
            defer { close(descriptor) }
            let requests = Array(String(repeating: "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", count: 20).utf8)
            #expect(send(descriptor, requests, requests.count, Int32(MSG_NOSIGNAL)) == requests.count)
            let text = await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    var answer: [UInt8] = []
                    var piece = [UInt8](repeating: 0, count: 65_536)
                    while case let count = recv(descriptor, &piece, piece.count, 0), count > 0 {
                        answer += piece[..<count]
                    }
                    continuation.resume(returning: String(decoding: answer, as: UTF8.self))
                }
            }
            #expect(text.components(separatedBy: "\r\n\r\nok\n").count == 2)
        }
    }

    @Test("who asks while a page is made gets that page") func shared() async throws {
        let backend = FakeBackend(operations: 2000)
        try await withServer(backend) { ports in
            await withTaskGroup(of: Int?.self) { tasks in
                for _ in 0..<40 { tasks.addTask { await ask(ports.main, "/metrics")?.status } }
                for await status in tasks { #expect(status == 200) }
            }
            #expect(backend.timesAsked < 20)
        }
    }
}
