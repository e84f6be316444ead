internal import Glibc
internal import Settings

/// The reason for which rules could not be read or written.
public struct InterceptFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public enum Kind: Sendable {
        /// There is no such program.
        case missing
        /// Root or CAP_NET_ADMIN is needed.
        case denied
        /// Anything else.
        case failed
    }

    /// The kind of failure.
    public let kind: Kind
    /// The failure and its remedy, in one line.
    public let description: String

    /// A failure of that kind.
    ///
    /// - Parameters:
    ///   - kind: The kind of failure.
    ///   - description: The failure and its remedy, in one line.
    public init(kind: Kind, description: String) {
        self.kind = kind
        self.description = description
    }
}

/// The result of a program.
public struct ToolOutcome: Equatable, Sendable {
    /// Its exit status, or 128 and the signal that ended it.
    public let exitStatus: Int32
    /// Its standard output, at most 1 MiB.
    public let output: String
    /// Its standard error, at most 16 KiB.
    public let errorText: String
}

/// A runner for a firewall program with text on its standard input.
public struct Tool: Sendable {
    /// The longest input, in bytes: less than a pipe holds (64 KiB), for it is written before the program starts.
    static let maxInputBytes = 48 << 10
    private static let maxOutputBytes = 1 << 20
    private static let maxErrorBytes = 16 << 10

    /// The program's name for messages.
    let name: String
    private let candidates: [String]
    private let timeout: Duration

    /// Chooses the program.
    ///
    /// - Parameters:
    ///   - binary: A path, or a name that is looked for in PATH, `/usr/sbin` and `/sbin`.
    ///   - timeout: The time after which it is killed.
    public init(_ binary: String, timeout: Duration = .seconds(10)) {
        name = binary.split(separator: "/").last.map(String.init) ?? binary
        candidates = binary.contains("/") ? [binary] : [binary, "/usr/sbin/\(binary)", "/sbin/\(binary)"]
        self.timeout = timeout
    }

    /// Runs it to its end.
    ///
    /// - Parameters:
    ///   - arguments: The arguments after its name.
    ///   - input: Its standard input, at most 48 KiB.
    /// - Returns: The result, whatever its status.
    /// - Throws: ``InterceptFailure`` when it cannot be started or does not end.
    public func run(_ arguments: [String], input: String = "") throws(InterceptFailure) -> ToolOutcome {
        let bytes = Array(input.utf8)
        guard bytes.count <= Self.maxInputBytes else { throw failed("the rules are longer than 48 KiB") }
        var source = try Pipe()
        try source.fill(bytes)
        var output = try Pipe()
        var errors = try Pipe()
        let child = try spawn(arguments, input: source, output: output, errors: errors)
        output.closeWriteEnd()
        errors.closeWriteEnd()
        var texts = (output: Capture(limitBytes: Self.maxOutputBytes), errors: Capture(limitBytes: Self.maxErrorBytes))
        let deadline = ContinuousClock.now + timeout
        var isLate = false
        while !isLate, texts.output.isOpen || texts.errors.isOpen {
            isLate = !Pipe.read(
                output,
                firstText: &texts.output,
                second: errors,
                secondText: &texts.errors,
                until: deadline
            )
        }
        if isLate { kill(child, SIGKILL) }
        let status = exitStatus(of: child)
        guard !isLate else { throw failed("\(name) did not end within \(timeout) and was killed") }
        return ToolOutcome(exitStatus: status, output: texts.output.text, errorText: texts.errors.text)
    }

    /// Runs it and takes any status but 0 for a failure.
    ///
    /// - Parameters:
    ///   - arguments: The arguments after its name.
    ///   - input: Its standard input, at most 48 KiB.
    /// - Returns: Its standard output.
    /// - Throws: ``InterceptFailure``.
    public func demand(_ arguments: [String], input: String = "") throws(InterceptFailure) -> String {
        let outcome = try run(arguments, input: input)
        guard outcome.exitStatus != 0 else { return outcome.output }
        let errors = outcome.errorText
        if errors.contains("Operation not permitted") || errors.contains("Permission denied") {
            throw InterceptFailure(
                kind: .denied,
                description: "\(name) may not change the firewall: root or CAP_NET_ADMIN is needed"
            )
        }
        let line = errors.split(separator: "\n").first.map { String($0) } ?? "no reason given"
        throw failed("\(name) failed with status \(outcome.exitStatus): \(line.printable)")
    }

    private func failed(_ text: String) -> InterceptFailure { InterceptFailure(kind: .failed, description: text) }

