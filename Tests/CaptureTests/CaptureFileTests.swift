import Capture
import FoundationEssentials
import Glibc
import Testing
import TestSupport

/// Files, whole and broken.
@Suite struct CaptureFileTests {
    static let packet = ethernet(
        ipv4(.client, .server, tcp(.client, .server, seq: 7, flags: Flag.psh, Array("hello".utf8)))
    )

    static func le16(_ value: Int) -> [UInt8] { be16(value).reversed() }
    static func le32(_ value: Int) -> [UInt8] { be32(UInt32(value)).reversed() }

    static func pcap(
        _ packets: [[UInt8]],
        magic: Int = 0xa1b2_c3d4,
        snapLength: Int = 65535,
        link: Int = 1,
        fraction: Int = 5
    ) -> [UInt8] {
        var file = le32(magic) + le16(2) + le16(4) + le32(0) + le32(0) + le32(snapLength) + le32(link)
        for packet in packets {
            file += le32(1_700_000_000) + le32(fraction) + le32(packet.count) + le32(packet.count) + packet
        }
        return file
    }

    static func block(_ type: Int, _ body: [UInt8]) -> [UInt8] {
        let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
        return le32(type) + le32(padded.count + 12) + padded + le32(padded.count + 12)
    }

    static func pcapng(_ packets: [[UInt8]]) -> [UInt8] {
        var file = block(0x0a0d_0d0a, le32(0x1a2b_3c4d) + le16(1) + le16(0) + [UInt8](repeating: 0xff, count: 8))
        // if_tsresol = 9: nanoseconds.
        file += block(1, le16(1) + [0, 0] + le32(0) + le16(9) + le16(1) + [9, 0, 0, 0] + le32(0))
        let time = 1_700_000_000_000_000_005
        for packet in packets {
            file += block(
                6,
                le32(0) + le32(time >> 32) + le32(time & 0xffff_ffff) + le32(packet.count) + le32(packet.count) + packet
            )
        }
        return file
    }

    /// Writes a file, reads it, and removes it.
    static func read(_ contents: [UInt8], filter: String = "") throws -> (Recorder, CaptureCounters, CaptureError?) {
        let path = FileManager.default.temporaryDirectory.path + "/weir-capture-\(UInt64.random(in: 0 ... .max))"
        try Data(contents).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return read(path: path, filter: filter)
    }

    static func read(path: String, filter: String = "") -> (Recorder, CaptureCounters, CaptureError?) {
        let recorder = Recorder()
        let reassembler = Reassembler(consumer: recorder)
        do throws(CaptureError) {
            var file = try CaptureFile(path: path, filter: filter)
            try reassembler.read(&file)
            return (recorder, reassembler.counters, nil)
        } catch {
            return (recorder, reassembler.counters, error)
        }
    }

    @Test(
        "both formats and both time resolutions, to the nanosecond",
        arguments: [
            (pcap([packet]), 1_700_000_000_000_005_000),
            (pcap([packet], magic: 0xa1b2_3c4d), 1_700_000_000_000_000_005),
            (pcap([packet], magic: 0xa1b2_3c4d, fraction: 999_999_999), 1_700_000_000_999_999_999),
            (pcapng([packet]), 1_700_000_000_000_000_005),
        ] as [([UInt8], UInt64)]
    )
    func formats(contents: [UInt8], time: UInt64) throws {
        let (recorder, counters, error) = try Self.read(contents)
        #expect(error == nil)
        #expect(recorder.events == ["open unknown", "> hello", "close endOfCapture"])
        #expect(recorder.connections[0].streams[0].chunks[0].time == time)
        #expect(counters.packets == 1)
        #expect(counters.bytes == UInt64(Self.packet.count))
    }

    @Test(
        "link types come from the file",
        arguments: [(1, 1), (101, 12), (113, 113), (276, 276), (0, 0), (228, 228)] as [(Int, Int32)]
    )
    func linkTypes(inFile: Int, dlt: Int32) throws {
        var file = try CaptureFile(contents: Self.pcap([Self.packet], link: inFile))
        let link = try file.next().packet?.linkType
        #expect(link?.rawValue == dlt)
    }

