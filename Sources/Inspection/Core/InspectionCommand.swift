internal import Synchronization
public import Telemetry

/// A request of another thread to an ``InspectionCore``.
public enum InspectionCommand: Sendable {
    /// Hand over the numbers.
    case snapshot(@Sendable (RecorderSnapshot) -> Void)
    /// Report the open connections.
    case connections(@Sendable ([ConnectionReport]) -> Void)
    /// Look who subscribes to calls, and say when that is done.
    case subscribersChanged(@Sendable () -> Void)
    /// Other limits are in force.
    case limitsChanged
    /// Drains were started or undone.
    case drainsChanged
}

/// The way from other threads to the thread of a core.
public protocol CommandReceiver: AnyObject, Sendable {
    /// Has the core's thread handle a command soon, after those that were posted before.
    ///
    /// - Parameter command: The command.
    func post(_ command: InspectionCommand)
}

/// Commands that wait for a thread that looks for them between two pieces of its work.
public final class CommandQueue: CommandReceiver {
    private let commands = Mutex<[InspectionCommand]>([])
    private let hasCommands = Atomic<Bool>(false)

    /// An empty queue.
    public init() {}

    /// Adds a command.
    ///
    /// - Parameter command: The command.
    public func post(_ command: InspectionCommand) {
        commands.withLock { commands in
            commands.append(command)
            hasCommands.store(true, ordering: .releasing)
        }
    }

    /// Takes the commands that wait, in order; it costs one load if there are none.
    ///
    /// - Returns: The commands.
    public func take() -> [InspectionCommand] {
        guard hasCommands.load(ordering: .acquiring) else { return [] }
        return commands.withLock { commands in
            var taken: [InspectionCommand] = []
            swap(&taken, &commands)
            hasCommands.store(false, ordering: .relaxed)
            return taken
        }
    }
}

/// The receivers of all threads of a source.
public struct CommandReceivers: Sendable {
    /// The time that a question waits for a thread's answer, in nanoseconds.
    public static let answerNanoseconds: UInt64 = 100_000_000

    /// The receivers, one a thread.
    public let all: [any CommandReceiver]

    /// Those receivers.
    ///
    /// - Parameter all: The receivers, one a thread.
    public init(_ all: [any CommandReceiver]) { self.all = all }

    /// Posts a command to every thread.
    ///
    /// - Parameter command: The command.
    public func post(_ command: InspectionCommand) {
        for receiver in all { receiver.post(command) }
    }

    /// Asks every thread at once.
    ///
    /// - Parameter command: Makes the command of one thread, which calls the given function with its answer.
    /// - Returns: The answers by thread; `nil` for each that is not there after ``answerNanoseconds``.
    public func ask<Answer: Sendable>(
        _ command: (@escaping @Sendable (Answer) -> Void) -> InspectionCommand
    ) async -> [Answer?] {
        let gathering = AnswerGathering<Answer>(count: all.count)
        for (index, receiver) in all.enumerated() {
            receiver.post(command { gathering.answer($0, from: index) })
        }
        let limit = Task {
            try? await Task.sleep(nanoseconds: Self.answerNanoseconds)
            gathering.giveUp()
        }
        let answers = await gathering.wait()
        limit.cancel()
        return answers
    }
}

/// The answers of several threads to one question, until all are there or the asker gives up.
private final class AnswerGathering<Answer: Sendable>: Sendable {
    private struct State {
        var answers: [Answer?]
        var missing: Int
        var continuation: CheckedContinuation<[Answer?], Never>?
        var isOver: Bool
    }

    private let state: Mutex<State>

    init(count: Int) {
        let answers = [Answer?](repeating: nil, count: count)
        state = Mutex(State(answers: answers, missing: count, continuation: nil, isOver: count == 0))
    }

    func answer(_ answer: Answer, from index: Int) {
        finish { state in
            guard !state.isOver else { return false }
            state.answers[index] = answer
            state.missing -= 1
            return state.missing == 0
        }
    }

    func giveUp() { finish { !$0.isOver } }

    func wait() async -> [Answer?] {
        await withCheckedContinuation { continuation in
            let ready: [Answer?]? = state.withLock { state in
                guard !state.isOver else { return state.answers }
                state.continuation = continuation
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }

    private func finish(_ isComplete: (inout State) -> Bool) {
        let done: (CheckedContinuation<[Answer?], Never>, [Answer?])? = state.withLock { state in
            guard isComplete(&state) else { return nil }
            state.isOver = true
            guard let continuation = state.continuation else { return nil }
            state.continuation = nil
            return (continuation, state.answers)
        }
        if let done { done.0.resume(returning: done.1) }
    }
}
