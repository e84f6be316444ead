import Foundation

/// A program that is told what to do by lines, and answers each by a line.
class LineProgram {
    private let process: ChildProcess
    private var lifeline: Int32
    private let folder: TemporaryFolder
    private var linesTaken = 0

    /// Starts a program of Tests/Peers, with `namespace` in that network namespace.
    init(_ peer: PeerProgram, _ arguments: [String], namespace: String? = nil) throws {
        folder = try TemporaryFolder()
        let fifo = folder.path + "/input"
        guard mkfifo(fifo, 0o600) == 0 else { throw Failure(call: "mkfifo") }
        lifeline = open(fifo, O_RDWR | O_CLOEXEC)
        guard lifeline >= 0 else { throw Failure(call: "open \(fifo)") }
        let prefix = namespace.map { ["ip", "netns", "exec", $0] } ?? []
        process = try ChildProcess(prefix + peer.command(arguments), input: fifo)
    }

    deinit { letGo() }

    private func letGo() {
        if lifeline >= 0 { close(lifeline) }
        lifeline = -1
    }

    /// Says a line and waits for the answer.
    func ask<Answer: Decodable>(_ line: String) throws -> Answer {
        let bytes = Array((line + "\n").utf8)
        guard write(lifeline, bytes, bytes.count) == bytes.count else { throw Failure(call: "write") }
        return try JSONDecoder().decode(Answer.self, from: Data(nextLine().utf8))
    }

    /// Ends it: the answer to the end of its input.
    func stop<Answer: Decodable>() throws -> Answer {
        letGo()
        let answer = try nextLine()
        let end = try process.wait()
        guard end == .exited(0) else { throw Failure("\(end) \(process.errorText)") }
        return try JSONDecoder().decode(Answer.self, from: Data(answer.utf8))
    }

    func nextLine() throws -> String {
        let (process, number) = (process, linesTaken)
        linesTaken += 1
        return try eventually("a line", within: 4 * patience) { () -> String? in
            let lines = process.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            guard lines.count > number else {
                if !process.isRunning() { throw Failure("it ended: \(process.errorText)") }
                return nil
            }
            return String(lines[number])
        }
    }
}

/// The consumers of `drain_peer.py`, which go on calling until they are told to end.
final class DrainConsumers: LineProgram {
    /// What consumers of each kind have counted.
    typealias Counts = [String: [String: Int]]

    /// Starts consumers of each kind that call all addresses, one or two, in turn.
    init(_ addresses: [Address], _ kinds: [String: Int], namespace: String? = nil) throws {
        let places = addresses.map(\.description).joined(separator: ",")
        let arguments = ["call", places] + kinds.map { "\($0)=\($1)" }
        try super.init(.drain, arguments, namespace: namespace)
        guard try nextLine() == "running" else { throw Failure("the consumers do not run") }
    }

    /// What was counted since the last mark.
    func mark() throws -> Counts { try ask("mark") }
}
