internal import Synchronization
internal import Wire

/// Calls whose replies come on another connection than they did, of all workers of a process.
///
/// MCP has three kinds: what a server asks its client in an event stream is answered by a later POST; calls of the old
/// HTTP+SSE transport are answered in the stream that announced their endpoint; a reply that a stream was cut off
/// before comes in the stream that takes it up again. Workers ask this table only when it is not empty, and only about
/// messages of these kinds.
///
/// A call waits here under the hash of what distinguishes its client (the announced endpoint, or the MCP session and
/// path), of its direction and of its id. It stays in its own worker's call table, which counts its end and its
/// deadline; an answer that another worker found waits for that worker's next tick. Whatever does not fit is counted as
/// `unknown`.
public final class CorrelationTable: Sendable {
    /// The most calls that wait at a time.
    public static let maxCalls = 16_384
    /// The most endpoints that are announced at a time.
    public static let maxEndpoints = 4_096

    /// What became of a call.
    package struct Answer: BitwiseCopyable, Sendable {
        package var outcome: Outcome
        /// As ``FinishedCall/code``.
        package var code: Int32
        /// When it was known, in nanoseconds.
        package var time: UInt64
        /// How long the reply is.
        package var byteCount: UInt64
        /// The call's number; see ``CorrelationTable/wait(_:scope:worker:now:)``.
        package var call: UInt64

        /// What became of a call.
        package init(outcome: Outcome, code: Int32, time: UInt64, byteCount: UInt64, call: UInt64 = 0) {
            self.outcome = outcome
            self.code = code
            self.time = time
            self.byteCount = byteCount
            self.call = call
        }
    }

    private struct Waiting: BitwiseCopyable {
        var call: UInt64
        var scope: UInt64
        var worker: Int
    }

    private struct Endpoint {
        /// How many streams announced it.
        var streams = 0
        /// When anything came in one of them last.
        var lastActivity: UInt64
    }

    private struct State {
        var lastCall: UInt64 = 0
        var waiting: [UInt64: Waiting] = [:]
        var endpoints: [UInt64: Endpoint] = [:]
        /// Answers that workers have not taken yet; at most one for each call that waited.
        var answers: [[Answer]] = []

        /// Leaves an answer for the worker whose call it answers.
        mutating func post(_ answer: Answer, _ waiting: Waiting) {
            var answer = answer
            answer.call = waiting.call
            answers[waiting.worker].append(answer)
        }
    }

    private let state = Mutex(State())
    /// How many calls wait and endpoints are announced.
    private let used = Atomic<Int>(0)

    /// An empty table.
    public init() {}

    /// Whether anything waits or is announced: one load, for workers to ask first.
    public var isEmpty: Bool { used.load(ordering: .relaxed) == 0 }

    /// A worker takes part.
    ///
    /// - Returns: Its number.
    package func join() -> Int {
        state.withLock { state in
            state.answers.append([])
            return state.answers.count - 1
        }
    }

    // MARK: Endpoints

    /// A stream announces where its client is to post.
    ///
    /// - Returns: Whether there was room for it.
    package func announce(_ endpoint: UInt64, now: UInt64) -> Bool {
        state.withLock { state in
            guard state.endpoints[endpoint] != nil || state.endpoints.count < Self.maxEndpoints else { return false }
            state.endpoints[endpoint, default: Endpoint(lastActivity: now)].streams += 1
            note(state)
            return true
        }
    }

    /// Something came in a stream that announced an endpoint.
    package func touch(_ endpoint: UInt64, now: UInt64) {
        state.withLock { $0.endpoints[endpoint]?.lastActivity = now }
    }

    /// When something came last in a stream that announced an endpoint; `nil` if there is none.
    package func lastActivity(_ endpoint: UInt64) -> UInt64? {
        state.withLock { $0.endpoints[endpoint]?.lastActivity }
    }

    /// Whether a stream is open that announced that endpoint.
    package func isAnnounced(_ endpoint: UInt64) -> Bool { state.withLock { $0.endpoints[endpoint] != nil } }

    /// A stream that announced an endpoint has ended: with the last one go the calls that waited for it.
    package func withdraw(_ endpoint: UInt64, as outcome: Outcome, now: UInt64) {
        state.withLock { state in
            guard let streams = state.endpoints[endpoint]?.streams else { return }
            if streams > 1 {
                state.endpoints[endpoint]?.streams = streams - 1
            } else {
                state.endpoints[endpoint] = nil
                let gone = Answer(outcome: outcome, code: ResultCode.none, time: now, byteCount: 0)
                for (key, waiting) in state.waiting where waiting.scope == endpoint {
                    state.waiting[key] = nil
                    state.post(gone, waiting)
                }
            }
            note(state)
        }
    }

    // MARK: Calls

    /// A call waits for a reply under a key; one that already waits under it will not be told from it.
    ///
    /// - Parameters:
    ///   - key: What ``key(_:_:_:)`` gives.
    ///   - scope: Its scope.
    ///   - worker: Whose call it is.
    ///   - now: The time, in nanoseconds.
    /// - Returns: The call's number; 0 when there is no room.
    package func wait(_ key: UInt64, scope: UInt64, worker: Int, now: UInt64) -> UInt64 {
        state.withLock { state in
            if let old = state.waiting.removeValue(forKey: key) {
                state.post(Answer(outcome: .unknown, code: ResultCode.none, time: now, byteCount: 0), old)
            }
            guard state.waiting.count < Self.maxCalls else { return 0 }
            state.lastCall += 1
            state.waiting[key] = Waiting(call: state.lastCall, scope: scope, worker: worker)
            note(state)
            return state.lastCall
        }
    }

    /// A reply was found.
    ///
    /// - Returns: Whether a call waited for it.
    package func answer(_ key: UInt64, _ answer: Answer) -> Bool {
        state.withLock { state in
            guard let waiting = state.waiting.removeValue(forKey: key) else { return false }
            state.post(answer, waiting)
            note(state)
            return true
        }
    }

    /// A call waits no longer.
    package func forget(_ key: UInt64, call: UInt64) {
        state.withLock { state in
            guard state.waiting[key]?.call == call else { return }
            state.waiting[key] = nil
            note(state)
        }
    }

    /// The answers to a worker's calls since the last time.
    package func takeAnswers(of worker: Int) -> [Answer] {
        state.withLock { state in
            guard !state.answers[worker].isEmpty else { return [] }
            var taken: [Answer] = []
            swap(&taken, &state.answers[worker])
            return taken
        }
    }

    private func note(_ state: borrowing State) {
        used.store(state.waiting.count + state.endpoints.count, ordering: .relaxed)
    }

    /// The key of a call.
    ///
    /// - Parameters:
    ///   - scope: What distinguishes its client.
    ///   - direction: The way of its request, as the client of the connection sees it.
    ///   - id: Its id's key.
    /// - Returns: Equal for what belongs together.
    package static func key(_ scope: UInt64, _ direction: Direction, _ id: UInt64) -> UInt64 {
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(scope)
        hash.combine(id ^ UInt64(direction.rawValue))
        return hash.value
    }
}
