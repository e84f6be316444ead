import Foundation
import Testing

/// A capture made by hand: TCP of one connection over IPv4 over Ethernet, and whatever else.
private struct HandMade {
    var file: [UInt8]
    private var sequences: [UInt32] = [1, 1]

    init(link: UInt32 = 1) {
        file = Self.little(0xa1b2_c3d4) + [2, 0, 4, 0] + [UInt8](repeating: 0, count: 8) + Self.little(65535)
        file += Self.little(link)
    }

    static func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    static func big(_ value: UInt32) -> [UInt8] { little(value).reversed() }

    mutating func packet(_ bytes: [UInt8]) {
        let count = UInt32(bytes.count)
        file += Self.little(1_700_000_000) + Self.little(UInt32(file.count)) + Self.little(count) + Self.little(count)
        file += bytes
    }

    static func frame(_ type: [UInt8], _ payload: [UInt8]) -> [UInt8] {
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + type + payload
    }

    static func ip(_ number: UInt8, _ payload: [UInt8], isUp: Bool = true) -> [UInt8] {
        let ends: [[UInt8]] = isUp ? [[10, 0, 0, 1], [10, 0, 0, 2]] : [[10, 0, 0, 2], [10, 0, 0, 1]]
        return [0x45, 0] + big(UInt32(20 + payload.count)).suffix(2) + [0, 1, 0x40, 0, 64, number, 0, 0] + ends[0]
            + ends[1] + payload
    }

    /// What one end says, on its own segment.
    mutating func say(_ payload: [UInt8], isUp: Bool = true, tag: [UInt8] = []) {
        let ports: [UInt8] = isUp ? [0x9c, 0x40, 0x51, 0x90] : [0x51, 0x90, 0x9c, 0x40]
        let segment =
            ports + Self.big(sequences[isUp ? 0 : 1]) + Self.big(sequences[isUp ? 1 : 0])
            + [0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0] + payload
        sequences[isUp ? 0 : 1] += UInt32(payload.count)
        packet(Self.frame(tag + [8, 0], Self.ip(6, segment, isUp: isUp)))
    }
}

extension Integration {
    /// `weir read` of what has no end, and what it says of what it does not understand.
    @Suite struct ReadStreamTests {
        private let folder: TemporaryFolder

        init() throws { folder = try TemporaryFolder() }

        private static func lines(_ child: ChildProcess) -> Int { child.output.split(separator: 0x0a).count }

        /// A process that reads from a pipe that stays open, and the pipe's other end.
        private func reading(_ form: String) throws -> (child: ChildProcess, pipe: Int32) {
            let path = folder.path + "/pipe-\(form)"
            guard mkfifo(path, 0o600) == 0 else { throw Failure(call: "mkfifo") }
            let pipe = open(path, O_RDWR | O_CLOEXEC)
            guard pipe >= 0 else { throw Failure(call: "open") }
            return (try ChildProcess([WeirBinary.path, "read", "--output", form, "-"], input: path), pipe)
        }

        private func write(_ bytes: [UInt8], _ pipe: Int32) throws {
            guard Glibc.write(pipe, bytes, bytes.count) == bytes.count else { throw Failure(call: "write") }
        }

        /// Waits until a process has read what it was given; a call that is open, or a summary, says nothing yet.
        private func awaitEmpty(_ pipe: Int32) throws {
            _ = try eventually("an empty pipe") {
                var waiting: Int32 = 0
                return ioctl(pipe, UInt(FIONREAD), &waiting) == 0 && waiting == 0 ? true : nil
            }
        }

        @Test(
            "Lines come while a pipe stays open, and a signal ends it as the end of a file does",
            .timeLimit(.minutes(10)),
            arguments: [(SIGINT, false), (SIGTERM, true)]
        )
        func pipe(signal: Int32, isPcapng: Bool) throws {
            var capture = HandMade()
            capture.say(DubboBytes.request(1))
            capture.say(DubboBytes.reply(1), isUp: false)
            let first = isPcapng ? try pcapng(capture.file) : capture.file
            let count = first.count
            capture.say(DubboBytes.request(2))
            let all = isPcapng ? try pcapng(capture.file) : capture.file
            for (form, before, after) in [("calls", 1, 2), ("messages", 2, 3)] {
                let (child, pipe) = try reading(form)
                defer { close(pipe) }
                try write(first, pipe)
                _ = try eventually("the first lines") { Self.lines(child) == before ? true : nil }
                // Half a packet more: it is never completed.
                try write(Array(all[count...]) + all[count..<count + 20], pipe)
                try awaitEmpty(pipe)
                if form == "messages" { _ = try eventually("the request") { Self.lines(child) == after ? true : nil } }
                #expect(child.isRunning())
                child.send(signal)
                #expect(try child.wait() == .exited(0))
                #expect(Self.lines(child) == after && child.errorText.isEmpty)
                if form == "calls" { #expect(child.outputText.contains("\"outcome\":\"unanswered\"")) }
            }
            let (child, pipe) = try reading("summary")
            defer { close(pipe) }
            try write(all, pipe)
            try awaitEmpty(pipe)
            child.send(signal)
            #expect(try child.wait() == .exited(0))
            #expect(child.outputText.contains("demo.Greeter") && child.errorText.isEmpty)
        }

        /// The same packets as blocks.
        private func pcapng(_ file: [UInt8]) throws -> [UInt8] {
            func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
                let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
                let length = HandMade.little(UInt32(padded.count + 12))
                return HandMade.little(type) + length + padded + length
            }
            let magic = HandMade.little(0x1a2b_3c4d)
            var bytes = block(0x0a0d_0d0a, magic + [1, 0, 0, 0] + [UInt8](repeating: 255, count: 8))
            bytes += block(1, Array(file[20..<22]) + [0, 0, 0, 0, 0, 0])
            var at = 24
            while at < file.count {
                let count = Int(file[at + 8]) | Int(file[at + 9]) << 8
                let stamp = [UInt8](repeating: 0, count: 4) + file[at + 4..<at + 8]
                bytes += block(6, HandMade.little(0) + stamp + file[at + 8..<at + 16 + count])
                at += 16 + count
            }
            return bytes
        }

