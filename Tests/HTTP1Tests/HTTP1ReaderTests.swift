import HTTP1
import TestSupport
import Testing
import Wire

@Suite struct HTTP1ReaderTests {
    @Test("requests of every framing are divided into messages")
    func requests() {
        let reading = read(.requests, samples[0].text)
        let expected = [
            "POST /com.x.Service oneOne", "header 1 Content-Type='application/json'",
            "head post 0 length 9 flags 32 at 30/105 connection 0+0", "body {\"id\":1}\n", "end",
            "GET /healthz oneOne", "head get 0 none 0 flags 0 at 23/34 connection 0+0", "end",
            "PUT /c oneOne", "header 2 traceparent='00-ab'", "head put 0 chunked 0 flags 0 at 17/67 connection 0+0",
            "body hello world", "trailer 2 Traceparent='t'", "end",
            "POST /e oneOne", "head post 0 length 2 flags 37 at 18/80 connection 59+19", "body ab", "end",
        ]
        #expect(reading.lines == expected)
        #expect(reading.error == nil)
        #expect(reading.ends.count == 4)
        #expect(reading.ends.last == samples[0].text.utf8.count)
        #expect(reading.ending == .clean)
    }

    @Test("responses end by the rules of their status and of the method they answer")
    func responses() {
        let reading = read(.responses, samples[1].text, answered: samples[1].answered)
        let expected = [
            "100 'Continue' oneOne", "head other 100 none 0 flags 0 at 23/25 connection 0+0", "interim",
            "200 'OK' oneOne", "head post 200 length 3 flags 32 at 17/38 connection 0+0", "body abc", "end",
            "200 '' oneOne", "head head 200 none 300 flags 32 at 15/38 connection 0+0", "end",
            "204 '' oneOne", "head get 204 none 0 flags 2 at 14/40 connection 14+24", "end",
            "304 'Not Modified' oneOne", "head get 304 none 0 flags 0 at 27/57 connection 0+0", "end",
            "500 'Internal Server Error' oneOne", "header 1 Content-Type='application/json'",
            "head get 500 chunked 0 flags 64 at 36/123 connection 0+0", "body 0123456789", "end",
            "200 'OK' oneZero", "head get 200 untilClose 0 flags 0 at 17/30 connection 0+0", "body until the end",
            "end",
        ]
        #expect(reading.lines == expected)
        #expect(reading.error == nil)
        #expect(reading.ending == .message)
        #expect(reading.ends.first == -25)
    }

    @Test("after 101 and after a tunnel's 2xx nothing more is read", arguments: [2, 3])
    func notHTTP(index: Int) {
        let sample = samples[index]
        let reading = read(sample.role, sample.text, answered: sample.answered)
        let head = sample.text.utf8.count - (index == 2 ? 4 : 3)
        #expect(reading.notHTTPAt == head)
        #expect(reading.error == nil)
        #expect(reading.lines.last == "end")
        #expect(reading.ending == .notHTTP)
    }

    @Test("a refused CONNECT and a CONNECT whose method is not known are ordinary responses")
    func refusedTunnel() {
        let refusal = "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"
        #expect(read(.responses, refusal, answered: [.connect]).ends == [refusal.utf8.count])
        let accepted = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        #expect(read(.responses, accepted, answered: [.other]).ends == [accepted.utf8.count])
    }

    @Test("a sink that wants all headers gets all", arguments: [true, false])
    func allHeaders(all: Bool) {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nTraceparent: t\r\n\r\n"
        let headers = read(.requests, text, all: all).lines.filter { $0.hasPrefix("header") }
        #expect(headers == (all ? ["header 0 Host='a'"] : []) + ["header 2 Traceparent='t'"])
    }

