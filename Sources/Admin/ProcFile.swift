internal import Glibc

/// Small files and folders of `/proc`, read whole.
package enum ProcFile {
    /// The most that is read of a file, in bytes; what is asked for here is shorter.
    package static let maxBytes = 64 * 1024

    /// A file's text, or `nil` when it cannot be read.
    package static func text(_ path: String) -> String? {
        // SAFETY: the string outlives the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.count < maxBytes {
            // SAFETY: read writes at most the count given, which is the buffer's.
            let count = unsafe piece.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number of entries of a folder without `.` and `..`, or `nil` if it cannot be read.
    package static func entryCount(_ path: String) -> Int? {
        guard let folder = unsafe opendir(path) else { return nil }
        // SAFETY: the folder is open until the end of this function and used by this thread only.
        defer { unsafe closedir(folder) }
        var count = 0
        // SAFETY: as above; the entry itself is not looked at.
        while unsafe readdir(folder) != nil { count += 1 }
        return max(0, count - 2)
    }

    /// Clock ticks a second, in which `/proc` gives times.
    package static var ticksPerSecond: Double { Double(max(1, sysconf(Int32(_SC_CLK_TCK)))) }

    /// Bytes of a page, in which `/proc` gives resident memory.
    package static var pageBytes: UInt64 { UInt64(max(1, sysconf(Int32(_SC_PAGESIZE)))) }
}
