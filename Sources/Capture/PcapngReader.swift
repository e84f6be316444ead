internal import Wire

/// A reader that divides a pcapng file into packets, each with the link type and the clock of its own interface.
///
/// libpcap's interface refuses files whose interfaces differ in link type or snap length, as dumpcap writes them for
/// two interfaces and mergecap for two files: one of its handles has one link type.
///
/// Section headers, interface descriptions, enhanced, simple and the obsolete packet blocks are understood, of both
/// byte orders, in any number of sections. Other blocks are skipped. The snap length of an interface does not shorten
/// the captured bytes. A simple packet has no time: it gets that of the packet before it.
///
/// Source: draft-ietf-opsawg-pcapng-02.
final class PcapngReader {
    /// The first four bytes of a file, the same in both byte orders.
    static let magic: UInt32 = 0x0a0d_0d0a
    /// The longest block that is looked into, as libpcap has it; others may have any length.
    static let maxBlockBytes = 16 << 20
    /// The most interfaces of one section: as many as the obsolete packet block can name.
    static let maxInterfaces = 65_536

    /// A packet in the input's buffer.
    struct Place: BitwiseCopyable {
        /// Its start, counted from the first byte in the buffer.
        var offset: Int
        var capturedLength: Int
        var originalLength: Int
        var time: UInt64
        var linkType: LinkType
    }

    private struct Interface: BitwiseCopyable {
        var linkType: LinkType
        var snapLength: Int
        var clock: PcapngClock
    }

    private let input: CaptureInput
    private let name: String
    private var isSwapped = false
    private var interfaces: [Interface] = []
    private var lastTime: UInt64 = 0
    /// The block of the packet that was handed out, still in the buffer.
    private var usedBytes = 0
    /// The block that is being skipped: its length, and the bytes of it still to skip before its last word.
    private var skipped: (length: Int, rest: Int)?
    /// The handler for each interface description.
    var described: (LinkType) throws(CaptureError) -> Void = { _ in }

    /// A reader at the start of a file, which reads the section header.
    ///
    /// - Parameters:
    ///   - input: The file's bytes.
    ///   - name: The file's name in errors, with a colon after it; may be empty.
    /// - Throws: ``CaptureError/notACapture(_:)``.
    init(_ input: CaptureInput, name: String) throws(CaptureError) {
        self.input = input
        self.name = name
        do {
            try beginSection()
        } catch {
            throw .notACapture(error.message)
        }
    }

    /// Reads up to the next packet.
    ///
    /// - Returns: The place, valid until the next call; `nil` at the end of the file, after a stop request, or if bytes
    ///   did not come in time.
    /// - Throws: ``CaptureError/broken(_:)``; nothing can be read after it, unless the input was stopped or timed out.
    func next() throws(CaptureError) -> Place? {
        input.consume(usedBytes)
        usedBytes = 0
        try finishSkipping()
        while true {
            guard input.fill(8) else {
                if input.isStopped || input.isTimedOut || (input.available == 0 && input.failure == 0) { return nil }
                throw ending()
            }
            switch word(at: 0) {
            case Self.magic: try beginSection()
            case 1: try addInterface()
            case 2: return try packet(word: 2)
            case 6: return try packet(word: 6)
            case 3: return try simplePacket()
            default: try passOver(length(atLeast: 12, isRead: false))
            }
        }
    }

    // MARK: Blocks

    /// Reads a section header: which byte order follows.
    private func beginSection() throws(CaptureError) {
        guard input.fill(16) else { throw ending() }
        switch input.word(at: 8) {
        case 0x1a2b_3c4d: isSwapped = false
        case 0x4d3c_2b1a: isSwapped = true
        default: throw broken("a section header without a byte order")
        }
        let major = halfword(at: 12)
        guard major == 1 else { throw broken("version \(major) of pcapng") }
        interfaces.removeAll(keepingCapacity: true)
        try passOver(length(atLeast: 28, isRead: false))
    }

    private func addInterface() throws(CaptureError) {
        let length = try length(atLeast: 20, isRead: true)
        guard interfaces.count < Self.maxInterfaces else {
            throw broken("more than \(Self.maxInterfaces) interfaces in one section")
        }
        var interface = Interface(
            linkType: LinkType(inFile: halfword(at: 8)),
            snapLength: Int(word(at: 12)),
            clock: .standard
        )
        try readOptions(length, &interface)
        interfaces.append(interface)
        input.consume(length)
        try described(interface.linkType)
    }

