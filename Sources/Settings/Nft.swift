import Glibc

/// What became of a transaction.
public struct InterceptOutcome: Equatable, Sendable {
    /// The exit status of `nft`; `nil` when it did not run to its end.
    public let exitStatus: Int32?
    /// What `nft` wrote to its standard error, at most 16 KiB.
    public let errorText: String
    /// In one line why it failed and what helps; `nil` after success.
    public let explanation: String?

    /// Whether the rules are in force.
    public var succeeded: Bool { exitStatus == 0 }
}

/// Runs `nft` with rules on its standard input.
public struct InterceptRunner: Sendable {
    /// The longest transaction, in bytes: less than a pipe holds (64 KiB), for it is written before `nft` starts.
    static let maxRulesBytes = 48 << 10
    private static let maxErrorBytes = 16 << 10

    private let candidates: [String]
    private let timeout: Duration

    /// Chooses the program.
    ///
    /// - Parameters:
    ///   - binary: A path, or a name that is looked for in PATH, `/usr/sbin` and `/sbin`.
    ///   - timeout: How long it may run before it is killed.
    public init(binary: String = "nft", timeout: Duration = .seconds(10)) {
        candidates = binary.contains("/") ? [binary] : [binary, "/usr/sbin/\(binary)", "/sbin/\(binary)"]
        self.timeout = timeout
    }

    /// Installs a plan in place of any earlier one.
    ///
    /// - Parameter plan: The plan.
    /// - Returns: What became of it.
    public func install(_ plan: InterceptPlan) -> InterceptOutcome { run(plan.rules) }

    /// Removes what was installed; no harm when nothing was.
    ///
    /// - Parameter layout: The layout of the plan that was installed.
    /// - Returns: What became of it.
    public func remove(layout: InterceptPlan.Layout = .inet) -> InterceptOutcome {
        run(InterceptPlan.removal(layout: layout))
    }

    /// Runs a transaction.
    ///
    /// - Parameter rules: Text for `nft -f -`, at most 48 KiB.
    /// - Returns: What became of it.
    public func run(_ rules: String) -> InterceptOutcome {
        do throws(NftFailure) {
            let (status, errorText) = try execute(Array(rules.utf8))
            return InterceptOutcome(
                exitStatus: status,
                errorText: errorText,
                explanation: status == 0 ? nil : explain(status, errorText)
            )
        } catch {
            return InterceptOutcome(exitStatus: nil, errorText: "", explanation: error.text)
        }
    }

    private func explain(_ status: Int32, _ errorText: String) -> String {
        if errorText.contains("Operation not permitted") || errorText.contains("Permission denied") {
            return "nft may not change the firewall: root or CAP_NET_ADMIN is needed"
        }
        let line = errorText.split(separator: "\n").first.map { String($0) } ?? "no reason given"
        return "nft failed with status \(status): \(line.printable)"
    }

    private func execute(_ rules: [UInt8]) throws(NftFailure) -> (status: Int32, errorText: String) {
        guard rules.count <= Self.maxRulesBytes else { throw NftFailure(text: "the rules are longer than 48 KiB") }
        var input = try Pipe()
        try input.fill(rules)
        var errors = try Pipe()
        let child = try spawn(input: input, errors: errors)
        errors.closeWriteEnd()
        let text = errors.readAll(limitBytes: Self.maxErrorBytes, until: ContinuousClock.now + timeout)
        if text == nil { kill(child, SIGKILL) }
        let status = exitStatus(of: child)
        guard let text else { throw NftFailure(text: "nft did not end within \(timeout) and was killed") }
        return (status, String(decoding: text, as: UTF8.self))
    }

    private func spawn(input: borrowing Pipe, errors: borrowing Pipe) throws(NftFailure) -> pid_t {
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
        unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, errors.writeEnd, 2)
        // A child inherits blocked and ignored signals; nft should have none of ours.
        unsafe sigemptyset(&none)
        unsafe sigemptyset(&broken)
        unsafe sigaddset(&broken, SIGPIPE)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &broken)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var code = ENOENT
        for candidate in candidates {
            var child: pid_t = 0
            code = unsafe withCStrings([candidate, "-f", "-"]) { arguments in
                unsafe withCStrings(["LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]) { environment in
                    unsafe posix_spawnp(&child, candidate, &actions, &attributes, arguments, environment)
                }
            }
            if code == 0 { return child }
            if code != ENOENT { break }
        }
        throw NftFailure(starting: candidates[0], code: code)
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

private struct NftFailure: Error {
    let text: String

    init(text: String) { self.text = text }

    init(starting binary: String, code: Int32) {
        text =
            switch code {
            case ENOENT: "\(binary.printable) was not found: install nftables, or apply the printed rules yourself"
            case EACCES, EPERM: "\(binary.printable) may not be run: \(systemText(code))"
            default: "\(binary.printable) cannot be run: \(systemText(code))"
            }
    }

    init(call: StaticString, code: Int32) { text = "\(call): \(systemText(code))" }
}

/// A pipe whose ends are closed on exec and when the value ends.
private struct Pipe: ~Copyable {
    let readEnd: Int32
    /// -1 once it is closed.
    private(set) var writeEnd: Int32

    init() throws(NftFailure) {
        var ends: (Int32, Int32) = (-1, -1)
        // SAFETY: a tuple of two Int32 has the layout of `int[2]`.
        let code = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
            unsafe pipe(bytes.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        guard code == 0 else { throw NftFailure(call: "pipe", code: errno) }
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
    mutating func fill(_ bytes: [UInt8]) throws(NftFailure) {
        defer { closeWriteEnd() }
        _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
        // SAFETY: the count is the array's own.
        let count = unsafe write(writeEnd, bytes, bytes.count)
        guard count == bytes.count else { throw NftFailure(call: "write to a pipe", code: count < 0 ? errno : ENOSPC) }
    }

    /// Everything up to the end, of which at most `limitBytes` are kept; `nil` when the end does not come in time.
    func readAll(limitBytes: Int, until deadline: ContinuousClock.Instant) -> [UInt8]? {
        var kept: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else { return nil }
            var wait = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
            // SAFETY: one element, as the count says; `read` gets the size of `chunk`.
            guard unsafe poll(&wait, 1, Int32(min(left + 1, 60_000))) > 0 else { continue }
            let count = unsafe read(readEnd, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return kept }
            kept += chunk[..<min(count, limitBytes - kept.count)]
        }
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
