internal import Synchronization

/// The processes that this one has taken over from, or that were taken over before: they keep their connections, and
/// answer what they are asked.
///
/// Bounded: ``maxPeers`` at a time, each with a thread and a descriptor; a question waits some seconds at most, and one
/// that did not answer is asked nothing more until it says something.
public final class TakeoverPeers: Sendable {
    /// The most processes that report at a time.
    public static let maxPeers = 64
    /// The longest wait for an answer, in milliseconds.
    public static let answerMilliseconds = 2000

    /// The answer of one process.
    public struct Answer: Sendable {
        /// The process: a number that it drew at its start.
        public var process: UInt64
        /// An HTTP status.
        public var status: Int
        /// The body.
        public var body: [UInt8]
    }

    /// Events, told on a thread of the process's.
    public enum Event: Sendable {
        /// A process reports from now on.
        case came(UInt64, isPredecessor: Bool)
        /// A process that had been silent answers again.
        case awoke(UInt64)
        /// A process ends, and this is its last answer to a question.
        case last(UInt64, what: String, [UInt8])
        /// More of what a question asked for.
        case lines(UInt64, number: UInt64, [UInt8])
        /// A process has gone, or its connection was lost.
        case gone(UInt64)
    }

    private let peers = Mutex<[Peer]>([])
    private let onEvent: @Sendable (Event) -> Void

    /// No processes.
    ///
    /// - Parameter onEvent: Told what happens; it must be quick.
    public init(onEvent: @escaping @Sendable (Event) -> Void = { _ in }) { self.onEvent = onEvent }

    /// The processes that report, and whether each of them answers.
    public var processes: [(process: UInt64, answers: Bool)] {
        peers.withLock { $0.map { ($0.process, !$0.isSilent) } }
    }

    /// Has a process report from now on.
    ///
    /// - Returns: True if there was room for it.
    func add(_ process: UInt64, isPredecessor: Bool, owning descriptor: Int32) -> Bool {
        guard let link = TakeoverLink(owning: descriptor) else { return false }
        let peer = Peer(process: process, link)
        let (isAdded, old) = peers.withLock { peers -> (Bool, Peer?) in
            // One that connects again has lost its connection.
            let old = peers.first { $0.process == process }
            guard peers.count < Self.maxPeers || old != nil else { return (false, nil) }
            peers.removeAll { $0.process == process }
            peers.append(peer)
            return (true, old)
        }
        old?.close()
        guard isAdded else { return false }
        onEvent(.came(process, isPredecessor: isPredecessor))
        let result = Linux.startThread(named: "weir-peer") { [self] in
            peer.run(onEvent)
            let isLast = peers.withLock { peers in
                defer { peers.removeAll { $0 === peer } }
                return peers.contains { $0 === peer }
            }
            if isLast { onEvent(.gone(process)) }
        }
        guard result < 0 else { return true }
        peers.withLock { peers in peers.removeAll { $0 === peer } }
        onEvent(.gone(process))
        return false
    }

    /// Asks every process the same, all at once.
    ///
    /// - Parameters:
    ///   - what: A word without blanks.
    ///   - body: What is said with it, 16 MiB at most.
    ///   - milliseconds: The longest wait for the answers.
    ///   - insists: True if silent processes are asked too: they find the question when they go on.
    /// - Returns: The answers that came, in no order; none of those that have been silent before.
    public func ask(
        _ what: String,
        body: [UInt8] = [],
        milliseconds: Int = TakeoverPeers.answerMilliseconds,
        insists: Bool = false
    ) async -> [Answer] {
        let asked = peers.withLock { $0 }
        return await withTaskGroup(of: Answer?.self) { group in
            for peer in asked {
                group.addTask { await peer.ask(what, body: body, milliseconds: milliseconds, insists: insists) }
            }
            return await group.reduce(into: []) { answers, answer in
                if let answer { answers.append(answer) }
            }
        }
    }

    /// Asks one process.
    ///
    /// - Returns: Its answer; `nil` if it gave none.
    public func ask(
        _ process: UInt64,
        what: String,
        body: [UInt8] = [],
        milliseconds: Int = TakeoverPeers.answerMilliseconds
    ) async -> Answer? {
        let peer = peers.withLock { $0.first { $0.process == process } }
        return await peer?.ask(what, body: body, milliseconds: milliseconds)
    }

    /// Lets all processes go: they look for the next successor.
    public func release() {
        let all = peers.withLock { peers in
            defer { peers = [] }
            return peers
        }
        for peer in all { peer.close() }
    }
}

/// One process that answers.
private final class Peer: Sendable {
    private struct Question {
        var continuation: CheckedContinuation<TakeoverPeers.Answer?, Never>
        var limit: Task<Void, Never>?

        func end(_ answer: TakeoverPeers.Answer?) {
            limit?.cancel()
            continuation.resume(returning: answer)
        }
    }

    private struct State {
        var number: UInt64 = 0
        var waiting: [UInt64: Question] = [:]
        var isSilent = false
        var isOver = false
    }

    let process: UInt64
    private let link: TakeoverLink
    private let state = Mutex(State())

    init(process: UInt64, _ link: TakeoverLink) {
        self.process = process
        self.link = link
    }

    var isSilent: Bool { state.withLock { $0.isSilent } }

    func close() { link.close() }

    /// Hands on what it says until its end.
    func run(_ onEvent: @Sendable (TakeoverPeers.Event) -> Void) {
        _ = link.run { message in
            switch message.kind {
            case .ask, .state: return false
            case .answer: answered(message)
            case .last: onEvent(.last(process, what: message.word, message.body))
            case .lines: onEvent(.lines(process, number: message.number, message.body))
            }
            if awakes() { onEvent(.awoke(process)) }
            return true
        }
        let left = state.withLock { state in
            state.isOver = true
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for question in left { question.end(nil) }
    }

    private func awakes() -> Bool {
        state.withLock { state in
            defer { state.isSilent = false }
            return state.isSilent
        }
    }

    private func answered(_ message: TakeoverMessage) {
        // The question may have been given up.
        let question = state.withLock { $0.waiting.removeValue(forKey: message.number) }
        question?.end(TakeoverPeers.Answer(process: process, status: Int(message.word) ?? 500, body: message.body))
    }

    func ask(
        _ what: String,
        body: [UInt8],
        milliseconds: Int,
        insists: Bool = false
    ) async -> TakeoverPeers.Answer? {
        await withCheckedContinuation { continuation in
            let number = state.withLock { state -> UInt64? in
                guard !state.isOver, insists || !state.isSilent else { return nil }
                state.number += 1
                state.waiting[state.number] = Question(continuation: continuation)
                return state.number
            }
            guard let number else { return continuation.resume(returning: nil) }
            let message = TakeoverMessage(kind: .ask, number: number, word: what, body: body)
            guard link.send(message) else { return giveUp(number) }
            let limit = Task { [self] in
                guard (try? await Task.sleep(for: .milliseconds(milliseconds))) != nil else { return }
                giveUp(number)
            }
            let isWaiting = state.withLock { state in
                state.waiting[number]?.limit = limit
                return state.waiting[number] != nil
            }
            if !isWaiting { limit.cancel() }
        }
    }

    private func giveUp(_ number: UInt64) {
        let question = state.withLock { state in
            let question = state.waiting.removeValue(forKey: number)
            if question != nil { state.isSilent = true }
            return question
        }
        question?.end(nil)
    }
}