    private func spawn(
        _ arguments: [String],
        input: borrowing Pipe,
        output: borrowing Pipe,
        errors: borrowing Pipe
    ) throws(InterceptFailure) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        var none = sigset_t()
        var broken = sigset_t()
        // SAFETY: both objects are set up before use and taken down at the end of this function.
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        unsafe posix_spawn_file_actions_adddup2(&actions, input.readEnd, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output.writeEnd, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, errors.writeEnd, 2)
        // A child inherits blocked and ignored signals; it should have none of ours.
        unsafe sigemptyset(&none)
        unsafe sigemptyset(&broken)
        unsafe sigaddset(&broken, SIGPIPE)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &broken)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var code = ENOENT
        for candidate in candidates {
            var child: pid_t = 0
            code = unsafe withCStrings([candidate] + arguments) { words in
                unsafe withCStrings(["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]) { environment in
                    unsafe posix_spawnp(&child, candidate, &actions, &attributes, words, environment)
                }
            }
            if code == 0 { return child }
            if code != ENOENT { break }
        }
        throw InterceptFailure(starting: candidates[0], code: code)
    }

    private func exitStatus(of child: pid_t) -> Int32 {
        var status: Int32 = 0
        // SAFETY: `status` is alive during the call.
        while unsafe waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { return -1 }
        }
        // WIFEXITED and WEXITSTATUS, and 128 + signal as a shell counts.
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }
}

extension InterceptFailure {
    fileprivate init(starting binary: String, code: Int32) {
        kind = code == ENOENT ? .missing : .failed
        description =
            switch code {
            case ENOENT: "\(binary.printable) was not found: install it, or apply the printed rules yourself"
            case EACCES, EPERM: "\(binary.printable) may not be run: \(systemText(code))"
            default: "\(binary.printable) cannot be run: \(systemText(code))"
            }
    }

    fileprivate init(call: StaticString, code: Int32) {
        kind = .failed
        description = "\(call): \(systemText(code))"
    }
}

/// The bytes read from a stream, and if there are more.
private struct Capture {
    let limitBytes: Int
    var bytes: [UInt8] = []
    var isOpen = true

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// A pipe whose ends are closed on exec and when the value ends.
private struct Pipe: ~Copyable {
    let readEnd: Int32
    /// -1 once it is closed.
    private(set) var writeEnd: Int32

    init() throws(InterceptFailure) {
        var ends: (Int32, Int32) = (-1, -1)
        // SAFETY: a tuple of two Int32 has the layout of `int[2]`.
        let code = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            unsafe pipe(bytes.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        guard code == 0 else { throw InterceptFailure(call: "pipe", code: errno) }
        (readEnd, writeEnd) = ends
        _ = fcntl(readEnd, F_SETFD, FD_CLOEXEC)
        _ = fcntl(writeEnd, F_SETFD, FD_CLOEXEC)
    }

    deinit {
        close(readEnd)
        if writeEnd >= 0 { close(writeEnd) }
    }

    mutating func closeWriteEnd() {
        close(writeEnd)
        writeEnd = -1
    }

    /// Writes all of `bytes` and closes the write end; there is a reader, so no signal can come.
    mutating func fill(_ bytes: [UInt8]) throws(InterceptFailure) {
        defer { closeWriteEnd() }
        guard !bytes.isEmpty else { return }
        _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
        // SAFETY: the count is the array's own.
        let count = unsafe write(writeEnd, bytes, bytes.count)
        guard count == bytes.count else {
            throw InterceptFailure(call: "write to a pipe", code: count < 0 ? errno : ENOSPC)
        }
    }

    /// Waits for either of two pipes and reads the available bytes; true if some came before the deadline.
    static func read(
        _ first: borrowing Pipe,
        firstText: inout Capture,
        second: borrowing Pipe,
        secondText: inout Capture,
        until deadline: ContinuousClock.Instant
    ) -> Bool {
        let left = (deadline - .now) / .milliseconds(1)
        guard left > 0 else { return false }
        var waits = [
            pollfd(fd: firstText.isOpen ? first.readEnd : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: secondText.isOpen ? second.readEnd : -1, events: Int16(POLLIN), revents: 0),
        ]
        // SAFETY: two elements, as the count says.
        guard unsafe poll(&waits, 2, Int32(min(left + 1, 60_000))) > 0 else { return true }
        if waits[0].revents != 0 { first.readOnce(&firstText) }
        if waits[1].revents != 0 { second.readOnce(&secondText) }
        return true
    }

    /// Reads the available bytes and keeps them up to the limit.
    private borrowing func readOnce(_ text: inout Capture) {
        var chunk = [UInt8](repeating: 0, count: 4096)
        // SAFETY: `read` gets the size of `chunk`.
        let count = unsafe Glibc.read(readEnd, &chunk, chunk.count)
        if count < 0, errno == EINTR { return }
        guard count > 0 else {
            text.isOpen = false
            return
        }
        text.bytes += chunk[..<min(count, text.limitBytes - text.bytes.count)]
    }
}

/// Calls `body` with C strings in a list that ends in nil.
private func withCStrings<Result>(
    _ texts: [String],
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    // SAFETY: every copy is freed after `body`, which gets the array's own address.
    var list = unsafe texts.map { unsafe strdup($0) } + [nil]
    defer { unsafe list.forEach { unsafe free($0) } }
    return unsafe body(&list)
}
