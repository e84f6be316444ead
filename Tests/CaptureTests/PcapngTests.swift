import Capture
import Testing
import TestSupport

/// Files of pcapng with everything that dumpcap, mergecap and others put into them.
@Suite struct PcapngTests {
    private static func segment(_ sequence: UInt32, _ text: String) -> [UInt8] {
        ipv4(.client, .server, tcp(.client, .server, seq: sequence, flags: Flag.psh, Array(text.utf8)))
    }

    struct Read {
        let recorder = Recorder()
        var counters = CaptureCounters()
        var filtered = FilterCounts()
        var error: CaptureError?
        var stream: Recorder.Stream? { recorder.connections.first?.streams[0] }
        var text: String { String(decoding: stream?.bytes ?? [], as: UTF8.self) }
        var times: [UInt64] { stream?.chunks.map(\.time) ?? [] }
    }

    static func read(_ contents: [UInt8], filter: String = "", pieceBytes: Int = 1 << 16) -> Read {
        var read = Read()
        let reassembler = Reassembler(consumer: read.recorder)
        do throws(CaptureError) {
            var file = try CaptureFile(contents: contents, pieceBytes: pieceBytes, filter: filter)
            do throws(CaptureError) { try reassembler.read(&file) } catch { read.error = error }
            read.filtered = file.counts
        } catch {
            read.error = error
        }
        read.counters = reassembler.counters
        return read
    }

    /// Two interfaces, described at the beginning or as their first packets come, of different link types, snap lengths
    /// and clocks.
    private static func twoInterfaces(isBig: Bool, describedFirst: Bool) -> [UInt8] {
        var file = PcapngBuilder()
        file.section(isBig: isBig)
        func second() -> [UInt8] { file.option(9, [9]) + file.option(14, file.long(2)) + file.word(0) }
        file.interface(1, snapLength: 262_144)
        if describedFirst { file.interface(113, snapLength: 96, second()) }
        file.enhanced(0, 5_000_001, ethernet(segment(1, "a")))
        if !describedFirst { file.interface(113, snapLength: 96, second()) }
        // Longer than the interface's snap length: it cuts nothing that is there.
        let long = String(repeating: "b", count: 200)
        file.enhanced(1, 3_000_000_002, LinkLayerTests.sll(0x0800) + segment(2, long))
        file.obsolete(0, 5_000_003, ethernet(segment(202, "c")))
        file.block(5, file.word(0) + file.long(7))
        file.block(0x8000_0001, Array("anything".utf8))
        file.enhanced(1, 3_000_000_004, LinkLayerTests.sll(0x0800) + segment(203, "d"), original: 5000)
        return file.bytes
    }

    @Test("each packet is read by its own interface, in both byte orders and any pieces", arguments: [false, true])
    func interfaces(isBig: Bool) {
        for describedFirst in [false, true] {
            let contents = Self.twoInterfaces(isBig: isBig, describedFirst: describedFirst)
            for pieceBytes in [1 << 16, 1, 7, 61] {
                let read = Self.read(contents, pieceBytes: pieceBytes)
                #expect(read.error == nil && read.counters.packets == 4)
                #expect(read.text == "a" + String(repeating: "b", count: 200) + "cd")
                #expect(read.times == [5_000_001_000, 5_000_000_002, 5_000_003_000, 5_000_000_004])
                #expect(read.counters.malformedTotal == 0 && read.counters.truncated == 1)
            }
        }
    }

    @Test("sections follow one another, each with its interfaces and byte order")
    func sections() {
        var file = PcapngBuilder()
        for (index, isBig) in [false, true, true, false].enumerated() {
            // A comment, which nobody reads.
            file.section(file.option(1, Array("comment".utf8)) + file.word(0), minor: 2, isBig: isBig)
            file.interface(index % 2 == 0 ? 228 : 101)
            file.enhanced(0, 1, Self.segment(UInt32(index + 1), "\(index)"))
        }
        let read = Self.read(file.bytes)
        #expect(read.error == nil && read.text == "0123")
        var dangling = file
        dangling.section()
        dangling.enhanced(0, 1, Self.segment(9, "x"))
        let after = Self.read(dangling.bytes)
        #expect(after.text == "0123" && after.error.map(CaptureFileTests.kind) == "broken")
    }

