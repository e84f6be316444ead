import Capture
import Glibc
import Testing
import TestSupport

/// Captures that come through a pipe: a stall is not the end.
@Suite(.timeLimit(.minutes(2))) struct PacketSourceTests {
    /// The ends of a pipe.
    private final class Channel {
        private var ends: [Int32] = [-1, -1]
        var path: String { "/dev/fd/\(ends[0])" }

        init() throws {
            try #require(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }

        deinit { for end in ends where end >= 0 { close(end) } }

        func write(_ bytes: some Sequence<UInt8>) {
            let bytes = Array(bytes)
            #expect(Glibc.write(ends[1], bytes, bytes.count) == bytes.count)
        }

        func end() {
            close(ends[1])
            ends[1] = -1
        }
    }

    /// What a source said: packets by their last byte and length.
    private enum Said: Equatable {
        case packet(last: UInt8, count: Int, time: UInt64)
        case timeout
        case end
    }

    private static func next(_ source: inout some PacketSource & ~Copyable) throws(CaptureError) -> Said {
        switch try source.next() {
        case .packet(let packet):
            let count = packet.bytes.byteCount
            let last = packet.bytes.unsafeLoad(fromByteOffset: count - 1, as: UInt8.self)
            return .packet(last: last, count: count, time: packet.time)
        case .timeout: return .timeout
        case .end: return .end
        }
    }

    /// Everything up to the next timeout or the end.
    private static func all(_ source: inout CaptureFile) throws(CaptureError) -> [Said] {
        var all: [Said] = []
        while all.last != .timeout, all.last != .end { all.append(try next(&source)) }
        return all
    }

    private static func packet(_ text: String) -> [UInt8] {
        ethernet(ipv4(.client, .server, tcp(.client, .server, seq: 7, flags: Flag.psh, Array(text.utf8))))
    }

    private static let packets = [packet("a"), packet("somewhat longer"), packet("z")]

    /// A pcap file in the other byte order, or with the records of a patched libpcap.
    private static func pcap(magic: UInt32, isBig: Bool, extra: Int = 0) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { isBig ? be32(UInt32(value)) : be32(UInt32(value)).reversed() }
        func half(_ value: Int) -> [UInt8] { isBig ? be16(value) : be16(value).reversed() }
        var file = word(Int(magic)) + half(2) + half(4) + word(0) + word(0) + word(65_535) + word(1)
        for packet in packets {
            file += word(1_700_000_000) + word(5) + word(packet.count) + word(packet.count)
            file += [UInt8](repeating: 0, count: extra) + packet
        }
        return file
    }

    private static func pcapng(isBig: Bool) -> [UInt8] {
        var file = PcapngBuilder()
        file.section(isBig: isBig)
        file.interface(1)
        for packet in packets {
            // A block that is skipped.
            file.block(5, file.word(0) + file.long(7) + [UInt8](repeating: 1, count: 40))
            file.enhanced(0, 1_700_000_000_000_000, packet)
        }
        return file.bytes
    }

    private static let forms: [(name: String, bytes: [UInt8], headerBytes: Int)] = [
        ("pcap", pcap(magic: 0xa1b2_c3d4, isBig: false), 24),
        ("pcap, other byte order", pcap(magic: 0xa1b2_3c4d, isBig: true), 24),
        ("pcap, patched", pcap(magic: 0xa1b2_cd34, isBig: false, extra: 8), 24),
        ("pcapng", pcapng(isBig: false), 28), ("pcapng, other byte order", pcapng(isBig: true), 28),
    ]

    @Test("wherever a capture stalls there is a timeout, then what comes", arguments: 0..<5)
    func stalls(form number: Int) throws {
        let form = Self.forms[number]
        let whole = try Self.read(form.bytes, cutAt: form.bytes.count)
        #expect(whole.count == Self.packets.count + 2 && whole.dropLast(2).count { $0 != .timeout } == 3)
        for cut in form.headerBytes..<form.bytes.count {
            let said = try Self.read(form.bytes, cutAt: cut)
            #expect(said.filter { $0 != .timeout } == whole.filter { $0 != .timeout }, "\(form.name), \(cut)")
            #expect(said.count { $0 == .timeout } == 2, "\(form.name), \(cut)")
        }
    }

    /// What a pipe says that stalls once, and once more before its end.
    private static func read(_ bytes: [UInt8], cutAt cut: Int) throws -> [Said] {
        let channel = try Channel()
        channel.write(bytes[..<cut])
        var file = try CaptureFile(path: channel.path, waits: CaptureWaits(stop: -1, timeoutMilliseconds: 0) {})
        var said = cut < bytes.count ? try all(&file) : []
        channel.write(bytes[cut...])
        said += try all(&file)
        channel.end()
        return said + [try afterTimeouts(&file)]
    }

    /// The next that is no timeout: a process that another test begins may keep a pipe open for a moment.
    private static func afterTimeouts(_ file: inout CaptureFile) throws(CaptureError) -> Said {
        while true {
            let said = try next(&file)
            if said != .timeout { return said }
        }
    }

    @Test("a capture that ends inside a record is broken, not stalled", arguments: 0..<5)
    func cut(form number: Int) throws {
        let form = Self.forms[number]
        let channel = try Channel()
        channel.write(form.bytes.dropLast(3))
        var file = try CaptureFile(path: channel.path, waits: CaptureWaits(stop: -1, timeoutMilliseconds: 0) {})
        #expect(try Self.all(&file).count == 3)
        channel.end()
        do throws(CaptureError) {
            let said = try Self.afterTimeouts(&file)
            Issue.record("\(form.name): \(said)")
        } catch {
            #expect(CaptureFileTests.kind(error) == "broken", "\(form.name)")
        }
    }

    @Test("a stop request ends a capture that stalls", arguments: 0..<5)
    func stopped(form number: Int) throws {
        let (channel, stop) = (try Channel(), try Channel())
        channel.write(Self.forms[number].bytes.dropLast(3))
        let descriptor = open(stop.path, O_RDONLY)
        defer { close(descriptor) }
        var file = try CaptureFile(
            path: channel.path,
            waits: CaptureWaits(stop: descriptor, timeoutMilliseconds: 0) {}
        )
        #expect(try Self.all(&file).last == .timeout)
        stop.write([1])
        #expect(try Self.all(&file) == [.end])
    }

    @Test("without a time to wait for, a regular file has no timeout")
    func file() throws {
        var file = try CaptureFile(contents: Self.forms[0].bytes, pieceBytes: 7)
        #expect(try Self.all(&file).last == .end)
    }
}
