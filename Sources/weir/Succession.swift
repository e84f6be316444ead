internal import CLinux
internal import Glibc
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

/// Has another Weir take over when a service manager asks for it: upon SIGUSR2 the program is started again, from where
/// it was started and with its arguments, to take the sockets over.
///
/// With `Type=notify`, `NotifyAccess=all` and `ExecReload=/bin/kill -USR2 $MAINPID` that is what
/// `systemctl reload-or-restart` does: an upgrade, or a setting that needs a restart, cuts no connection.
struct Succession: Service {
    /// True if another process has taken over from this one.
    let isFollowed: @Sendable () -> Bool
    let logger: Logger

    func run() async throws {
        var successor: Int32 = 0
        for await _ in await UnixSignalsSequence(trapping: .sigusr2).cancelOnGracefulShutdown() {
            if successor > 0, hasEnded(successor) == nil {
                logger.warning("a successor is starting already", metadata: ["pid": "\(successor)"])
                continue
            }
            successor = start()
            if successor > 0 { watch(successor) }
        }
    }

    private func start() -> Int32 {
        var arguments = CommandLine.arguments
        if !arguments.contains("--takeover") { arguments.append("--takeover") }
        let process = Self.spawn(arguments)
        if process > 0 {
            logger.notice("a successor starts", metadata: ["pid": "\(process)"])
        } else {
            logger.error("no successor could be started", metadata: ["error": "\(Output.text(of: -process))"])
        }
        return process
    }

    private static func spawn(_ arguments: [String]) -> Int32 {
        let bytes = arguments.flatMap { Array($0.utf8) + [0] }.map { CChar(bitPattern: $0) }
        // SAFETY: as many bytes are there, the last of them a terminator.
        return unsafe weir_spawn(bytes, bytes.count)
    }

    /// Says when it ends before it has taken over; afterwards this process ends itself.
    private func watch(_ process: Int32) {
        Task {
            while true {
                try? await Task.sleep(for: .seconds(1))
                guard let status = hasEnded(process) else { continue }
                // One that has taken over may have come to its own end.
                guard !isFollowed() else { return }
                return logger.error("the successor has ended", metadata: ["pid": "\(process)", "status": "\(status)"])
            }
        }
    }

    /// How a process has ended, as `wait(2)` says it; `nil` while it runs.
    private func hasEnded(_ process: Int32) -> Int32? {
        var status: Int32 = 0
        // SAFETY: the status has room for what is written.
        let found = unsafe waitpid(process, &status, WNOHANG)
        return found == 0 ? nil : status
    }
}

/// What the service manager is told, if there is one that listens; see sd_notify(3).
enum ServiceManager {
    /// This process serves, and is the one to be watched.
    static func ready() { tell("READY=1\nMAINPID=\(getpid())") }

    /// This process ends.
    static func stopping() { tell("STOPPING=1") }

    private static func tell(_ text: String) {
        // SAFETY: the text is terminated for the time of the call.
        _ = unsafe weir_notify(text)
    }
}
