import HTTP1
import TestSupport
import Testing
import Wire

/// What two servers could read in two ways is refused.
@Suite struct HTTP1StrictnessTests {
    @Test(
        "requests that could be read in two ways are errors",
        arguments: [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .lengthAndTransferEncoding),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", .lengthAndTransferEncoding),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", .differingContentLengths),
            ("Content-Length: 5, 6\r\n", .differingContentLengths),
            ("Content-Length: +5\r\n", .badContentLength), ("Content-Length: -5\r\n", .badContentLength),
            ("Content-Length: 0x5\r\n", .badContentLength), ("Content-Length: 5 5\r\n", .badContentLength),
            ("Content-Length: 5,\r\n", .badContentLength), ("Content-Length:\r\n", .badContentLength),
            ("Content-Length: 5;\r\n", .badContentLength), ("Content-Length: 5.0\r\n", .badContentLength),
            ("Content-Length: 1_0\r\n", .badContentLength), ("Content-Length: \"5\"\r\n", .badContentLength),
            ("Content-Length: 1000000000000000000\r\n", .badContentLength),
            ("Content-Length: 18446744073709551621\r\n", .badContentLength),
            ("Content-Length : 5\r\n", .spaceBeforeColon), ("Transfer-Encoding\t: chunked\r\n", .spaceBeforeColon),
            (" Content-Length: 5\r\n", .foldedHeader), ("A: b\r\n c\r\n", .foldedHeader),
            ("A: b\r\n\tTransfer-Encoding: chunked\r\n", .foldedHeader),
            ("A: b\nTransfer-Encoding: chunked\r\n", .bareLineFeed), ("A: b\rB: c\r\n", .bareCarriageReturn),
            ("A: b\r\r\n", .bareCarriageReturn), ("A: b\n\n", .bareLineFeed), ("A: \0\r\n", .controlCharacter),
            ("A\0: b\r\n", .controlCharacter), ("A: \u{7f}\r\n", .controlCharacter),
            ("A: \u{b}b\r\n", .controlCharacter), (": b\r\n", .badHeaderName), ("A\r\n", .badHeaderName),
            ("A(b): c\r\n", .badHeaderName), ("Ä: c\r\n", .badHeaderName),
            ("Transfer-Encoding: \r\n", .badTransferEncoding),
            ("Transfer-Encoding: xchunked\r\n", .badTransferEncoding),
            ("Transfer-Encoding: identity\r\n", .badTransferEncoding),
            ("Transfer-Encoding: gzip\r\n", .badTransferEncoding),
            ("Transfer-Encoding: chunked, gzip\r\n", .badTransferEncoding),
            ("Transfer-Encoding: chunked, chunked\r\n", .badTransferEncoding),
            ("Transfer-Encoding: chunked,\r\n", .badTransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", .badTransferEncoding),
            ("Transfer-Encoding: chunked;q=1\r\n", .badTransferEncoding),
            ("Transfer-Encoding: \"chunked\"\r\n", .badTransferEncoding),
        ] as [(String, HTTP1Error)]
    )
    func heads(headers: String, error: HTTP1Error) {
        let reading = read(.requests, "POST / HTTP/1.1\r\n\(headers)\r\n")
        #expect(reading.error == error)
        #expect(!reading.lines.contains { $0.hasPrefix("head ") })
        #expect(read(.responses, "HTTP/1.1 200 OK\r\n\(headers)\r\n").error == error)
    }

    @Test(
        "first lines must be exactly what they should be",
        arguments: [
            ("GET  / HTTP/1.1", .badStartLine), ("GET /  HTTP/1.1", .badStartLine), ("GET / a HTTP/1.1", .badStartLine),
            (" GET / HTTP/1.1", .badStartLine), ("GET\t/ HTTP/1.1", .badStartLine), ("GET /\tHTTP/1.1", .badStartLine),
            ("GET / HTTP/1.1 ", .badStartLine), ("GET /", .badStartLine), ("GET HTTP/1.1", .badStartLine),
            ("GET / http/1.1", .badStartLine), ("GET / HTTP/1.11", .badStartLine), ("GET / HTTP/11", .badStartLine),
            ("G(T / HTTP/1.1", .badStartLine), ("GET / HTTP/1.2", nil), ("", nil),
            ("PRI * HTTP/2.0", .unsupportedVersion), ("GET / HTTP/0.9", .unsupportedVersion),
            ("\nGET / HTTP/1.1", nil), ("\rGET / HTTP/1.1", nil), ("\r\r\n\n\rGET / HTTP/1.1", nil),
            ("\n GET / HTTP/1.1", .badStartLine), ("GET / HTTP/1.", .badStartLine),
            ("GET /\u{1} HTTP/1.1", .controlCharacter), ("x", .badStartLine),
            ("GET /ä HTTP/1.1", nil), ("M-SEARCH * HTTP/1.1", nil), ("GET http://a/b?c#d HTTP/1.0", nil),
        ] as [(String, HTTP1Error?)]
    )
    func requestLines(line: String, error: HTTP1Error?) {
        #expect(read(.requests, line + "\r\n\r\n").error == error)
    }

    @Test(
        "status lines likewise",
        arguments: [
            ("", .badStartLine), ("HTTP/1.1 20", .badStartLine), ("HTTP/1.1 2000", .badStartLine),
            ("HTTP/1.1 099 x", .badStartLine), ("HTTP/1.1  200 OK", .badStartLine), ("HTTP/1.1 +20 OK", .badStartLine),
            ("HTTP/2.0 200 OK", .unsupportedVersion), ("ICY 200 OK    ", .badStartLine), ("HTTP/1.1 200", nil),
            ("HTTP/1.1 999 odd", nil), ("HTTP/1.1\t200 OK", .badStartLine), ("HTTP/1.0 200 ", nil),
        ] as [(String, HTTP1Error?)]
    )
    func statusLines(line: String, error: HTTP1Error?) {
        #expect(read(.responses, line + "\r\n\r\n").error == error)
    }

    @Test(
        "chunks must be exactly framed",
        arguments: [
            ("\r\n", .badChunkSize), ("x\r\n", .badChunkSize), ("0x5\r\nhello\r\n", .badChunkSize),
            ("+5\r\n", .badChunkSize), ("-1\r\n", .badChunkSize), (" 5\r\n", .badChunkSize), ("5 \r\n", .badChunkSize),
            ("5\nhello\r\n", .bareLineFeed), ("5\r\r\n", .bareCarriageReturn), ("5;a\nhello", .bareLineFeed),
            ("5;\0\r\n", .controlCharacter), ("5\r\nhelloX\r\n", .badChunkEnd), ("5\r\nhello\n", .badChunkEnd),
            ("5\r\nhello\rX", .badChunkEnd), ("5\r\nhello0\r\n\r\n", .badChunkEnd), (";a\r\n", .badChunkSize),
            ("0000000000000001\r\na\r\n", .badChunkSize), ("fffffffffffffffff\r\n", .badChunkSize),
            ("000000000000001\r\na\r\n0\r\n\r\n", nil), ("0\r\nA: b\n\r\n", .bareLineFeed),
            ("0\r\n A: b\r\n\r\n", .foldedHeader), ("0\r\nbad\r\n\r\n", .badHeaderName), ("0;x=y\r\n\r\n", nil),
            ("5_0\r\n", .badChunkSize), ("5,5\r\n", .badChunkSize), ("0\r\nA: b\r\n\r\n", nil),
        ] as [(String, HTTP1Error?)]
    )
    func chunks(body: String, error: HTTP1Error?) {
        let reading = read(.requests, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        #expect(reading.error == error)
        if error == nil { #expect(reading.lines.last == "end") }
    }

    @Test("equal lengths may be repeated, leading zeros stand, and 1.0 has no transfer-encoding")
    func tolerated() {
        let twice = "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2, 02\r\n\r\nab"
        #expect(read(.requests, twice).ends == [twice.utf8.count])
        let chunked = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        #expect(read(.requests, chunked).error == .transferEncodingInHTTP10)
    }

    @Test("empty lines of any kind in front of requests, cut anywhere, belong to none")
    func emptyLines() {
        let text = "\n\r\r\n" + "GET /a HTTP/1.1\r\n\r\n" + "\r\r\n\n" + "GET /b HTTP/1.9\r\n\r\n" + "\n"
        let whole = read(.requests, text)
        #expect(whole.error == nil && whole.lines.count(where: { $0.hasPrefix("head ") }) == 2)
        for pieceBytes in 1...9 {
            let bytes = Array(text.utf8)
            let pieces = stride(from: 0, to: bytes.count, by: pieceBytes).map {
                bytes[$0..<min($0 + pieceBytes, bytes.count)]
            }
            let reading = read(.requests, pieces)
            #expect(reading.lines == whole.lines && reading.ends == whole.ends, "\(pieceBytes)")
        }
    }

    @Test("an error stays an error")
    func sticky() {
        var reader = HTTP1Reader(.requests)
        var sink = Recorder()
        for text in ["GET /\n", "GET / HTTP/1.1\r\n\r\n"] {
            var at = 0
            #expect(throws: HTTP1Error.bareLineFeed) {
                _ = try reader.read(Array(text.utf8).span.bytes, &at, into: &sink)
            }
        }
        #expect(reader.end(into: &sink) == .truncated)
    }

    @Test("a head may have 65,536 bytes and no more", arguments: [1, 7, 1000, 100_000])
    func headLimit(pieceBytes: Int) {
        let start = "GET / HTTP/1.1\r\nA: "
        for (total, isAllowed) in [(65_535, true), (65_536, true), (65_537, false)] {
            let text = start + String(repeating: "a", count: total - start.utf8.count - 4) + "\r\n\r\n"
            let bytes = Array(text.utf8)
            let pieces = stride(from: 0, to: bytes.count, by: pieceBytes).map {
                bytes[$0..<min($0 + pieceBytes, bytes.count)]
            }
            #expect(read(.requests, pieces).error == (isAllowed ? nil : .headTooLong))
        }
        let endless = [UInt8](repeating: 0x41, count: 70_000)
        #expect(read(.requests, [endless[...]]).error == .headTooLong)
        let trailers =
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
            + String(repeating: "A: b\r\n", count: 11_000)
        #expect(read(.requests, trailers).error == .headTooLong)
        let extensions = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0;"
        #expect(read(.requests, extensions + String(repeating: "a", count: 4096) + "\r\n\r\n").error == nil)
        #expect(read(.requests, extensions + String(repeating: "a", count: 4097) + "\r\n\r\n").error == .headTooLong)
    }

    @Test("every error has a label of its own")
    func labels() {
        #expect(Set(HTTP1Error.allCases.map(\.label.description)).count == HTTP1Error.allCases.count)
    }
}
