/// A tar archive in memory, of small regular files.
///
/// Source: POSIX.1-2017, pax, "ustar Interchange Format".
struct TarFile {
    private static let blockBytes = 512
    private(set) var bytes: [UInt8] = []

    /// Appends a file.
    ///
    /// - Parameters:
    ///   - name: Its path, at most 100 bytes of ASCII.
    ///   - content: What it holds, below 8 GiB.
    ///   - time: When it was changed, in seconds since 1970.
    mutating func add(_ name: String, _ content: [UInt8], time: UInt64) {
        var header: [UInt8] = []
        func field(_ text: String, _ count: Int) {
            let cut = Array(text.utf8.prefix(count))
            header += cut + [UInt8](repeating: 0, count: count - cut.count)
        }
        func octal(_ number: UInt64, _ digits: Int) {
            let text = String(number, radix: 8)
            field(String(repeating: "0", count: max(0, digits - text.count)) + text, digits + 1)
        }
        field(name, 100)
        for number in [0o600, 0, 0] as [UInt64] { octal(number, 7) }
        octal(UInt64(content.count), 11)
        octal(time, 11)
        // The checksum counts as blanks while it is made.
        let checksum = header.count
        field("        ", 8)
        field("0", 1)
        field("", 100)
        field("ustar", 6)
        field("00", 2)
        field("", Self.blockBytes - header.count)
        let sum = header.reduce(0) { $0 + UInt64($1) }
        header.replaceSubrange(
            checksum..<checksum + 6,
            with: Array(String(sum + 0o1_000_000, radix: 8).utf8.dropFirst())
        )
        header[checksum + 6] = 0
        bytes += header + content
        pad()
    }

    /// Ends the archive.
    mutating func end() { bytes += [UInt8](repeating: 0, count: 2 * Self.blockBytes) }

    private mutating func pad() {
        let rest = bytes.count % Self.blockBytes
        if rest > 0 { bytes += [UInt8](repeating: 0, count: Self.blockBytes - rest) }
    }
}
