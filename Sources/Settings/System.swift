import Glibc

/// Why a file could not be read.
public struct FileProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's name as it was given.
    public let path: String
    /// The system's error number.
    public let code: Int32

    /// `weir.yaml: No such file or directory`.
    public var description: String { "\(path.printable): \(systemText(code))" }

    /// Whether there is no such file, as against one that cannot be read.
    public var isMissing: Bool { code == ENOENT || code == ENOTDIR }
}

extension SettingsFile {
    /// Reads a file; of one that is too long only enough to say so.
    ///
    /// - Parameter path: The file's name; problems carry it as it is.
    /// - Throws: ``FileProblem`` with the system's reason.
    public init(path: String) throws(FileProblem) {
        self.init(name: path, bytes: try readFile(path, limitBytes: YAMLDocument.maxBytes + 1))
    }
}

/// What tells one state of a file from another: a changed file, or another one in its place, has another stamp.
public struct FileStamp: Equatable, Sendable {
    private let device: UInt64
    private let node: UInt64
    private let bytes: Int64
    private let seconds: Int64
    private let nanoseconds: Int64

    /// A file's stamp, links followed; `nil` when there is no such file.
    ///
    /// - Parameter path: The file's name.
    public init?(path: String) {
        guard !path.utf8.contains(0) else { return nil }
        var status = Glibc.stat()
        // SAFETY: the call fills one structure.
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    /// The stamp of an open file; `nil` for a descriptor that is closed.
    ///
    /// - Parameter descriptor: The file's.
    public init?(descriptor: Int32) {
        var status = Glibc.stat()
        // SAFETY: the call fills one structure.
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        device = UInt64(status.st_dev)
        node = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        seconds = Int64(status.st_mtim.tv_sec)
        nanoseconds = Int64(status.st_mtim.tv_nsec)
    }

    /// Whether it is another state of the same file, which may have several names.
    ///
    /// - Parameter other: The other stamp.
    /// - Returns: Whether it has the same device and inode.
    public func isOfSameFile(as other: FileStamp) -> Bool { device == other.device && node == other.node }
}

/// Facts about the process that Weir runs in.
public enum ProcessFacts {
    /// The environment's variables that begin with `WEIR_`.
    public static var weirVariables: [String: String] { variables.filter { $0.key.hasPrefix("WEIR_") } }

    /// The machine's name, or the pod's; empty where the kernel does not say.
    public static var hostName: String {
        guard let name = try? readFile("/proc/sys/kernel/hostname", limitBytes: 1024) else { return "" }
        return String(decoding: name.prefix { $0 > 0x20 }, as: UTF8.self)
    }

