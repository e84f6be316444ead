internal import CPcap

/// A filter expression in tcpdump's syntax, compiled for each link type in use.
@safe final class PacketFilter {
    private let expression: String
    /// The compiled filter by link type; `nil` for one that it does not apply to.
    private var programs: [LinkType: bpf_program?] = unsafe [:]
    /// The last link type, as packets of one link type come in runs.
    private var lastLinkType: LinkType?
    private var lastProgram: bpf_program? = nil

    /// A filter that is not compiled yet.
    ///
    /// - Parameter expression: The expression for tcpdump.
    init(_ expression: String) { self.expression = expression }

    deinit {
        while let (_, program) = unsafe programs.popFirst() {
            guard var program = unsafe program else { continue }
            // SAFETY: each was made by pcap_compile, and is freed once.
            unsafe pcap_freecode(&program)
        }
    }

    /// Compiles the filter for a link type, unless that was done.
    ///
    /// - Parameters:
    ///   - linkType: The link type of the packets.
    ///   - isOnly: True if all packets of the file have it.
    /// - Throws: ``CaptureError/badFilter(_:)`` if it is no filter, or none for the only link type of the file. With
    ///   several link types, no packet matches whose type the filter does not apply to.
    func prepare(_ linkType: LinkType, isOnly: Bool) throws(CaptureError) {
        guard unsafe programs[linkType] == nil else { return }
        var problem = ""
        let program = unsafe Self.compile(expression, linkType: linkType, problem: &problem)
        if unsafe program == nil {
            var other = ""
            let control = unsafe isOnly ? nil : Self.compile(expression, linkType: .ethernet, problem: &other)
            guard var control = unsafe control else { throw .badFilter(problem) }
            // SAFETY: made by pcap_compile, and freed once.
            unsafe pcap_freecode(&control)
        }
        unsafe programs[linkType] = .some(program)
    }

    /// True if the filter applies to packets of a link type.
    ///
    /// - Parameter linkType: One that was prepared.
    /// - Returns: Not if it could not be compiled for them.
    func applies(to linkType: LinkType) -> Bool {
        if lastLinkType != linkType {
            lastLinkType = linkType
            unsafe lastProgram = programs[linkType] ?? nil
        }
        return unsafe lastProgram != nil
    }

    /// True if a packet passes.
    ///
    /// - Parameters:
    ///   - bytes: The captured bytes.
    ///   - originalLength: The length of the packet.
    ///   - linkType: The link type; one that was prepared.
    /// - Returns: True if it passes.
    func passes(_ bytes: UnsafeRawBufferPointer, originalLength: Int, _ linkType: LinkType) -> Bool {
        guard applies(to: linkType), var program = unsafe lastProgram, let start = bytes.baseAddress else {
            return false
        }
        var header = pcap_pkthdr()
        header.caplen = UInt32(truncatingIfNeeded: bytes.count)
        header.len = UInt32(truncatingIfNeeded: originalLength)
        // SAFETY: the program was compiled by libpcap, which reads no further than `caplen` bytes.
        return unsafe pcap_offline_filter(&program, &header, start.assumingMemoryBound(to: UInt8.self)) != 0
    }

    private static func compile(_ expression: String, linkType: LinkType, problem: inout String) -> bpf_program? {
        // SAFETY: a handle without a file, closed below; nil when there is no memory.
        guard let handle = unsafe pcap_open_dead(linkType.rawValue, 1 << 18) else {
            problem = "out of memory"
            return nil
        }
        defer { unsafe pcap_close(handle) }
        var program = unsafe bpf_program()
        // SAFETY: the handle is open; the program is its caller's to free.
        guard unsafe pcap_compile(handle, &program, expression, 1, bpf_u_int32(PCAP_NETMASK_UNKNOWN)) == 0 else {
            // SAFETY: pcap_geterr points into the open handle, at a terminated text.
            problem = unsafe CaptureFile.firstLine(of: String(cString: pcap_geterr(handle)))
            return nil
        }
        return unsafe program
    }
}
