import Foundation
import Testing

extension Integration {
    /// `weir read` as a script would use it.
    @Suite struct ReadTests {
        private let folder: TemporaryFolder
        private let pcap: [UInt8]

        init() throws {
            folder = try TemporaryFolder()
            pcap = try JavaCapture.file("dubbo-heartbeat-shutdown.pcap")
        }

        @Test("Without a terminal calls are printed, one JSON object a line")
        func calls() throws {
            let run = try WeirBinary.run("read", folder.file("a.pcap", pcap))
            #expect(run.end == .exited(0))
            #expect(run.errorText.isEmpty)
            let lines = run.output.split(separator: 0x0a)
            #expect(lines.count == 5)
            for line in lines {
                let call = try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
                let names = [
                    "ts", "duration_us", "side", "protocol", "interface", "method", "version", "group", "outcome",
                    "code",
                    "exception", "id", "client", "server", "caller", "request_bytes", "response_bytes", "trace_id",
                    "parent_span_id", "sampled",
                ]
                #expect(Set(call.keys) == Set(names))
            }
        }

        @Test("Messages and the summary can be had too, and standard input is -")
        func forms() throws {
            let file = try folder.file("a.pcap", pcap)
            let messages = try WeirBinary.run("read", "--output", "messages", "-", input: file)
            #expect(messages.end == .exited(0))
            // Five requests with four replies, six heartbeats with their answers, and two read-only events.
            #expect(messages.output.split(separator: 0x0a).count == 23)
            let summary = try WeirBinary.run("read", "--output", "summary", file)
            #expect(summary.end == .exited(0))
            #expect(summary.outputText.contains("createOrder"))
            #expect(summary.outputText.contains("heartbeats 6"))
            #expect(summary.outputText.contains("read-only events 2"))
        }

        @Test("Several files are read one after another, and a missing one is told")
        func severalFiles() throws {
            let file = try folder.file("a.pcap", pcap)
            let run = try WeirBinary.run("read", file, "/nonexistent/b.pcap", file)
            #expect(run.end == .exited(66))
            #expect(run.errorLines.count == 1)
            #expect(run.output.split(separator: 0x0a).count == 10)
        }

        @Test("A filter chooses packets; one that is none is told")
        func filter() throws {
            let file = try folder.file("a.pcap", pcap)
            let none = try WeirBinary.run("read", "--filter", "tcp port 9", file)
            #expect(none.end == .exited(0))
            #expect(none.output.isEmpty)
            let all = try WeirBinary.run("read", "--filter", "tcp port 20880", file)
            #expect(all.output.split(separator: 0x0a).count == 5)
            let wrong = try WeirBinary.run("read", "--filter", "tcp prot 9", file)
            #expect(wrong.end == .exited(64))
            #expect(wrong.errorLines.count == 1)
        }

        @Test("Of a file that breaks off what was readable is printed, then one line, then 65")
        func truncated() throws {
            // In the middle of the packet that holds the last third of the file's bytes.
            let run = try WeirBinary.run("read", folder.file("cut.pcap", Array(pcap[..<4001])))
            #expect(run.end == .exited(65))
            #expect(run.errorLines.count == 1, "\(run.errorText)")
            let lines = run.output.split(separator: 0x0a)
            #expect(lines.count > 0 && lines.count <= 5)
            for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line)) }
        }

        @Test("A packet header that cannot be true is a broken file")
        func corrupt() throws {
            var bytes = pcap
            // The captured length of a packet in the middle.
            var at = 24
            while at < 3000 { at += 16 + (0..<4).reduce(0) { $0 | Int(bytes[at + 8 + $1]) << (8 * $1) } }
            for offset in 8..<12 { bytes[at + offset] = 0xff }
            let run = try WeirBinary.run("read", folder.file("corrupt.pcap", bytes))
            #expect(run.end == .exited(65))
            #expect(run.errorLines.count == 1, "\(run.errorText)")
            #expect(!run.output.isEmpty)
        }

        @Test(
            "A text is no capture",
            arguments: ["", "x", "this is no capture, but a text of more than a header's length"]
        )
        func text(_ content: String) throws {
            let run = try WeirBinary.run("read", folder.file("a.txt", text: content))
            #expect(run.end == .exited(65))
            #expect(run.errorLines.count == 1, "\(run.errorText)")
            #expect(run.output.isEmpty)
        }

        @Test("A reader that goes away ends it quietly", .timeLimit(.minutes(10)))
        func closedOutput() throws {
            let file = try folder.file("load.pcap", JavaCapture.file("dubbo-load.pcap"))
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { throw Failure(call: "pipe") }
            _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
            _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
            let run = try ChildProcess(
                [WeirBinary.path, "read", "--output", "calls", file, file],
                output: .descriptor(ends[1])
            )
            close(ends[1])
            var first: UInt8 = 0
            #expect(read(ends[0], &first, 1) == 1)
            close(ends[0])
            #expect(try run.wait() == .exited(0))
            #expect(run.errorText.isEmpty)
        }

        @Test(
            "Output that cannot be written is told, and ends it with 74",
            arguments: ["calls", "messages", "summary"]
        )
        func fullDisk(form: String) throws {
            let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
            try #require(full >= 0)
            defer { close(full) }
            let run = try ChildProcess(
                [WeirBinary.path, "read", "--output", form, folder.file("a.pcap", pcap)],
                output: .descriptor(full)
            )
            #expect(try run.wait() == .exited(74))
            #expect(run.errorLines == ["weir: standard output: No space left on device"])
        }
    }
}
