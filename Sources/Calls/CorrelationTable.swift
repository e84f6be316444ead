internal import Synchronization
internal import Wire

/// The calls of all workers whose replies come on another connection than their requests.
///
/// MCP has three kinds. A client answers a request from an event stream by a later POST. A server of the old HTTP+SSE
/// transport answers in the stream that announced its endpoint. A reply whose stream was cut off comes in the stream
/// that resumes it. Workers look into this table only if it is not empty, and only for messages of these kinds.
///
/// The key of a waiting call is the hash of its client (the announced endpoint, or the MCP session and path), its
/// direction and its id. The call stays in its own worker's call table, which counts its end and its deadline; an
/// answer that another worker found waits for that worker's next tick. Calls that do not fit are counted as `unknown`.
public final class CorrelationTable: Sendable {
    /// The most calls that wait at a time.
    public static let maxCalls = 16_384
    /// The most endpoints that are announced at a time.
    public static let maxEndpoints = 4_096

    /// The answer to a waiting call.
    package struct Answer: BitwiseCopyable, Sendable {
        package var outcome: Outcome
        /// The result code; see ``FinishedCall/code``.
        package var code: Int32
        /// The time of the answer, in nanoseconds.
        package var time: UInt64
        /// The size of the reply.
        package var byteCount: UInt64
        /// The call's number; see ``CorrelationTable/wait(_:scope:worker:now:)``.
        package var call: UInt64

        /// An answer with these facts.
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
        /// The number of open streams that announced the endpoint.
        var streams = 0
        /// The time of the last activity on one of them.
        var lastActivity: UInt64
    }

    private struct State {
        var lastCall: UInt64 = 0
        var waiting: [UInt64: Waiting] = [:]
        var endpoints: [UInt64: Endpoint] = [:]
        /// Answers that workers have not taken yet; at most one for each call that waited.
        var answers: [[Answer]] = []

        /// Leaves an answer for the worker of the call.
        mutating func post(_ answer: Answer, _ waiting: Waiting) {
            var answer = answer
            answer.call = waiting.call
            answers[waiting.worker].append(answer)
        }
    }

    private let state = Mutex(State())
    /// The number of waiting calls and announced endpoints.
    private let used = Atomic<Int>(0)

    /// An empty table.
    public init() {}

    /// True if nothing waits and nothing is announced; one load, so that workers can check it first.
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
    /// - Returns: True if there was room for it.
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

    /// The time of the last activity on a stream that announced the endpoint; `nil` if there is none.
    package func lastActivity(_ endpoint: UInt64) -> UInt64? {
        state.withLock { $0.endpoints[endpoint]?.lastActivity }
    }

    /// True if a stream that announced the endpoint is open.
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
    ///   - key: The result of ``key(_:direction:id:)``.
    ///   - scope: Its scope.
    ///   - worker: The worker of the call.
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
    /// - Returns: True if a call waited for it.
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
    ///   - scope: The client's distinguishing facts.
    ///   - direction: The way of its request, as the client of the connection sees it.
    ///   - id: Its id's key.
    /// - Returns: Equal for what belongs together.
    package static func key(_ scope: UInt64, direction: Direction, id: UInt64) -> UInt64 {
        var hash = ByteHash(seed: ByteHash.processSeed)
        hash.combine(scope)
        hash.combine(id ^ UInt64(direction.rawValue))
        return hash.value
    }
}
