internal import Dispatch
internal import Logging
internal import Synchronization

/// The writer of log lines and their least level, shared by all loggers of the process.
///
/// Lines are written to standard error by a thread of their own, so that whoever logs never waits for whoever reads. At
/// most ``maxBytes`` wait besides as many that are being written; further lines are dropped and counted.
final class LogWriter: Sendable {
    /// The most bytes of lines that wait.
    static let maxBytes = 256 << 10

    private struct State {
        var waiting: [UInt8] = []
        var isWriting = false
        var dropped: UInt64 = 0
        var untold: UInt64 = 0
        var level: Logger.Level
    }

    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "weir-log")
    private let writeOut: @Sendable ([UInt8]) -> Void

    /// A writer.
    ///
    /// - Parameters:
    ///   - level: The least level that is written.
    ///   - writeOut: Writes bytes where they go; may wait.
    init(level: Logger.Level, writeOut: @escaping @Sendable ([UInt8]) -> Void = { Output.note($0) }) {
        state = Mutex(State(level: level))
        self.writeOut = writeOut
    }

    /// The least level that is written.
    var level: Logger.Level {
        get { state.withLock(\.level) }
        set { state.withLock { $0.level = newValue } }
    }

    /// The number of dropped lines.
    var dropped: UInt64 { state.withLock(\.dropped) }

    /// Has a line written, its end included.
    func write(_ line: String) {
        let isFirst = state.withLock { state in
            let bytes = line.utf8
            guard state.waiting.count + bytes.count <= Self.maxBytes else {
                state.dropped += 1
                state.untold += 1
                return false
            }
            state.waiting.append(contentsOf: bytes)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if isFirst { queue.async { [self] in writeWaiting() } }
    }

    /// The number of lines dropped since the last call, once there is room for a notice.
    func takeUntold() -> UInt64 {
        state.withLock { state in
            guard state.waiting.count < Self.maxBytes / 2 else { return 0 }
            defer { state.untold = 0 }
            return state.untold
        }
    }

    /// Waits until what was logged is written, a second at most.
    func flush() {
        let group = DispatchGroup()
        queue.async(group: group) {}
        _ = group.wait(timeout: .now() + 1)
    }

    private func writeWaiting() {
        while true {
            let bytes = state.withLock { state in
                defer { state.waiting = [] }
                state.isWriting = !state.waiting.isEmpty
                return state.waiting
            }
            guard !bytes.isEmpty else { return }
            writeOut(bytes)
        }
    }
}