    private func readOptions(_ length: Int, _ interface: inout Interface) throws(CaptureError) {
        var at = 16
        var offset: Int64 = 0
        while at + 4 <= length - 4 {
            let (code, count) = (halfword(at: at), Int(halfword(at: at + 2)))
            if code == 0 { break }
            guard at + 4 + count <= length - 4 else { throw broken("an option of an interface beyond its block") }
            switch (code, count) {
            case (9, 1):
                let resolution = byte(at: at + 4)
                guard let clock = PcapngClock(resolution: resolution) else {
                    throw broken("a time resolution of \(resolution)")
                }
                interface.clock = clock
            case (14, 8):
                let (first, second) = (UInt64(word(at: at + 4)), UInt64(word(at: at + 8)))
                offset = Int64(bitPattern: isBig ? first << 32 | second : second << 32 | first)
            case (9, _), (14, _): throw broken("a time option of \(count) bytes")
            default: break
            }
            at += 4 + (count + 3) & ~3
        }
        interface.clock.offsetSeconds = offset
    }

    /// An enhanced packet block, or the obsolete one, which has a shorter number of its interface.
    private func packet(word type: UInt32) throws(CaptureError) -> Place {
        let length = try length(atLeast: 32, isRead: true)
        let interface = try interface(type == 6 ? Int(word(at: 8)) : Int(halfword(at: 8)))
        let captured = Int(word(at: 20))
        guard captured <= length - 32 else { throw broken("a packet of \(captured) bytes in a block of \(length)") }
        lastTime = interface.clock.nanoseconds(UInt64(word(at: 12)) << 32 | UInt64(word(at: 16)))
        usedBytes = length
        return Place(
            offset: 28,
            capturedLength: captured,
            originalLength: Int(word(at: 24)),
            time: lastTime,
            linkType: interface.linkType
        )
    }

    private func simplePacket() throws(CaptureError) -> Place {
        let length = try length(atLeast: 16, isRead: true)
        let interface = try interface(0)
        let original = Int(word(at: 8))
        let limit = interface.snapLength == 0 ? original : min(original, interface.snapLength)
        usedBytes = length
        return Place(
            offset: 12,
            capturedLength: min(limit, length - 16),
            originalLength: original,
            time: lastTime,
            linkType: interface.linkType
        )
    }

    private func interface(_ number: Int) throws(CaptureError) -> Interface {
        guard number < interfaces.count else { throw broken("a packet of interface \(number), which is not described") }
        return interfaces[number]
    }

    /// The length of the block at the front of the buffer.
    ///
    /// - Parameters:
    ///   - least: The least length of a block of its type.
    ///   - isRead: True if all of it is read into the buffer.
    /// - Returns: The length, both its ends counted.
    /// - Throws: ``CaptureError/broken(_:)``.
    private func length(atLeast least: Int, isRead: Bool) throws(CaptureError) -> Int {
        let length = Int(word(at: 4))
        guard length >= least, length % 4 == 0 else { throw broken("a block of \(length) bytes") }
        guard isRead else { return length }
        guard length <= Self.maxBlockBytes else { throw broken("a block of \(length) bytes, which is too long") }
        guard input.fill(length) else { throw ending() }
        try check(word(at: length - 4), length)
        return length
    }

    private func passOver(_ length: Int) throws(CaptureError) {
        skipped = (length, length - 4)
        try finishSkipping()
    }

    /// Skips the rest of a block that has begun to be skipped.
    private func finishSkipping() throws(CaptureError) {
        guard let (length, rest) = skipped else { return }
        skipped = (length, input.skip(rest))
        guard skipped?.rest == 0, input.fill(4) else { throw ending() }
        skipped = nil
        try check(word(at: 0), length)
        input.consume(4)
    }

    /// Compares the two lengths of a block, at its start and at its end.
    private func check(_ trailer: UInt32, _ length: Int) throws(CaptureError) {
        guard Int(trailer) == length else { throw broken("a block of \(length) bytes that ends as one of \(trailer)") }
    }

    // MARK: Numbers in the file's byte order

    private var isBig: Bool { isSwapped == (UInt32(littleEndian: 1) == 1) }

    private func word(at offset: Int) -> UInt32 {
        let word = input.word(at: offset)
        return isSwapped ? word.byteSwapped : word
    }

    private func halfword(at offset: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: isBig ? word(at: offset) >> 16 : word(at: offset))
    }

    private func byte(at offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: isBig ? word(at: offset) >> 24 : word(at: offset))
    }

    // MARK: Errors

    private func broken(_ what: String) -> CaptureError {
        .broken("\(name)\(what), at byte \(input.position)")
    }

    /// The reason for the end of the bytes; a stop request or a timeout is no error, but the caller needs one to stop.
    private func ending() -> CaptureError {
        guard input.failure == 0 else { return .broken(name + CaptureFile.text(of: input.failure)) }
        return .broken("\(name)the file ends inside a block, at byte \(input.position + UInt64(input.available))")
    }
}
