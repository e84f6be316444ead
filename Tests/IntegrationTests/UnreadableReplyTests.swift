import Foundation
import Testing

extension Integration {
    /// Calls whose reply is there, but says nothing that can be read: outcome `unknown`, everywhere that calls are shown.
    @Suite(.timeLimit(.minutes(10))) struct UnreadableReplyTests {
        private static let call = #"{"jsonrpc":"2.0","method":"get","params":[],"id":1}"#

        /// A server that answers every request on one connection after another with a page of its own.
        private static func serve(_ listener: Listener, _ count: Int) throws {
            for _ in 0..<count {
                let connection = try listener.accept()
                while let request = try? connection.readHead(), !request.isEmpty {
                    _ = try connection.read(call.utf8.count)
                    try connection.write(Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".utf8))
                }
            }
        }

        private static func ask(_ connection: Connection) throws {
            let head = "POST /demo.Page HTTP/1.1\r\nHost: a\r\nContent-Length: \(call.utf8.count)\r\n\r\n"
            try connection.write(Array((head + call).utf8))
            let answer = try connection.readHead()
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            #expect(try connection.read(5) == Array("hello".utf8))
        }

        @Test("It counts with its duration, is no error, and the tap shows it only to those who ask for it")
        func unknown() throws {
            let listener = try Listener()
            Thread.detachNewThread { try? Self.serve(listener, 1) }
            let weir = try WeirProcess(upstream: listener.address)
            let taps = try ["error", "unknown"].map { outcome in
                let limit = outcome == "unknown" ? ["--limit", "2"] : []
                return try ChildProcess(
                    [WeirBinary.path, "tap", "--admin", weir.admin.description, "--outcome", outcome] + limit
                )
            }
            let connection = try Connection(to: weir.address)
            var asked = 0
            // Who begins to watch sees the calls that come then.
            try eventually("the second viewer has seen two") {
                try Self.ask(connection)
                asked += 1
                return !taps[1].isRunning()
            }
            #expect(taps[1].end == .exited(0) && taps[1].outputText.contains(#""outcome":"unknown","code":"""#))
            connection.close()
            let metrics = try weir.settledMetrics()
            #expect(metrics.calls() == [CallKey("demo.Page", "get", "unknown", ""): asked])
            #expect(metrics.sum("weir_call_duration_seconds_count") == asked)
            let operations = try #require(try weir.get("/v1/operations").json as? [[String: Any]])
            #expect(operations.count == 1 && operations[0]["errors"] as? Int == 0)
            #expect(operations[0]["outcomes"] as? [String: Int] == ["unknown": asked])
            #expect(try weir.stop() == .exited(0))
            try taps[0].wait()
            #expect(taps[0].output.isEmpty)
        }

        @Test("weir read counts it in its table, not among the errors, and says how many there were")
        func read() throws {
            let folder = try TemporaryFolder()
            let head = "POST /demo.Page HTTP/1.1\r\nHost: a\r\nContent-Length: \(Self.call.utf8.count)\r\n\r\n"
            let reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            let file = try folder.file(
                "a.pcap",
                MadeCapture.exchange(Array((head + Self.call).utf8), Array(reply.utf8))
            )
            let calls = try WeirBinary.run("read", "--output", "calls", file)
            #expect(
                calls.outputText.contains(#""outcome":"unknown","code":"""#),
                "\(calls.outputText) \(calls.errorText)"
            )
            let summary = try WeirBinary.run("read", "--output", "summary", file)
            #expect(summary.end == .exited(0))
            let row = summary.outputText.split(separator: "\n").first { $0.hasPrefix("demo.Page") }
            #expect(row?.split(separator: " ").prefix(4) == ["demo.Page", "get", "1", "0"])
            #expect(summary.outputText.contains("replies that could not be read 1"))
        }
    }
}

extension Connection {
    /// Reads to the end of a head of HTTP; empty at the connection's end.
    fileprivate func readHead() throws -> String {
        var head = ""
        while !head.hasSuffix("\r\n\r\n") { head += String(decoding: try read(1), as: UTF8.self) }
        return head
    }
}

/// A capture of one request and its reply over Ethernet, IPv4 and TCP.
enum MadeCapture {
    static func exchange(_ request: [UInt8], _ reply: [UInt8]) -> [UInt8] {
        var file: [UInt8] = little(0xa1b2_c3d4) + [2, 0, 4, 0] + little(0) + little(0) + little(65_535) + little(1)
        let (up, down) = (UInt32(1000), UInt32(5000))
        let (upEnd, downEnd) = (up + 1 + UInt32(request.count), down + 1 + UInt32(reply.count))
        let packets: [(isUp: Bool, flags: UInt8, sequence: UInt32, acknowledged: UInt32, bytes: [UInt8])] = [
            (true, 0x02, up, 0, []), (false, 0x12, down, up + 1, []), (true, 0x10, up + 1, down + 1, []),
            (true, 0x18, up + 1, down + 1, request), (false, 0x18, down + 1, upEnd, reply),
            (true, 0x11, upEnd, downEnd, []), (false, 0x11, downEnd, upEnd + 1, []),
            (true, 0x10, upEnd + 1, downEnd + 1, []),
        ]
        for (number, packet) in packets.enumerated() {
            let ports: [UInt8] = packet.isUp ? [0x9c, 0x40, 0x1f, 0x90] : [0x1f, 0x90, 0x9c, 0x40]
            let hosts: [UInt8] = packet.isUp ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1]
            let tcp =
                ports + big(packet.sequence) + big(packet.acknowledged) + [0x50, packet.flags, 0xff, 0xff, 0, 0, 0, 0]
            let length = 20 + tcp.count + packet.bytes.count
            let ip: [UInt8] = [0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 1, 0, 0, 64, 6, 0, 0] + hosts
            let frame = [UInt8](repeating: 2, count: 12) + [8, 0] + ip + tcp + packet.bytes
            file += little(1_700_000_000) + little(UInt32(number * 1000)) + little(UInt32(frame.count))
            file += little(UInt32(frame.count)) + frame
        }
        return file
    }

    private static func little(_ value: UInt32) -> [UInt8] { big(value).reversed() }

    private static func big(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
