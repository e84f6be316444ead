internal import Clocks
internal import Glibc
internal import Settings

/// Standard output and standard error: the only file of the executable that touches pointers.
enum Output {
    /// True if standard output is a terminal.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    /// True if standard error is a terminal.
    static var isErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes all of `bytes` to standard output.
    ///
    /// - Returns: True if the reader is still there.
    static func write(_ bytes: [UInt8]) -> Bool { write(bytes, to: STDOUT_FILENO) }

    /// Writes all of `bytes` to standard output.
    ///
    /// - Returns: 0, or why it could not be written, as `errno` says it; `EPIPE` when the reader is gone.
    static func writeOrReason(_ bytes: [UInt8]) -> Int32 { write(bytes) ? 0 : errno }

    /// The text of an `errno`.
    static func text(of reason: Int32) -> String {
        // SAFETY: strerror answers for any number with a terminated text.
        unsafe String(cString: strerror(reason))
    }

    /// Writes one line to standard error.
    static func error(_ line: String) { _ = write(Array("weir: \(line)\n".utf8), to: STDERR_FILENO) }

    /// Writes bytes to standard error as they are.
    static func note(_ bytes: [UInt8]) { _ = write(bytes, to: STDERR_FILENO) }

    /// Writes text to standard error as it is.
    static func note(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        writeCounting(bytes, to: descriptor) == bytes.count
    }

    /// Writes bytes until all are written or `errno` says why the rest cannot be; how many were.
    private static func writeCounting(_ bytes: [UInt8], to descriptor: Int32) -> Int {
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes.withUnsafeBytes {
                // SAFETY: start is inside the buffer, whose rest is given.
                unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: start), $0.count - start)
            }
            if written < 0 {
                if errno == EINTR { continue }
                break
            }
            start += written
        }
        return start
    }

    /// The error number of this thread's last failed system call.
    static var lastError: Int32 { errno }

    /// A file that lines are appended to, closed when nobody has it any more.
    final class File: Sendable {
        private let descriptor: Int32
        private let isPipe: Bool

        /// Standard output.
        static let standardOutput = File(descriptor: STDOUT_FILENO)

        private init(descriptor: Int32) {
            self.descriptor = descriptor
            isPipe = lseek(descriptor, 0, SEEK_CUR) < 0
        }

        /// Opens a file, which is made if there is none, readable by its owner and group; `nil` for one that cannot be.
        ///
        /// A FIFO is opened while somebody reads it only.
        init?(appendingTo path: String) {
            // SAFETY: the path is a C string that lives during the call.
            let opened = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o640)
            guard opened >= 0 else { return nil }
            descriptor = opened
            isPipe = lseek(opened, 0, SEEK_CUR) < 0
            // From here on whoever writes waits.
            _ = fcntl(opened, F_SETFL, fcntl(opened, F_GETFL) & ~O_NONBLOCK)
        }

        /// Makes a file that only its owner may read; `nil` where that cannot be done, or there is one already.
        init?(making path: String) {
            // SAFETY: the path is a C string that lives during the call.
            let opened = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard opened >= 0 else { return nil }
            descriptor = opened
            isPipe = false
        }

        deinit {
            if !isStandardOutput { close(descriptor) }
        }

        var isStandardOutput: Bool { descriptor == STDOUT_FILENO }

        /// True if a name leads to this file.
        func isStill(at path: String) -> Bool {
            guard let named = FileStamp(path: path), let own = FileStamp(descriptor: descriptor) else { return false }
            return named.isOfSameFile(as: own)
        }

        /// What a pipe takes as a whole, whoever else writes into it (PIPE_BUF).
        private static let wholeBytes = 4096

        /// Writes whole lines, and waits for whoever reads them.
        ///
        /// What others write into a pipe stands between them, or between the parts of a line above 4 KiB.
        ///
        /// - Returns: The number of bytes written, and the `errno` of the failure or 0.
        func write(_ bytes: [UInt8]) -> (count: Int, failure: Int32) {
            var start = 0
            while start < bytes.count {
                var end = bytes.count
                if isPipe, end - start > Self.wholeBytes {
                    let newline = bytes[start..<start + Self.wholeBytes].lastIndex(of: UInt8(ascii: "\n"))
                    end = newline.map { $0 + 1 } ?? start + Self.wholeBytes
                }
                let count = Output.writeCounting(Array(bytes[start..<end]), to: descriptor)
                start += count
                if count < 0 || start < end { return (start, errno) }
            }
            return (start, 0)
        }
    }

    /// The terminal's width and height, or a page's where there is none.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        // SAFETY: the call fills one winsize.
        let result = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size)
        guard result == 0, size.ws_col > 0, size.ws_row > 0 else { return (120, 40) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// The time of day as log lines carry it: UTC, ISO 8601, milliseconds.
    static func timestamp() -> String {
        let now = SystemClock.sinceEpoch()
        var seconds = Int(now / 1_000_000_000)
        var parts = unsafe tm()
        var text = [CChar](repeating: 0, count: 32)
        // SAFETY: each call fills the one structure or the buffer whose size it is told.
        _ = unsafe gmtime_r(&seconds, &parts)
        let count = unsafe strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let date = String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let fraction = String(1_000 + now / 1_000_000 % 1_000).dropFirst()
        return "\(date).\(fraction)Z"
    }
}