    @Test("a simple packet is cut by the first interface's snap length and has the time of the one before it")
    func simplePackets() {
        var file = PcapngBuilder()
        file.section()
        file.interface(228, snapLength: 45)
        file.enhanced(0, 77, Self.segment(1, "a"))
        let packet = Self.segment(2, "bcdefghij")
        file.simple(Array(packet[..<45]), original: packet.count)
        file.simple(Self.segment(11, "k"))
        let read = Self.read(file.bytes)
        #expect(read.error == nil && read.text == "abcdefk")
        #expect(read.stream?.holes == [[6, 4]] && Set(read.times) == [77_000])
        var whole = PcapngBuilder()
        whole.section()
        whole.interface(228)
        whole.simple(packet)
        #expect(Self.read(whole.bytes).text == "bcdefghij" && Self.read(whole.bytes).times == [0])
    }

    @Test(
        "time stamps count what the interface says",
        arguments: [
            (nil, 0, 5, 5000), (6, 0, 5, 5000), (9, 0, 5, 5), (0, 0, 5, 5_000_000_000), (3, 0, 5, 5_000_000),
            (12, 0, 5999, 5), (19, 0, UInt64.max, 1_844_674_407), (18, 0, 5_000_000_000, 5),
            (0x80, 0, 7, 7_000_000_000), (0x80 + 1, 0, 3, 1_500_000_000), (0x80 + 10, 0, 1024 + 512, 1_500_000_000),
            (0x80 + 63, 0, 3 << 62, 1_500_000_000), (0x80 + 32, 0, 1 << 31, 500_000_000),
            (6, 3, 5, 3_000_005_000), (6, -3, 5_000_000, 2_000_000_000), (6, -30, 5, 0), (9, .max, 1, UInt64.max),
            (9, .min, 1, 0), (0, 0, UInt64.max, UInt64.max), (0x80, 0, UInt64.max, UInt64.max),
        ] as [(UInt8?, Int64, UInt64, UInt64)]
    )
    func clocks(resolution: UInt8?, offset: Int64, ticks: UInt64, nanoseconds: UInt64) {
        for isBig in [false, true] {
            var file = PcapngBuilder()
            file.section(isBig: isBig)
            var options = file.option(14, file.long(UInt64(bitPattern: offset)))
            if let resolution { options += file.option(9, [resolution]) }
            file.interface(228, options)
            file.enhanced(0, ticks, Self.segment(1, "a"))
            #expect(Self.read(file.bytes).times == [nanoseconds])
        }
    }

    @Test("a filter is compiled for each link type")
    func filters() {
        for (filter, text) in [("tcp port 20880", "abd"), ("ether src 2:0:0:0:0:2", "ac"), ("tcp port 9", "")] {
            var file = PcapngBuilder()
            file.section()
            for link in [113, 1, 101, 253] { file.interface(link) }
            file.enhanced(1, 1, ethernet(Self.segment(1, "a")))
            file.enhanced(0, 1, LinkLayerTests.sll(0x0800) + Self.segment(2, "b"))
            file.enhanced(1, 1, ethernet(0x8100, [0, 9] + be16(0x0800) + Self.segment(3, "c")))
            file.enhanced(2, 1, Self.segment(3, "d"))
            file.enhanced(3, 1, Self.segment(4, "e"))
            let read = Self.read(file.bytes, filter: filter)
            #expect(read.error == nil && read.text == text, "\(filter)")
            #expect(read.filtered.read == 5 && read.filtered.passed == UInt64(text.utf8.count), "\(filter)")
            #expect(read.filtered.sawTags == !text.contains("c"))
            #expect(read.filtered.unjudged >= 1)
        }
        var file = PcapngBuilder()
        file.section()
        file.interface(113)
        for filter in ["tcp prt 20880", "(("] {
            #expect(Self.read(file.bytes, filter: filter).error.map(CaptureFileTests.kind) == "badFilter")
        }
    }

