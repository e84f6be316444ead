internal import Glibc

/// One packet of a capture; valid until the next one is read.
public struct CapturedPacket: ~Escapable {
    /// The captured bytes.
    public let bytes: RawSpan
    /// The link type of its first bytes.
    public let linkType: LinkType
    /// The time, in nanoseconds since 1970.
    public let time: UInt64
    /// The length of the packet on the wire, in bytes.
    public let originalLength: Int

    @_lifetime(copy bytes)
    init(bytes: RawSpan, linkType: LinkType, time: UInt64, originalLength: Int) {
        self.bytes = bytes
        self.linkType = linkType
        self.time = time
        self.originalLength = originalLength
    }
}

/// The place that a packet was read to.
@unsafe struct PacketPlace {
    var start: UnsafeRawPointer
    var capturedLength: Int
    var originalLength: Int
    var time: UInt64
    var linkType: LinkType
}

/// A ``PacketEvent`` before the filter.
@unsafe enum PlaceEvent {
    case packet(PacketPlace)
    case timeout
    case end
}

/// The effects of a filter on the packets of a file.
public struct FilterCounts: Sendable {
    /// Packets read, passed or not.
    public internal(set) var read: UInt64 = 0
    /// Packets that passed; all of them without a filter.
    public internal(set) var passed: UInt64 = 0
    /// Packets of link types that the filter cannot be asked about.
    public internal(set) var unjudged: UInt64 = 0
    /// True if a packet that did not pass was VLAN-tagged, which a filter has to mention.
    public internal(set) var sawTags = false

    /// Zero counts.
    public init() {}
}

/// A pcap or pcapng file, pipe or standard input, read packet by packet.
///
/// Classic pcap is read by libpcap; the blocks of pcapng are read here, since interfaces may differ in link type and
/// snap length; see ``PcapngReader``. Time stamps are exact to the nanosecond whatever the file's resolution. Memory is
/// a buffer of 256 KiB, or of the longest packet block, at most 16 MiB. Not for use by two threads at a time.
@safe public struct CaptureFile: PacketSource, ~Copyable {
    private let input: CaptureInput
    private let blocks: PcapngReader?
    private var classic: PcapHandle?
    private let filter: PacketFilter?
    /// True if reading ended by a stop request; see ``CaptureWaits``.
    public var isStopped: Bool { input.isStopped }
    /// The effects of the filter so far.
    public private(set) var counts = FilterCounts()

    /// Opens a capture.
    ///
    /// - Parameters:
    ///   - path: A file, or `-` for standard input.
    ///   - filter: A filter expression as tcpdump takes it; empty for all packets.
    ///   - waits: The handler to call before reading waits, and the descriptor that ends it as if the file ended there.
    /// - Throws: ``CaptureError/cannotOpen(_:)``, ``CaptureError/notACapture(_:)`` or ``CaptureError/badFilter(_:)``.
    public init(path: String, filter: String = "", waits: CaptureWaits = CaptureWaits()) throws(CaptureError) {
        if path == "-" {
            let input = CaptureInput(descriptor: STDIN_FILENO, isOwned: false, waits: waits)
            try self.init(input, name: "", filter: filter)
            return
        }
        // SAFETY: the path is a terminated string for the time of the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .cannotOpen("\(path): \(Self.text(of: errno))") }
        let input = CaptureInput(descriptor: descriptor, isOwned: true, waits: waits)
        try self.init(input, name: "\(path): ", filter: filter)
    }

    /// A capture in memory.
    ///
    /// - Parameters:
    ///   - contents: All its bytes.
    ///   - pieceBytes: The number of bytes to read at a time.
    ///   - filter: The filter, as above.
    /// - Throws: As above.
    package init(contents: [UInt8], pieceBytes: Int = 1 << 16, filter: String = "") throws(CaptureError) {
        try self.init(CaptureInput(contents: contents, pieceBytes: pieceBytes), name: "", filter: filter)
    }

