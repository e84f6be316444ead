import Foundation

/// A program that was started; it ends with its owner at the latest.
final class ChildProcess {
    /// How a program ended.
    enum End: Equatable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// What its standard output is.
    enum Output {
        case file
        case descriptor(Int32)
    }

    let pid: pid_t
    private let folder: TemporaryFolder
    private let outputPath: String
    private let errorPath: String
    private(set) var end: End?

    /// Starts a program, which is looked for in PATH.
    init(
        _ arguments: [String],
        input: String = "/dev/null",
        output: Output = .file,
        environment: [String: String] = [:]
    ) throws {
        folder = try TemporaryFolder()
        outputPath = folder.path + "/output"
        errorPath = folder.path + "/error"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        let create = O_WRONLY | O_CREAT | O_TRUNC
        switch output {
        case .file: posix_spawn_file_actions_addopen(&actions, 1, outputPath, create, 0o600)
        case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, 1)
        }
        posix_spawn_file_actions_addopen(&actions, 2, errorPath, create, 0o600)
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("WEIR_") }
        variables.merge(environment) { $1 }
        var child: pid_t = 0
        let code = Self.withCStrings(arguments) { arguments in
            Self.withCStrings(variables.map { "\($0.key)=\($0.value)" }) {
                posix_spawnp(&child, arguments[0]!, &actions, nil, arguments, $0)
            }
        }
        guard code == 0 else { throw Failure(call: arguments[0], code) }
        pid = child
    }

    deinit {
        guard end == nil else { return }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }

    private static func withCStrings<Result>(
        _ texts: [String],
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var list = texts.map { strdup($0) } + [nil]
        defer { for text in list { free(text) } }
        return body(&list)
    }

    /// What it has written to its standard output.
    var output: [UInt8] { (FileManager.default.contents(atPath: outputPath)).map { [UInt8]($0) } ?? [] }
    /// The same as text.
    var outputText: String { String(decoding: output, as: UTF8.self) }
    /// What it has written to its standard error.
    var errorText: String {
        String(decoding: FileManager.default.contents(atPath: errorPath) ?? Data(), as: UTF8.self)
    }
    /// Its standard error line by line.
    var errorLines: [String] { errorText.split(separator: "\n").map { String($0) } }

    func send(_ signal: Int32) { if end == nil { kill(pid, signal) } }

    /// Whether it still runs.
    func isRunning() -> Bool {
        guard end == nil else { return false }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return true }
        let signal = status & 0x7f
        end = signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
        return false
    }

    /// Waits until it has ended.
    @discardableResult
    func wait(within seconds: Double = patience) throws -> End {
        try eventually("the end of process \(pid)", within: seconds) { isRunning() ? nil : end }
    }

    /// Starts a program and waits for its end.
    static func run(_ arguments: [String], input: String = "/dev/null", within seconds: Double = patience) throws
        -> ChildProcess
    {
        let child = try ChildProcess(arguments, input: input)
        try child.wait(within: seconds)
        return child
    }

    /// The most memory that it has had, in bytes.
    func peakBytes() -> Int {
        let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line?.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
    }
}

/// Whether a program is in PATH.
func isInstalled(_ program: String) -> Bool { path(ofProgram: program) != nil }

/// Where a program is, in PATH or where an ordinary user does not look.
func path(ofProgram program: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let folders: [String] = path.split(separator: ":").map { String($0) } + ["/usr/sbin", "/sbin"]
    return folders.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
}
