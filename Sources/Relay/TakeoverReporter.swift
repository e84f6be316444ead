internal import Clocks
internal import Inspection
internal import Synchronization

/// The reports of a process that was taken over from: it answers its successor, and that one's successors.
///
/// It runs on a thread of its own until it is stopped. When the connection ends it looks for the next successor, after
/// 10 ms and then less and less often, once a second at least.
public final class TakeoverReporter: Sendable {
    /// A question of the successor.
    public struct Question: Sendable {
        /// Its number, to which ``TakeoverReporter/send(lines:of:)`` refers.
        public var number: UInt64
        /// Its name: a word.
        public var what: String
        /// Its body.
        public var body: [UInt8]
    }

    /// An answer: an HTTP status and a body of at most 16 MiB.
    public typealias Answer = (status: Int, body: [UInt8])

    /// The most questions that are answered at a time; a successor that asks more breaks the rules.
    static let maxQuestions = 256
    private let loop: ReporterLoop

    /// Starts to answer.
    ///
    /// - Parameters:
    ///   - port: The port of the first relay listener, by which the processes find each other.
    ///   - process: What tells this process from others: a number that it drew at its start.
    ///   - answer: Answers a question, several at a time.
    ///   - onEnd: Told that a successor no longer asks, on the thread.
    /// - Throws: ``TakeoverError/system(_:)`` when the system is out of something.
    public init(
        port: UInt16,
        process: UInt64,
        answer: @escaping @Sendable (Question) async -> Answer,
        onEnd: @escaping @Sendable () -> Void = {}
    ) throws(TakeoverError) {
        guard let stop = Mailbox() else { throw .system("no event descriptor") }
        let loop = ReporterLoop(port: port, process: process, stop: stop, answer: answer, onEnd: onEnd)
        let result = Linux.startThread(named: "weir-reports") { loop.run() }
        guard result >= 0 else { throw .system(Linux.message(result)) }
        self.loop = loop
    }

    /// Sends more of what a question asked for.
    ///
    /// - Parameters:
    ///   - lines: What there is, 16 MiB at most.
    ///   - number: The question's number.
    /// - Returns: True if a successor is there and does not have too much waiting for it.
    public func send(lines: [UInt8], of number: UInt64) -> Bool {
        loop.send(TakeoverMessage(kind: .lines, number: number, word: "200", body: lines))
    }

    /// True if lines of calls may be sent: little enough waits.
    public var hasRoom: Bool { loop.waitingBytes < CallSubscription.bufferBytes }

    /// Gives the last answers and answers no more; returns when that is done, or after three seconds in which no
    /// successor was there.
    ///
    /// - Parameter last: The answers to questions that may still be asked.
    public func stop(last: [(what: String, answer: [UInt8])]) async { await loop.stop(last) }
}

/// The reporter's thread.
private final class ReporterLoop: Sendable {
    private struct State {
        var link: TakeoverLink?
        var questions = 0
        var last: [(what: String, answer: [UInt8])]?
        var stopTime: UInt64?
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private static let firstPauseMilliseconds: Int32 = 10
    private static let longestPauseMilliseconds: Int32 = 1000
    /// The longest time to send the first message.
    private static let sendMilliseconds: Int32 = 5000
    /// The longest time that a stopped process looks for a receiver of its last numbers.
    private static let farewellNanoseconds: UInt64 = 3_000_000_000

    private let name: String
    private let process: UInt64
    private let stopped: Mailbox
    private let answer: @Sendable (TakeoverReporter.Question) async -> TakeoverReporter.Answer
    private let onEnd: @Sendable () -> Void
    private let state = Mutex(State())

    init(
        port: UInt16,
        process: UInt64,
        stop: Mailbox,
        answer: @escaping @Sendable (TakeoverReporter.Question) async -> TakeoverReporter.Answer,
        onEnd: @escaping @Sendable () -> Void
    ) {
        name = TakeoverWords.name(port)
        self.process = process
        stopped = stop
        self.answer = answer
        self.onEnd = onEnd
    }

    func send(_ message: TakeoverMessage) -> Bool { state.withLock { $0.link }?.send(message) ?? false }

    var waitingBytes: Int { state.withLock { $0.link }?.bytes ?? 0 }

    func stop(_ last: [(what: String, answer: [UInt8])]) async {
        state.withLock { state in
            state.last = last
            state.stopTime = SystemClock.now()
            if let link = state.link { Self.sendLastAnswers(last, link) }
        }
        Linux.signal(stopped.event)
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    private static func sendLastAnswers(_ last: [(what: String, answer: [UInt8])], _ link: TakeoverLink) {
        for (what, answer) in last {
            link.send(TakeoverMessage(kind: .last, number: 0, word: what, body: answer))
        }
        link.finish()
    }

    func run() {
        var isPredecessor = true
        while let link = nextSuccessor(isPredecessor) {
            isPredecessor = false
            let end = link.run { asked($0, link) }
            state.withLock { $0.link = nil }
            onEnd()
            if end == .closed { break }
        }
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Finds the process that has the name; `nil` when there is to be none.
    private func nextSuccessor(_ isPredecessor: Bool) -> TakeoverLink? {
        var pause = Self.firstPauseMilliseconds
        while true {
            if let link = connect(isPredecessor) { return link }
            let stopTime = state.withLock { $0.stopTime }
            if let stopTime {
                guard SystemClock.now() < stopTime + Self.farewellNanoseconds else { return nil }
                pause = min(pause, 100)
                _ = Linux.wait(-1, stop: -1, milliseconds: pause)
            } else if case .stopped = Linux.wait(-1, stop: stopped.event, milliseconds: pause) {
                Linux.clear(stopped.event)
            }
            pause = min(pause * 2, Self.longestPauseMilliseconds)
        }
    }

    private func connect(_ isPredecessor: Bool) -> TakeoverLink? {
        let descriptor = Linux.localConnect(name)
        guard descriptor >= 0 else { return nil }
        let channel = TakeoverChannel(owning: descriptor)
        do throws(TakeoverError) {
            try channel.checkPeer()
            let hello = TakeoverPacket.hello(process, isPredecessor: isPredecessor)
            try channel.send(hello, milliseconds: Self.sendMilliseconds)
        } catch {
            // It is no process to report to.
            return nil
        }
        guard let link = TakeoverLink(owning: channel.release()) else { return nil }
        state.withLock { state in
            state.link = link
            state.questions = 0
            if let last = state.last { Self.sendLastAnswers(last, link) }
        }
        return link
    }

    /// Has a question answered.
    private func asked(_ message: TakeoverMessage, _ link: TakeoverLink) -> Bool {
        guard message.kind == .ask else { return false }
        let isAllowed = state.withLock { state in
            state.questions += 1
            return state.questions <= TakeoverReporter.maxQuestions
        }
        guard isAllowed else { return false }
        let question = TakeoverReporter.Question(number: message.number, what: message.word, body: message.body)
        Task { [self] in
            let (status, body) = await answer(question)
            state.withLock { state in
                if state.link === link { state.questions -= 1 }
            }
            link.send(TakeoverMessage(kind: .answer, number: message.number, word: "\(status)", body: body))
        }
        return true
    }
}