    @Test(
        "reading ends soon when it is told to, whatever the form",
        arguments: [{ pcap($0) }, { pcapng($0) }] as [@Sendable ([[UInt8]]) -> [UInt8]]
    )
    func stops(form: @Sendable ([[UInt8]]) -> [UInt8]) throws {
        let path = FileManager.default.temporaryDirectory.path + "/weir-capture-\(UInt64.random(in: 0 ... .max))"
        try Data(form([[UInt8]](repeating: Self.packet, count: 20_000))).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        var ends: [Int32] = [-1, -1]
        // SAFETY: the array has room for both descriptors.
        try #require(unsafe pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        var file = try CaptureFile(path: path, waits: CaptureWaits(stop: ends[0]) {})
        var count = 0
        while try file.next().packet != nil {
            count += 1
            // SAFETY: the text is one byte long at least.
            if count == 10 { #expect(unsafe write(ends[1], "x", 1) == 1) }
        }
        let isStopped = file.isStopped
        #expect(isStopped)
        // Those of the read that was under way may still come.
        #expect(count >= 10 && count < 10_000)
    }

    @Test("a missing file, and one below a file")
    func missing() {
        for path in ["/nonexistent/weir.pcap", "/etc/passwd/weir.pcap", ""] {
            guard case .cannotOpen(let text)? = Self.read(path: path).2 else {
                Issue.record("\(path) was opened")
                continue
            }
            #expect(text.hasPrefix(path + ": "))
        }
    }

    @Test("what is no capture is said to be none")
    func notCaptures() throws {
        let directory = Self.read(path: FileManager.default.temporaryDirectory.path).2
        #expect(directory.map(Self.kind) == "notACapture")
        let texts = ["", "short", "This is a text file, long enough for a header of a capture file, and it goes on.\n"]
        for text in texts {
            let error = try Self.read(Array(text.utf8)).2
            #expect(error.map(Self.kind) == "notACapture")
            #expect(error?.message.contains("\n") == false)
            #expect(error?.message.isEmpty == false)
        }
    }

    @Test(
        "a file cut anywhere gives its whole packets first, then says what is wrong",
        arguments: [pcap([packet, packet]), pcapng([packet, packet])]
    )
    func everyPrefix(contents: [UInt8]) throws {
        var whole = 0
        for count in 0..<contents.count {
            let (recorder, counters, error) = try Self.read(Array(contents[..<count]))
            #expect(Int(counters.packets) >= whole)
            whole = Int(counters.packets)
            #expect(recorder.problems == [])
            #expect(recorder.connections.isEmpty || recorder.connections[0].reason == .endOfCapture)
            if let error { #expect(["notACapture", "broken"].contains(Self.kind(error))) }
            if count > 0, counters.packets > 0, let error { #expect(Self.kind(error) == "broken") }
        }
        #expect(whole == 1)
        #expect(try Self.read(contents).2 == nil)
    }

    @Test("a packet that claims an absurd length breaks the file there")
    func absurdLength() throws {
        let contents =
            Self.pcap([Self.packet]) + Self.le32(1) + Self.le32(1) + Self.le32(0x7fff_ffff) + Self.le32(5) + [1, 2, 3]
        let (recorder, counters, error) = try Self.read(contents)
        #expect(counters.packets == 1)
        #expect(error.map(Self.kind) == "broken")
        #expect(recorder.events.last == "close endOfCapture")
    }

    @Test("packets longer than the snap length of the header are cut to it")
    func longerThanSnapLength() throws {
        let (recorder, counters, error) = try Self.read(Self.pcap([Self.packet, Self.packet], snapLength: 56))
        #expect(error == nil)
        #expect(counters.truncated == 2)
        #expect(recorder.events == ["open unknown", "> he", "> hole 3", "close endOfCapture"])
    }

    @Test("broken time stamps do not overflow")
    func timeStamps() throws {
        var contents = Self.pcap([Self.packet], magic: 0xa1b2_3c4d)
        contents.replaceSubrange(24..<32, with: [UInt8](repeating: 0xff, count: 8))
        let late = try Self.read(contents).0.connections[0].streams[0].chunks[0].time
        #expect(late / 1_000_000_000 >= 4_294_967_295)
        var next = Self.pcapng([Self.packet])
        let at = 28 + 32 + 8 + 4
        next.replaceSubrange(at..<at + 8, with: [UInt8](repeating: 0xff, count: 8))
        #expect(try Self.read(next).0.connections.count == 1)
    }

    @Test("a filter chooses packets; a bad one says why")
    func filters() throws {
        let contents = Self.pcap([Self.packet])
        #expect(try Self.read(contents, filter: "tcp port 20880").1.packets == 1)
        #expect(try Self.read(contents, filter: "tcp port 80").1.packets == 0)
        for filter in ["tcp prt 80", "port", "((", "\u{0}", "port 99999999"] {
            let error = try Self.read(contents, filter: filter).2
            if filter != "\u{0}" { #expect(error.map(Self.kind) == "badFilter", "\(filter)") }
            #expect(error?.message.contains("\n") != true)
        }
    }

    @Test("seeded damage to files of both formats does no harm")
    func damaged() throws {
        var random = SeededRandom(seed: 3)
        for turn in 0..<400 {
            var contents =
                turn % 2 == 0 ? Self.pcap([Self.packet, Self.packet]) : Self.pcapng([Self.packet, Self.packet])
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                contents[Int.random(in: 0..<contents.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            #expect(try Self.read(contents).0.problems == [])
        }
    }

    @Test("a dash is standard input")
    func standardInput() async {
        await #expect(processExitsWith: .success) {
            let path = FileManager.default.temporaryDirectory.path + "/weir-stdin-\(UInt64.random(in: 0 ... .max))"
            try Data(Self.pcapng([Self.packet])).write(to: URL(filePath: path))
            let descriptor = open(path, O_RDONLY)
            dup2(descriptor, 0)
            unlink(path)
            let (recorder, _, error) = Self.read(path: "-")
            exit(error == nil && recorder.connections.count == 1 ? 0 : 1)
        }
        await #expect(processExitsWith: .exitCode(7)) {
            dup2(open("/dev/null", O_RDONLY), 0)
            exit(Self.read(path: "-").2.map(Self.kind) == "notACapture" ? 7 : 1)
        }
    }

    static func kind(_ error: CaptureError) -> String {
        switch error {
        case .cannotOpen: "cannotOpen"
        case .notACapture: "notACapture"
        case .broken: "broken"
        case .badFilter: "badFilter"
        }
    }
}
