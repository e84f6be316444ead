import Foundation

/// The consumers of `drain_peer.py`, which go on calling until they are told to end.
final class DrainConsumers {
    /// What consumers of one kind have counted.
    typealias Counts = [String: [String: Int]]

    private let process: ChildProcess
    private var lifeline: Int32
    private let folder: TemporaryFolder
    private var linesTaken = 1

    /// Starts consumers of each kind that call both addresses in turn.
    init(_ first: Address, _ second: Address, _ kinds: [String: Int]) throws {
        folder = try TemporaryFolder()
        let fifo = folder.path + "/input"
        guard mkfifo(fifo, 0o600) == 0 else { throw Failure(call: "mkfifo") }
        lifeline = open(fifo, O_RDWR | O_CLOEXEC)
        guard lifeline >= 0 else { throw Failure(call: "open \(fifo)") }
        let arguments = ["call", "\(first.port)", "\(second.port)"] + kinds.map { "\($0)=\($1)" }
        let process = try ChildProcess(PeerProgram.drain.command(arguments), input: fifo)
        self.process = process
        _ = try eventually("consumers run") {
            guard process.isRunning() else { throw Failure("consumers: \(process.errorText)") }
            return process.outputText.contains("running\n") ? true : nil
        }
    }

    deinit { letGo() }

    private func letGo() {
        if lifeline >= 0 { close(lifeline) }
        lifeline = -1
    }

    /// What was counted since the last mark.
    func mark() throws -> Counts {
        let line = Array("mark\n".utf8)
        guard write(lifeline, line, line.count) == line.count else { throw Failure(call: "write") }
        return try nextLine()
    }

    /// Ends the consumers: what was counted since the last mark.
    func stop() throws -> Counts {
        letGo()
        let counts = try nextLine()
        let end = try process.wait()
        guard end == .exited(0) else { throw Failure("consumers: \(end) \(process.errorText)") }
        return counts
    }

    private func nextLine() throws -> Counts {
        let (process, number) = (process, linesTaken)
        linesTaken += 1
        let line = try eventually("counts") { () -> String? in
            let lines = process.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            guard lines.count > number else {
                if !process.isRunning() { throw Failure("consumers: \(process.errorText)") }
                return nil
            }
            return String(lines[number])
        }
        return try JSONDecoder().decode(Counts.self, from: Data(line.utf8))
    }
}