        @Test("A second signal ends a process that cannot write", .timeLimit(.minutes(10)))
        func secondSignal() throws {
            var ends: [Int32] = [0, 0]
            guard Glibc.pipe(&ends) == 0 else { throw Failure(call: "pipe") }
            defer { for end in ends { close(end) } }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            // Nobody reads the lines, which are more than the pipe takes.
            var capture = HandMade()
            for id in UInt64(1)...400 {
                capture.say(DubboBytes.request(id))
                capture.say(DubboBytes.reply(id), isUp: false)
            }
            let path = try folder.file("many.pcap", capture.file)
            let arguments = [WeirBinary.path, "read", "--output", "calls"] + Array(repeating: path, count: 20)
            let child = try ChildProcess(arguments, output: .descriptor(ends[1]))
            _ = try eventually("a full pipe") {
                var waiting: Int32 = 0
                return ioctl(ends[0], UInt(FIONREAD), &waiting) == 0 && waiting > 60_000 ? true : nil
            }
            child.send(SIGINT)
            // The first one is taken note of once the process runs again.
            _ = try eventually("the end") {
                child.send(SIGINT)
                return child.isRunning() ? nil : true
            }
            #expect(try child.wait() == .killed(signal: SIGINT))
        }

        @Test("What is not read is told on standard error", arguments: ["calls", "messages", "summary"])
        func notes(form: String) throws {
            var mixed = HandMade()
            mixed.packet(HandMade.frame([8, 6], [UInt8](repeating: 0, count: 28)))
            mixed.packet(HandMade.frame([8, 0], HandMade.ip(17, [0, 53, 0, 53, 0, 8, 0, 0])))
            mixed.packet(HandMade.frame([8, 0], HandMade.ip(17, [8, 104, 8, 104, 0, 12, 0, 0, 0x30, 0xff, 0, 0])))
            mixed.packet(HandMade.frame([8, 0], HandMade.ip(6, [1, 2, 3])))
            mixed.say(DubboBytes.request(1))
            mixed.say(DubboBytes.reply(1), isUp: false)
            let path = try folder.file("mixed.pcap", mixed.file)
            let run = try WeirBinary.run("read", "--output", form, path)
            #expect(run.end == .exited(0) && run.outputText.contains("demo.Greeter"))
            let kinds = "1 not IP, 1 not TCP, 1 GTP-U (not supported), 1 malformed (tcp_header)"
            #expect(run.errorLines == ["weir: \(path): of 6 packets not read: \(kinds)"])
            for (link, name) in [(147, "147"), (253, "NETLINK (253)")] as [(UInt32, String)] {
                var unknown = HandMade(link: link)
                for _ in 0..<3 { unknown.packet([1, 2, 3, 4]) }
                let path = try folder.file("unknown.pcap", unknown.file)
                let run = try WeirBinary.run("read", "--output", form, path)
                #expect(run.end == .exited(65))
                #expect(run.errorLines == ["weir: \(path): no packet can be read: link type \(name), not supported"])
            }
        }

        @Test("A filter that no packet passes is told, and what tagged packets want")
        func filters() throws {
            for isTagged in [false, true] {
                var capture = HandMade()
                capture.say(DubboBytes.request(1), tag: isTagged ? [0x81, 0, 0, 5] : [])
                let path = try folder.file("tagged.pcap", capture.file)
                let run = try WeirBinary.run("read", "--filter", "tcp port \(isTagged ? 20880 : 9)", path)
                #expect(run.end == .exited(0) && run.output.isEmpty && run.errorLines.count == 1)
                #expect(run.errorText.contains("none of 1 packets passed the filter"))
                #expect(run.errorText.contains("vlan and") == isTagged)
                let named = try WeirBinary.run("read", "--filter", "\(isTagged ? "vlan and " : "")tcp port 20880", path)
                #expect(named.errorText.isEmpty && Self.lines(named) == 1)
            }
        }

        @Test("The table shows no control characters of names")
        func names() throws {
            var capture = HandMade()
            let name = "\u{1b}]0;title\u{7}\u{1b}[31mred\u{9b}2J\u{202e}"
            capture.say(DubboBytes.request(1, interface: "com.acme.\(name)", method: name))
            capture.say(DubboBytes.reply(1), isUp: false)
            let run = try WeirBinary.run("read", "--output", "summary", folder.file("names.pcap", capture.file))
            #expect(run.outputText.contains("  ?]0;title??[31mred?2J?  "))
            #expect(!run.output.contains { $0 == 0x1b || $0 == 7 })
            #expect(!run.outputText.unicodeScalars.contains("\u{202e}"))
        }
    }
}
