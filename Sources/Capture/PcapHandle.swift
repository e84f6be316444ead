internal import CLinux
internal import CPcap
internal import Glibc

/// A classic pcap file, read by libpcap: a regular file by itself, others through the bytes of a ``CaptureInput``.
@safe struct PcapHandle: ~Copyable {
    /// The number of packets of a regular file between two checks for a stop request.
    private static let packetsALook = 1024

    private let handle: OpaquePointer
    /// libpcap's stream reads from it, unless the file is a regular one.
    private let input: CaptureInput
    private let isPlain: Bool
    /// The layout of records, where whole ones are waited for: libpcap cannot go on in the middle of one.
    private let records: RecordLayout?
    private var packetsToLook = PcapHandle.packetsALook
    /// The link type of every packet.
    let linkType: LinkType

    /// Reads the file's header.
    ///
    /// - Parameters:
    ///   - input: The file's bytes.
    ///   - name: The file's name in errors, with a colon after it; may be empty.
    /// - Throws: ``CaptureError/notACapture(_:)``.
    init(_ input: CaptureInput, name: String) throws(CaptureError) {
        var errorBuffer = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let plain = unsafe input.openPlainFile()
        let records = unsafe plain == nil && input.hasTimeout ? RecordLayout(magic: input.word(at: 0)) : nil
        let stream = unsafe plain ?? Self.open(input)
        guard let stream = unsafe stream else { throw .notACapture(name + CaptureFile.text(of: errno)) }
        // Nothing is to be read ahead of the record that libpcap asks for.
        if records != nil { unsafe setvbuf(stream, nil, Int32(_IONBF), 0) }
        let precision = UInt32(PCAP_TSTAMP_PRECISION_NANO)
        // SAFETY: the stream is open, the buffer has the size that libpcap asks for.
        let opened = unsafe pcap_fopen_offline_with_tstamp_precision(stream, precision, &errorBuffer)
        guard let opened = unsafe opened else {
            // SAFETY: libpcap leaves a stream that it refused to its owner.
            unsafe fclose(stream)
            let text = errorBuffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw .notACapture(name + CaptureFile.firstLine(of: String(decoding: text, as: UTF8.self)))
        }
        self.records = records
        unsafe handle = opened
        self.input = input
        unsafe isPlain = plain != nil
        // SAFETY: the handle is open.
        linkType = unsafe LinkType(rawValue: pcap_datalink(opened))
    }

    /// A stream of the C library's that reads from the input.
    private static func open(_ input: CaptureInput) -> UnsafeMutablePointer<FILE>? {
        // SAFETY: the input outlives the stream: the handle keeps it until libpcap has closed the stream.
        let context = unsafe Unmanaged.passUnretained(input).toOpaque()
        return unsafe weir_open_reader(
            { context, target, count in
                guard let context = unsafe context, let target = unsafe target else { return -1 }
                let input = unsafe Unmanaged<CaptureInput>.fromOpaque(context).takeUnretainedValue()
                let taken = unsafe input.take(UnsafeMutableRawPointer(target), count)
                if taken < 0 { errno = input.failure }
                return taken
            },
            context
        )
    }

    deinit {
        // SAFETY: the only owner of the handle gives it back, and with it the stream.
        unsafe pcap_close(handle)
    }

    /// Reads the next packet.
    ///
    /// - Returns: The packet, whose bytes stay until the next call; a timeout, or the end.
    /// - Throws: ``CaptureError/broken(_:)`` if the structure is broken; nothing can be read after it.
    @inline(__always)
    mutating func next() throws(CaptureError) -> PlaceEvent {
        if isPlain {
            packetsToLook &-= 1
            if packetsToLook == 0 {
                packetsToLook = Self.packetsALook
                if input.seesStop() { return unsafe .end }
            }
        } else if let records, !records.awaitRecord(in: input) {
            return unsafe .timeout
        }
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        // SAFETY: the handle is open; both pointers are set when the answer is 1.
        let answer = unsafe pcap_next_ex(handle, &header, &data)
        guard answer == 1, let found = unsafe header, let start = unsafe data else {
            // libpcap's timeout, which an interface has and a file has not.
            if answer == 0 { return unsafe .timeout }
            if answer == PCAP_ERROR_BREAK || input.isStopped { return unsafe .end }
            // SAFETY: pcap_geterr points into the open handle, at a terminated text.
            throw unsafe .broken(CaptureFile.firstLine(of: String(cString: pcap_geterr(handle))))
        }
        let facts = unsafe found.pointee
        return unsafe .packet(
            PacketPlace(
                start: UnsafeRawPointer(start),
                capturedLength: Int(facts.caplen),
                originalLength: Int(facts.len),
                time: Self.nanoseconds(seconds: facts.ts.tv_sec, fraction: facts.ts.tv_usec),
                linkType: linkType
            )
        )
    }

    /// The nanoseconds of a time stamp, without overflow even in a broken file.
    ///
    /// libpcap gives the 32-bit seconds of pcap files a sign; they have none.
    private static func nanoseconds(seconds: Int, fraction: Int) -> UInt64 {
        let unsigned = seconds < 0 && seconds >= Int(Int32.min) ? seconds + (1 << 32) : seconds
        let (product, overflow) = UInt64(max(unsigned, 0)).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(UInt64(max(fraction, 0)))
        return overflow || carry ? .max : sum
    }
}

/// The layout of a classic pcap file's records, as far as their length needs it.
///
/// Source: libpcap `sf-pcap.c`.
private struct RecordLayout {
    private let isSwapped: Bool
    private let headerBytes: Int

    /// - Parameter magic: The file's first word, in this machine's byte order.
    init(magic: UInt32) {
        let known: [UInt32] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34]
        isSwapped = !known.contains(magic)
        // Kuznetzov's patched libpcap wrote 8 bytes more.
        headerBytes = (isSwapped ? magic.byteSwapped : magic) == 0xa1b2_cd34 ? 24 : 16
    }

    /// Waits until the next record is in the input's buffer.
    ///
    /// A length that libpcap will refuse is left to it, and so is the end of the file.
    ///
    /// - Parameter input: The file's bytes, at the beginning of a record.
    /// - Returns: False if the record did not come in time.
    func awaitRecord(in input: CaptureInput) -> Bool {
        input.endsWaits = true
        defer { input.endsWaits = false }
        guard input.fill(headerBytes) else { return !input.isTimedOut }
        let words = (input.word(at: 8), input.word(at: 12))
        // Old files have the two lengths in the other order; the captured one is not the greater.
        let length = Int(min(isSwapped ? words.0.byteSwapped : words.0, isSwapped ? words.1.byteSwapped : words.1))
        guard length <= PcapngReader.maxBlockBytes, !input.fill(headerBytes + length) else { return true }
        return !input.isTimedOut
    }
}