    @Test("whether a connection goes on follows from version and Connection")
    func persistence() throws {
        struct Heads: HTTP1Sink {
            static func number(ofHeader name: RawSpan) -> UInt8 { NameTable.unwanted }
            var head = HTTP1Head()
            mutating func header(_ id: UInt8, name: RawSpan, value: RawSpan) {}
            mutating func headEnded(_ head: HTTP1Head) { self.head = head }
            mutating func body(_ piece: RawSpan) {}
            mutating func messageEnded() {}
        }
        func head(_ role: HTTP1Reader.Role, _ text: String) throws -> HTTP1Head {
            var reader = HTTP1Reader(role)
            var sink = Heads()
            var at = 0
            _ = try reader.read(Array(text.utf8).span.bytes, &at, into: &sink)
            return sink.head
        }
        #expect(try head(.requests, "GET / HTTP/1.1\r\n\r\n").keepsAlive)
        #expect(try !head(.requests, "GET / HTTP/1.1\r\nConnection: a, CLOSE\r\n\r\n").keepsAlive)
        #expect(try !head(.requests, "GET / HTTP/1.0\r\n\r\n").keepsAlive)
        #expect(try head(.requests, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keepsAlive)
        #expect(try !head(.responses, "HTTP/1.1 200 OK\r\n\r\n").keepsAlive)
        let upgrade = "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
        #expect(try head(.requests, upgrade).asksForOtherProtocol)
        #expect(try head(.requests, "CONNECT a:1 HTTP/1.1\r\n\r\n").asksForOtherProtocol)
        #expect(try !head(.requests, "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n").asksForOtherProtocol)
        #expect(HTTP1ResponseHead.Persistence(answering: try head(.requests, upgrade)) == .byVersion)
    }

    @Test("the end of a connection means what stood before it")
    func endings() {
        #expect(read(.requests, "").ending == .clean)
        #expect(read(.requests, "\r\n").ending == .clean)
        #expect(read(.requests, "G").ending == .truncated)
        #expect(read(.requests, "\r").ending == .truncated)
        #expect(read(.requests, "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n").ending == .truncated)
        #expect(read(.responses, "HTTP/1.1 100 Continue\r\n\r\n").ending == .truncated)
        #expect(read(.responses, "HTTP/1.1 200 OK\r\n\r\n").ending == .message)
        #expect(read(.responses, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n").ending == .truncated)
    }

    @Test("first bytes are told apart as soon as they can be")
    func prefixes() {
        func prefix(_ text: String) -> HTTP1Prefix { HTTP1Prefix(Array(text.utf8).span.bytes) }
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
            #expect(prefix(method + " /") == .request)
            for count in 0...method.count { #expect(prefix(String(method.prefix(count))) == .undecided) }
            #expect(prefix(method + "X") == .other)
            #expect(prefix(method.lowercased() + " ") == .other)
        }
        #expect(prefix("HTTP/1.1 200") == .response)
        #expect(prefix("HTTP/1") == .undecided)
        #expect(prefix("H") == .undecided)
        #expect(prefix("HTTP/2") == .other)
        #expect(prefix("PRI * HTTP/2.0") == .other)
        #expect(prefix("{") == .other)
    }

    @Test("heads that Weir writes can be read")
    func writer() {
        for (status, length, persistence): (UInt16, Int, HTTP1ResponseHead.Persistence) in [
            (200, 5, .byVersion), (429, 5, .close), (503, 0, .keepAlive), (204, 0, .close),
        ] {
            var bytes: [UInt8] = []
            HTTP1ResponseHead(status: status, contentLength: length, persistence: persistence).write(to: &bytes)
            bytes += Array("hello".utf8.prefix(length))
            let reading = read(.responses, [bytes[...]])
            #expect(reading.ends == [bytes.count])
            #expect(reading.lines.first?.hasPrefix("\(status) ") == true)
        }
        var bytes: [UInt8] = []
        HTTP1ResponseHead(status: 200, contentLength: 2, persistence: .close).write(to: &bytes)
        let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        #expect(String(decoding: bytes, as: UTF8.self) == text)
    }
}