    /// What the kernel or the system says in a file of its own; `nil` where there is none.
    ///
    /// - Parameter path: The file, of which 64 KiB are read at most.
    /// - Returns: Its text.
    public static func text(_ path: String) -> String? {
        (try? readFile(path, limitBytes: 64 << 10)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// All of the environment's variables.
    public static var variables: [String: String] {
        var variables: [String: String] = [:]
        // SAFETY: `environ` is a list of C strings that ends in nil; Weir never changes its environment.
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            let text = unsafe String(cString: entry)
            unsafe next += 1
            guard let sign = text.firstIndex(of: "=") else { continue }
            variables[String(text[..<sign])] = String(text[text.index(after: sign)...])
        }
        return variables
    }

    /// How many processors this process may run on (its affinity), at least 1.
    public static var processors: Int {
        guard let status = try? readFile("/proc/self/status", limitBytes: 64 << 10) else { return 1 }
        return max(1, processors(status: String(decoding: status, as: UTF8.self)))
    }

    /// Processors' worth of time that the control groups (version 2) grant, rounded up; `nil` for no limit.
    public static var cgroupLimit: Int? {
        guard let membership = try? readFile("/proc/self/cgroup", limitBytes: 64 << 10) else { return nil }
        let lines = String(decoding: membership, as: UTF8.self).split(separator: "\n")
        guard let own = lines.first(where: { $0.hasPrefix("0::/") }) else { return nil }
        var parts = own.dropFirst("0::/".count).split(separator: "/")
        var least: Int?
        while true {
            let path = (["/sys/fs/cgroup"] + parts.map(String.init)).joined(separator: "/") + "/cpu.max"
            if let text = try? readFile(path, limitBytes: 256),
                let limit = processors(cpuMax: String(decoding: text, as: UTF8.self))
            {
                least = min(least ?? .max, limit)
            }
            guard parts.popLast() != nil else { return least }
        }
    }

    /// How long the control groups that are seen have kept this process from running because their quota was used up,
    /// summed, in nanoseconds; 0 where the system does not say.
    ///
    /// Source: the kernel's cgroup-v2.rst (`cpu.stat`, `throttled_usec`), and `throttled_time` of version 1.
    public static var throttledNanoseconds: UInt64 {
        var folders = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu"]
        if let membership = try? readFile("/proc/self/cgroup", limitBytes: 64 << 10) {
            let lines = String(decoding: membership, as: UTF8.self).split(separator: "\n")
            var parts = lines.first { $0.hasPrefix("0::/") }?.dropFirst("0::/".count).split(separator: "/") ?? []
            while !parts.isEmpty {
                folders.append((["/sys/fs/cgroup"] + parts.map(String.init)).joined(separator: "/"))
                parts.removeLast()
            }
        }
        return folders.reduce(0) { sum, folder in
            guard let text = try? readFile(folder + "/cpu.stat", limitBytes: 4096) else { return sum }
            return sum &+ throttledNanoseconds(cpuStat: String(decoding: text, as: UTF8.self))
        }
    }

    /// Reads the throttled time that a `cpu.stat` tells.
    ///
    /// - Parameter text: Lines of a name and a number.
    /// - Returns: Nanoseconds; 0 when it tells none.
    package static func throttledNanoseconds(cpuStat text: String) -> UInt64 {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let value = UInt64(words[1]) else { continue }
            if words[0] == "throttled_usec" { return value.multipliedReportingOverflow(by: 1000).partialValue }
            if words[0] == "throttled_time" { return value }
        }
        return 0
    }

    /// Counts the bits of `Cpus_allowed`, groups of hexadecimal digits with commas between them.
    ///
    /// - Parameter text: The content of `/proc/self/status`.
    /// - Returns: The processors allowed; 0 when the text does not tell.
    package static func processors(status text: String) -> Int {
        let name = "Cpus_allowed:"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return 0 }
        return line.dropFirst(name.count).reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
    }

    /// Reads what `cpu.max` holds: quota and period in microseconds, or `max`.
    ///
    /// - Parameter text: `150000 100000` or `max 100000`.
    /// - Returns: Quota over period rounded up; `nil` for no limit or another form.
    package static func processors(cpuMax text: String) -> Int? {
        let words = text.split { $0 == " " || $0 == "\n" }
        guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
            return nil
        }
        return (quota - 1) / period + 1
    }
}

/// The number of a user given by number or name.
///
/// - Parameter text: Digits, or a name of the system's user database.
/// - Returns: The number; `nil` for an unknown name and for the number that means "nobody in particular".
package func userNumber(_ text: String) -> UInt32? {
    if let number = UInt32(digits: text) { return number == .max ? nil : number }
    guard !text.isEmpty, !text.utf8.contains(0) else { return nil }
    var record = unsafe passwd()
    var found: UnsafeMutablePointer<passwd>?
    // SAFETY: the size given is the buffer's; the texts of `record` point into the buffer and only its number is read.
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16 << 10) { buffer in
        guard let base = buffer.baseAddress else { return nil }
        let code = unsafe getpwnam_r(text, &record, base, buffer.count, &found)
        let isFound = unsafe found != nil
        return unsafe code == 0 && isFound ? record.pw_uid : nil
    }
}

/// The system's words for an error number.
package func systemText(_ code: Int32) -> String {
    // SAFETY: the size given is the buffer's; on success it holds a C string.
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let base = buffer.baseAddress, unsafe strerror_r(code, base, buffer.count) == 0 else {
            return "error \(code)"
        }
        return unsafe String(cString: base)
    }
}

private func readFile(_ path: String, limitBytes: Int) throws(FileProblem) -> [UInt8] {
    guard !path.utf8.contains(0) else { throw FileProblem(path: path, code: ENOENT) }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count < limitBytes {
        let wanted = min(chunk.count, limitBytes - bytes.count)
        // SAFETY: `wanted` is at most the size of `chunk`.
        let count = unsafe read(descriptor, &chunk, wanted)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw FileProblem(path: path, code: errno) }
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    return bytes
}
