internal import CPcap
internal import Glibc

/// One packet of a capture; it lives until the next one is read.
public struct CapturedPacket: ~Escapable {
    /// What was captured of it.
    public let bytes: RawSpan
    /// When, in nanoseconds since 1970.
    public let time: UInt64
    /// How long the packet was on the wire, in bytes.
    public let originalLength: Int

    @_lifetime(copy bytes)
    init(bytes: RawSpan, time: UInt64, originalLength: Int) {
        self.bytes = bytes
        self.time = time
        self.originalLength = originalLength
    }
}

/// A pcap or pcapng file, or standard input, read packet by packet through libpcap.
///
/// Time stamps are exact to the nanosecond whatever the file's resolution. A pcapng file whose interfaces have
/// different link types is refused by libpcap where the second one appears; everything before is delivered. Not for
/// use by two threads at a time.
@safe public struct CaptureFile: ~Copyable {
    private let handle: OpaquePointer
    /// What every packet begins with.
    public let linkType: LinkType

    /// Opens a capture.
    ///
    /// - Parameters:
    ///   - path: A file, or `-` for standard input.
    ///   - filter: A filter expression as tcpdump takes it; empty for all packets.
    /// - Throws: ``CaptureError/cannotOpen(_:)``, ``CaptureError/notACapture(_:)`` or ``CaptureError/badFilter(_:)``.
    public init(path: String, filter: String = "") throws(CaptureError) {
        let opened = unsafe try Self.open(path)
        if !filter.isEmpty {
            do {
                unsafe try Self.setFilter(filter, opened)
            } catch {
                // SAFETY: open() returned a handle of libpcap's; nobody else has it.
                unsafe pcap_close(opened)
                throw error
            }
        }
        unsafe self.handle = opened
        // SAFETY: the handle is open.
        self.linkType = unsafe LinkType(rawValue: pcap_datalink(opened))
    }

    deinit {
        // SAFETY: the only owner of the handle gives it back, and with it the file.
        unsafe pcap_close(handle)
    }

    /// Reads the next packet.
    ///
    /// - Returns: The packet, or `nil` at the end.
    /// - Throws: ``CaptureError/broken(_:)`` where the structure breaks; there is nothing to be read after it.
    @_lifetime(&self)
    public mutating func next() throws(CaptureError) -> CapturedPacket? {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        // SAFETY: the handle is open; both pointers are set when the answer is 1.
        let answer = unsafe pcap_next_ex(handle, &header, &data)
        guard answer == 1, let found = unsafe header, let start = unsafe data else {
            if answer == PCAP_ERROR_BREAK || answer == 0 { return nil }
            throw unsafe .broken(Self.errorText(handle))
        }
        let facts = unsafe found.pointee
        // SAFETY: libpcap keeps `caplen` bytes at `start` until the next call with this handle, and this view keeps
        // `self` from being used for one.
        let bytes = unsafe RawSpan(_unsafeStart: start, byteCount: Int(facts.caplen))
        let view = CapturedPacket(
            bytes: bytes,
            time: Self.nanoseconds(seconds: facts.ts.tv_sec, fraction: facts.ts.tv_usec),
            originalLength: Int(facts.len)
        )
        return unsafe _overrideLifetime(view, mutating: &self)
    }

    /// Opens the file apart from libpcap, which does not tell a missing file from a broken one.
    private static func open(_ path: String) throws(CaptureError) -> OpaquePointer {
        var errorBuffer = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let precision = UInt32(PCAP_TSTAMP_PRECISION_NANO)
        if path == "-" {
            // SAFETY: the buffer has the size that libpcap asks for; "-" is standard input.
            let opened = unsafe pcap_open_offline_with_tstamp_precision(path, precision, &errorBuffer)
            guard let opened = unsafe opened else { throw .notACapture(firstLine(errorBuffer)) }
            return unsafe opened
        }
        // SAFETY: the path is a terminated string for the time of the call.
        guard let file = unsafe fopen(path, "rb") else {
            // SAFETY: strerror answers for any number with a terminated text.
            let reason = unsafe String(cString: strerror(errno))
            throw .cannotOpen("\(path): \(reason)")
        }
        // SAFETY: the file is open, the buffer has the size that libpcap asks for.
        let opened = unsafe pcap_fopen_offline_with_tstamp_precision(file, precision, &errorBuffer)
        guard let opened = unsafe opened else {
            // SAFETY: libpcap leaves a file that it refused to its owner.
            unsafe fclose(file)
            throw .notACapture("\(path): " + firstLine(errorBuffer))
        }
        return unsafe opened
    }

    private static func setFilter(_ expression: String, _ handle: OpaquePointer) throws(CaptureError) {
        var program = unsafe bpf_program()
        // SAFETY: the handle is open and the program belongs to this function, which frees it.
        let compiled = unsafe pcap_compile(handle, &program, expression, 1, bpf_u_int32(PCAP_NETMASK_UNKNOWN))
        guard compiled == 0 else { throw unsafe .badFilter(errorText(handle)) }
        defer { unsafe pcap_freecode(&program) }
        // SAFETY: the program was compiled for this handle; libpcap makes a copy.
        guard unsafe pcap_setfilter(handle, &program) == 0 else { throw unsafe .badFilter(errorText(handle)) }
    }

    /// The first line of what libpcap says about the last failure.
    private static func errorText(_ handle: OpaquePointer) -> String {
        // SAFETY: pcap_geterr points into the handle, which is open, at a terminated text.
        let text = unsafe String(cString: pcap_geterr(handle))
        return firstLine(of: text)
    }

    private static func firstLine(_ buffer: [CChar]) -> String {
        let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return firstLine(of: String(decoding: text, as: UTF8.self))
    }

    private static func firstLine(of text: String) -> String {
        String(text.prefix { !$0.isNewline })
    }

    /// One number of a time stamp, without overflow whatever a broken file says.
    ///
    /// libpcap gives the 32-bit seconds of pcap files a sign; they have none.
    private static func nanoseconds(seconds: Int, fraction: Int) -> UInt64 {
        let unsigned = seconds < 0 && seconds >= Int(Int32.min) ? seconds + (1 << 32) : seconds
        let (product, overflow) = UInt64(max(unsigned, 0)).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(UInt64(max(fraction, 0)))
        return overflow || carry ? .max : sum
    }
}