    @Test("what cannot be true ends the file there with one line")
    func malformed() {
        let packet = Self.segment(2, "b")
        let breaks: [(String, (inout PcapngBuilder) -> Void)] = [
            ("too short", { $0.block(6, [1, 2, 3, 4], length: 16) }),
            ("no multiple of four", { $0.block(9, [], length: 14) }),
            ("nothing", { $0.block(9, [], length: 0) }),
            ("another length behind", { $0.block(9, [1, 2, 3, 4], trailer: 20) }),
            ("another length behind a packet", { $0.block(6, [UInt8](repeating: 0, count: 20), trailer: 36) }),
            ("too long", { $0.block(6, [], length: 16 << 20 + 4) }),
            ("longer than the file", { $0.block(6, [], length: 4000) }),
            ("skipped, longer than the file", { $0.block(9, [], length: 0xffff_fffc) }),
            ("no such interface", { $0.enhanced(1, 1, packet) }),
            ("no such obsolete interface", { $0.obsolete(2, 1, packet) }),
            ("a packet beyond its block", { $0.block(6, $0.word(0) + $0.long(0) + $0.word(9) + $0.long(9)) }),
            ("a packet of 2^32 bytes", { $0.block(6, $0.word(0) + $0.long(0) + $0.word(.max) + $0.word(9)) }),
            ("an option beyond its block", { $0.interface(1, $0.half(9) + $0.half(200)) }),
            ("a long resolution", { $0.interface(1, $0.option(9, [6, 6])) }),
            ("an absurd resolution", { $0.interface(1, $0.option(9, [20])) }),
            ("an absurd binary resolution", { $0.interface(1, $0.option(9, [0xc0])) }),
            ("a short offset", { $0.interface(1, $0.option(14, [0, 0, 0, 0])) }),
            ("an interface without its snap length", { $0.block(1, [1, 0, 0, 0]) }),
            ("a section without a byte order", { $0.block(0x0a0d_0d0a, [UInt8](repeating: 1, count: 16)) }),
            ("a short section", { $0.block(0x0a0d_0d0a, $0.word(0x1a2b_3c4d) + $0.half(1) + $0.half(0)) }),
            ("a section of another version", { $0.section(major: 2) }),
        ]
        for isBig in [false, true] {
            for (name, damage) in breaks {
                var file = PcapngBuilder(isBig: isBig)
                file.section()
                file.interface(228)
                file.enhanced(0, 1, Self.segment(1, "a"))
                damage(&file)
                let read = Self.read(file.bytes + [UInt8](repeating: 0, count: 40))
                #expect(read.text == "a" && read.error.map(CaptureFileTests.kind) == "broken", "\(name)")
                #expect(read.error?.message.contains("\n") == false && read.error?.message.contains("byte") == true)
                #expect(read.recorder.events.last == "close endOfCapture")
            }
        }
    }

    @Test("a block that nobody reads may be longer than the longest that is read")
    func longBlocks() {
        var file = PcapngBuilder()
        file.section()
        file.interface(228)
        file.block(10, [UInt8](repeating: 7, count: 16 << 20 + 8))
        file.enhanced(0, 1, Self.segment(1, "a"))
        // A packet block of the greatest length: 16 MiB with its 44 bytes of header, options and trailer.
        let large = Self.segment(2, String(repeating: "b", count: 60_000))
        file.enhanced(0, 1, large + [UInt8](repeating: 0, count: 16 << 20 - 44 - large.count))
        file.enhanced(0, 1, Self.segment(60_002, "c"))
        let read = Self.read(file.bytes)
        #expect(read.error == nil && read.stream?.bytes.count == 60_002)
    }

    @Test("a section may have 65,536 interfaces and no more")
    func manyInterfaces() {
        var file = PcapngBuilder()
        file.section()
        for _ in 0..<65_536 { file.interface(228) }
        file.obsolete(65_535, 1, Self.segment(1, "a"))
        #expect(Self.read(file.bytes).text == "a" && Self.read(file.bytes).error == nil)
        file.interface(228)
        file.enhanced(0, 1, Self.segment(2, "b"))
        let read = Self.read(file.bytes)
        #expect(read.text == "a" && read.error.map(CaptureFileTests.kind) == "broken")
    }

    @Test("a file cut anywhere gives its whole packets first")
    func everyPrefix() {
        let contents = Self.twoInterfaces(isBig: false, describedFirst: false)
        var most: UInt64 = 0
        for count in 0...contents.count {
            let read = Self.read(Array(contents[..<count]), pieceBytes: 100)
            #expect(read.counters.packets >= most && read.recorder.problems == [])
            most = read.counters.packets
            if count < 28 { #expect(read.error.map(CaptureFileTests.kind) == "notACapture", "\(count)") }
        }
        #expect(most == 4)
    }

    @Test("seeded damage does no harm")
    func damaged() {
        var random = SeededRandom(seed: 17)
        for turn in 0..<3000 {
            var contents = Self.twoInterfaces(isBig: turn % 2 == 0, describedFirst: turn % 3 == 0)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                contents[Int.random(in: 0..<contents.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let read = Self.read(contents, pieceBytes: Int.random(in: 1...200, using: &random))
            #expect(read.recorder.problems == [])
        }
    }
}