    private init(_ input: CaptureInput, name: String, filter: String) throws(CaptureError) {
        self.input = input
        let asked = filter.isEmpty ? nil : PacketFilter(filter)
        self.filter = asked
        let isWhole = input.fill(4)
        guard input.failure == 0 else { throw .notACapture(name + Self.text(of: input.failure)) }
        if input.isStopped {
            blocks = nil
            classic = nil
        } else if isWhole, input.word(at: 0) == PcapngReader.magic {
            let reader = try PcapngReader(input, name: name)
            if let asked {
                reader.described = { linkType throws(CaptureError) in try asked.prepare(linkType, isOnly: false) }
            }
            blocks = reader
            classic = nil
        } else {
            let handle = try PcapHandle(input, name: name)
            try asked?.prepare(handle.linkType, isOnly: true)
            blocks = nil
            classic = consume handle
        }
    }

    /// Reads the next packet that passes the filter.
    ///
    /// - Returns: The packet, a timeout if none is whole after ``CaptureWaits/timeoutMilliseconds``, or the end.
    /// - Throws: ``CaptureError/broken(_:)`` if the structure is broken, ``CaptureError/badFilter(_:)`` at the first
    ///   interface of a pcapng file; nothing can be read after it.
    @_lifetime(&self)
    public mutating func next() throws(CaptureError) -> PacketEvent {
        while true {
            let place: PacketPlace
            switch unsafe try nextPlace() {
            case .packet(let found): unsafe place = found
            case .timeout: return .timeout
            case .end: return .end
            }
            counts.read &+= 1
            guard unsafe passes(place) else { continue }
            counts.passed &+= 1
            // SAFETY: the bytes stay where they are until the next call that reads, and this view keeps `self` from
            // being used for one.
            let bytes = unsafe RawSpan(_unsafeStart: place.start, byteCount: place.capturedLength)
            let view = unsafe CapturedPacket(
                bytes: bytes,
                linkType: place.linkType,
                time: place.time,
                originalLength: place.originalLength
            )
            return unsafe _overrideLifetime(.packet(view), mutating: &self)
        }
    }

    private mutating func nextPlace() throws(CaptureError) -> PlaceEvent {
        guard let blocks else { return unsafe try classic?.next() ?? .end }
        input.endsWaits = true
        let place: PcapngReader.Place?
        do {
            place = try blocks.next()
        } catch {
            if input.isTimedOut { return unsafe .timeout }
            if input.isStopped { return unsafe .end }
            throw error
        }
        guard let place else { return unsafe input.isTimedOut ? .timeout : .end }
        return unsafe .packet(
            PacketPlace(
                start: input.bytes + place.offset,
                capturedLength: place.capturedLength,
                originalLength: place.originalLength,
                time: place.time,
                linkType: place.linkType
            )
        )
    }

    private mutating func passes(_ place: PacketPlace) -> Bool {
        guard let filter else { return true }
        let linkType = unsafe place.linkType
        let bytes = unsafe UnsafeRawBufferPointer(start: place.start, count: place.capturedLength)
        if unsafe filter.passes(bytes, originalLength: place.originalLength, linkType) { return true }
        if !filter.applies(to: linkType) { counts.unjudged &+= 1 }
        if !counts.sawTags { counts.sawTags = unsafe Self.isTagged(bytes, linkType) }
        return false
    }

    /// True if a frame's type is that of a VLAN tag.
    private static func isTagged(_ bytes: UnsafeRawBufferPointer, _ linkType: LinkType) -> Bool {
        let at: Int
        switch linkType {
        case .ethernet: at = 12
        case .linuxCooked: at = 14
        case .linuxCooked2: at = 0
        default: return false
        }
        guard bytes.count >= at + 2 else { return false }
        let type = unsafe UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
        return type == 0x8100 || type == 0x88a8 || type == 0x9100
    }

    /// The system's text for `errno`.
    static func text(of number: Int32) -> String {
        // SAFETY: strerror answers for any number with a terminated text.
        unsafe String(cString: strerror(number))
    }

    static func firstLine(of text: String) -> String { String(text.prefix { !$0.isNewline }) }
}
