import Glibc
import Policy

/// Another process that decides by the limits of this one, see Tests/LimitDecider; it ends with its owner at the
/// latest.
final class DeciderProcess {
    /// Where its descriptors of limits begin.
    private static let first: Int32 = 600

    let pid: pid_t
    private let output: Int32
    private var isOver = false

    /// Starts it.
    ///
    /// - Parameters:
    ///   - mode: What it does.
    ///   - registry: The limits it inherits; `nil` for none.
    ///   - limits: The limits it has, as the program takes them.
    init(_ mode: String, _ registry: LimitRegistry?, _ limits: [String]) throws {
        output = temporaryFile()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        let output = output
        func spawn(_ descriptors: [Int32]) -> pid_t {
            for (index, descriptor) in descriptors.enumerated() {
                posix_spawn_file_actions_adddup2(&actions, descriptor, Self.first + Int32(index))
            }
            let arguments = [Self.path, mode, "\(Self.first)", "\(descriptors.count)"] + limits
            var list = arguments.map { strdup($0) } + [nil]
            defer { for text in list { free(text) } }
            var child: pid_t = -1
            _ = posix_spawn(&child, Self.path, &actions, nil, &list, environ)
            return child
        }
        pid = registry.map { $0.withDescriptors(spawn) } ?? spawn([])
        if pid < 0 {
            close(output)
            throw CannotStart(path: Self.path)
        }
    }

    struct CannotStart: Error {
        let path: String
    }

    deinit {
        end()
        close(output)
    }

    /// The program, which is built beside the tests.
    private static var path: String {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = max(0, readlink("/proc/self/exe", &bytes, bytes.count))
        let own = String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/LimitDecider"
    }

    /// What it has written.
    var written: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(lseek(output, 0, SEEK_END)))
        let count = pread(output, &bytes, bytes.count, 0)
        return Array(bytes.prefix(max(0, count)))
    }

    var text: String { String(decoding: written, as: UTF8.self) }

    /// The times of the calls that it has admitted.
    var times: [UInt64] {
        let bytes = written
        return (0..<bytes.count / 8).map { number in
            (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[number * 8 + $1]) << ($1 * 8) }
        }
    }

    /// Waits for it to have written something.
    func waits(for text: String) -> Bool {
        for _ in 0..<3000 {
            if self.text == text { return true }
            usleep(10_000)
        }
        return false
    }

    /// Waits until it has ended.
    func wait() {
        var status: Int32 = 0
        if !isOver { waitpid(pid, &status, 0) }
        isOver = true
    }

    /// Waits until a signal has stopped it.
    func waitForStop() {
        var status: Int32 = 0
        waitpid(pid, &status, WUNTRACED)
    }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// Kills it, and waits until it is gone.
    func end() {
        if !isOver { kill(pid, SIGKILL) }
        wait()
    }
}

/// An open file without a name.
func temporaryFile() -> Int32 {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var name = Array("\(folder)/limits-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    unlink(name)
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    return file
}
