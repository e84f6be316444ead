import Foundation

/// A control group whose processes have so much memory; it goes away with its owner, who ends them first.
final class MemoryGroup {
    private let path: String

    /// Why there can be none here; `nil` where there can.
    static let obstacle: String? = {
        do {
            _ = try MemoryGroup("weirit-probe", bytes: 1 << 30)
            return nil
        } catch {
            return "not tested: no control group of memory can be made: \(error)"
        }
    }()

    /// Makes it, in either version of control groups.
    init(_ name: String, bytes: Int) throws {
        let first = "/sys/fs/cgroup/memory"
        let isFirst = access(first, F_OK) == 0
        path = (isFirst ? first : "/sys/fs/cgroup") + "/\(name)-\(getpid())"
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw Failure(call: "mkdir \(path)") }
        try write(String(bytes), to: isFirst ? "memory.limit_in_bytes" : "memory.max")
    }

    deinit { rmdir(path) }

    /// The command that runs another as a member.
    var prefix: [String] { ["sh", "-c", "echo $$ > '\(path)/cgroup.procs' && exec \"$@\"", "sh"] }

    /// The most memory that its processes have had, in bytes.
    func peakBytes() -> Int {
        let files = ["memory.max_usage_in_bytes", "memory.peak"].map { path + "/" + $0 }
        let text = files.lazy.compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }.first ?? ""
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    private func write(_ text: String, to file: String) throws {
        let descriptor = open(path + "/" + file, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(call: "open \(file)") }
        defer { close(descriptor) }
        guard Foundation.write(descriptor, text, text.utf8.count) == text.utf8.count else {
            throw Failure(call: "write \(file)")
        }
    }
}
