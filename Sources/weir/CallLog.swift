internal import Dispatch
internal import Inspection
internal import Logging
internal import ServiceLifecycle
internal import Settings
internal import Synchronization

/// Writes a line for each call that ends where `log.calls` says.
///
/// It ends with the relay, whose last calls it has written by then if somebody takes them.
struct CallLog: Service {
    /// The time that the end of the process waits for a reader of the log.
    private static let patience = Duration.seconds(1)

    private let file: CallLogFile
    private let lines: CallSubscription
    private let subscribers: CallSubscribers
    private let isInspecting: Bool
    private let logger: Logger

    /// Lines of calls that end from now on.
    init(_ file: CallLogFile, settings: WeirSettings, subscribers: CallSubscribers, logger: Logger) {
        self.file = file
        self.subscribers = subscribers
        self.logger = logger
        isInspecting = settings.inspection.isEnabled
        lines = subscribers.log(settings.log.callFilter, share: settings.log.callsSample)
    }

    func run() async throws {
        if !isInspecting { logger.warning("calls are not logged: inspection is switched off") }
        let limiter = LogLimiter()
        await withTaskGroup(of: Void.self) { group in
            let (written, writing) = AsyncStream.makeStream(of: Void.self)
            Task {
                while let lines = await lines.next() { await write(lines, limiter) }
                writing.finish()
            }
            group.addTask { for await _ in written {} }
            group.addTask {
                // The relay has ended before this is told.
                try? await gracefulShutdown()
                try? await Task.sleep(for: Self.patience)
            }
            _ = await group.next()
            group.cancelAll()
        }
        // Services end when they are told.
        try? await gracefulShutdown()
    }

    private func write(_ lines: [UInt8], _ limiter: LogLimiter) async {
        let (lost, failure) = await file.write(lines)
        guard failure != 0 else { return }
        subscribers.countLostLogLines(lost)
        guard limiter.pass(0) != nil else { return }
        logger.warning(
            "calls are not logged",
            metadata: ["file": "\(file.name)", "error": "\(Output.text(of: failure))"]
        )
    }
}

/// The file of the log of calls, or standard output.
///
/// It is written by a thread of its own, in whole lines, behind what other processes append. When its name leads to
/// another file, or to none (log rotation), it is opened anew before the next lines.
final class CallLogFile: Sendable {
    /// As it was given.
    let name: String
    private let queue = DispatchQueue(label: "weir-calls")
    private let state: Mutex<State>

    private struct State {
        var file: Output.File
        /// True if a line was begun and not ended.
        var isTorn = false
    }

    /// Opens it.
    ///
    /// - Parameter name: A path, or ``LogSettings/standardOutput``.
    /// - Throws: ``CallLogProblem`` when it cannot be opened.
    init(_ name: String) throws(CallLogProblem) {
        self.name = name
        let file = name == LogSettings.standardOutput ? Output.File.standardOutput : Output.File(appendingTo: name)
        guard let file else { throw CallLogProblem(name: name, reason: Output.text(of: Output.lastError)) }
        state = Mutex(State(file: file))
    }

    /// Writes whole lines.
    ///
    /// - Parameter lines: The lines.
    /// - Returns: The number of lines not written, and the `errno` of the failure or 0.
    func write(_ lines: [UInt8]) async -> (lost: Int, failure: Int32) {
        await withCheckedContinuation { continuation in
            queue.async { [self] in
                continuation.resume(returning: state.withLock { Self.write(lines, name: name, state: &$0) })
            }
        }
    }

    private static func write(_ lines: [UInt8], name: String, state: inout State) -> (lost: Int, failure: Int32) {
        func count(_ bytes: ArraySlice<UInt8>) -> Int { bytes.count { $0 == UInt8(ascii: "\n") } }
        if !state.file.isStandardOutput, !state.file.isStill(at: name) {
            guard let file = Output.File(appendingTo: name) else { return (count(lines[...]), Output.lastError) }
            state = State(file: file)
        }
        let bytes = state.isTorn ? [UInt8(ascii: "\n")] + lines : lines
        let (written, failure) = state.file.write(bytes)
        if written > 0 { state.isTorn = bytes[written - 1] != UInt8(ascii: "\n") }
        return (count(lines.suffix(bytes.count - written)), failure)
    }
}

/// The reason that calls cannot be logged.
struct CallLogProblem: Error, CustomStringConvertible {
    let name: String
    let reason: String

    var description: String { "log.calls: cannot append to \(name): \(reason)" }
}
