import Calls
import Glibc
import Policy
import Synchronization
import Testing

/// A clock that also leaves the time it told to a thread with that thread.
private final class RecordingClock: Sendable {
    let key: pthread_key_t
    private let ticks = Atomic<UInt64>(0)
    private let isReal: Bool

    init(isReal: Bool) {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        self.key = key
        self.isReal = isReal
    }

    deinit { pthread_key_delete(key) }

    var read: LimitClock {
        { [self] in
            let time = isReal ? monotonic() : ticks.wrappingAdd(3, ordering: .relaxed).newValue
            pthread_setspecific(key, UnsafeRawPointer(bitPattern: UInt(time)))
            return time
        }
    }

    /// What this thread was told last.
    var lastTold: UInt64 { UInt64(UInt(bitPattern: pthread_getspecific(key))) }
}

/// Runs `body` on so many threads at a time and waits for all.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Work {
        let index: Int
        let body: @Sendable (Int) -> Void
        init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.index = index
            self.body = body
        }
    }
    var threads: [pthread_t] = []
    for index in 0..<count {
        var thread = pthread_t()
        let work = Unmanaged.passRetained(Work(index, body)).toOpaque()
        let result = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                work.body(work.index)
                return nil
            },
            work
        )
        precondition(result == 0, "no thread")
        threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
}

@Suite struct ThreadTests {
    private let operations = OperationRegistry(capacity: 10)
    private var operation: OperationID {
        operations.intern(Operation(callProtocol: .dubbo, interface: "a.B", version: "", group: "", method: "m"))
    }

    @Test("several workers together keep to one limit, call by call", arguments: [false, true], [1, 50, 3000])
    func sharedWindow(isReal: Bool, limit: Int) throws {
        let clock = RecordingClock(isReal: isReal)
        // A tick is 3 ns: some windows' worth of calls pass in either time.
        let set = try LimitSet(definitions: [.sliding("a", limit, .milliseconds(1))], clock: clock.read)
        let registry = LimitRegistry(set)
        let window = millisecond
        let results = Mutex<(admitted: [UInt64], refused: [UInt64])>(([], []))
        let (operations, operation) = (operations, operation)
        let rounds = 4_000_000 / scale / 4
        onThreads(4) { _ in
            let gate = LimitGate(registry: registry, operations: operations)
            var admitted: [UInt64] = []
            var refused: [UInt64] = []
            for _ in 0..<rounds {
                if case .admitted = gate.decide(operation, side: .provider) {
                    admitted.append(clock.lastTold)
                } else {
                    refused.append(clock.lastTold)
                }
            }
            results.withLock {
                $0.admitted += admitted
                $0.refused += refused
            }
        }
        let (admitted, refused) = results.withLock { ($0.admitted.sorted(), $0.refused.sorted()) }
        #expect(admitted.count + refused.count == rounds * 4)
        var tooMany = 0
        for index in admitted.indices.dropFirst(limit) where admitted[index] - admitted[index - limit] < window {
            tooMany += 1
        }
        #expect(tooMany == 0)
        var tooFew = 0
        var passed = 0
        for time in refused {
            while passed < admitted.count, admitted[passed] <= time { passed += 1 }
            if passed < limit || time - admitted[passed - limit] >= window { tooFew += 1 }
        }
        #expect(tooFew == 0)
        let counts = set.limits[0].counts
        #expect(counts.allowed == UInt64(admitted.count) && counts.rejected == UInt64(refused.count))
    }

    @Test("limits that apply together are charged together, whatever the workers do")
    func allOrNothing() throws {
        let definitions: [LimitDefinition] = [
            .sliding("a", 40, .milliseconds(1)), .fixed("b", 35, .milliseconds(1)), .concurrency("c", 6),
            .bucket("d", rate: 20, burst: 30, per: .milliseconds(1)), .sliding("e", 70_000),
        ]
        let set = try LimitSet(definitions: definitions, clock: monotonic)
        let registry = LimitRegistry(set)
        let (operations, operation) = (operations, operation)
        let most = Atomic<Int>(0)
        let inFlight = Atomic<Int>(0)
        onThreads(4) { _ in
            let gate = LimitGate(registry: registry, operations: operations)
            var held: [LimitToken] = []
            for round in 0..<2_000_000 / scale / 4 {
                if case .admitted(let token) = gate.decide(operation, side: .provider) {
                    let now = inFlight.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
                    if now > most.load(ordering: .relaxed) { most.store(now, ordering: .relaxed) }
                    held.append(token)
                }
                if held.count > 2 || round % 7 == 0, let token = held.popLast() {
                    inFlight.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                    gate.release(token)
                }
            }
            for token in held {
                inFlight.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                gate.release(token)
            }
        }
        #expect(most.load(ordering: .relaxed) <= 6)
        let counts = set.limits.map(\.counts)
        #expect(Set(counts.map(\.allowed)).count == 1, "\(counts)")
        let calls = 2_000_000 / scale / 4 * 4
        #expect(Int(counts[0].allowed) + counts.reduce(0) { $0 + Int($1.rejected) } == calls)
    }

    @Test("limits may be replaced while workers use them")
    func reload() throws {
        let definitions: [LimitDefinition] = [.sliding("a", 100, .milliseconds(1)), .concurrency("b", 5)]
        let registry = LimitRegistry(try LimitSet(definitions: definitions, clock: monotonic))
        let (operations, operation) = (operations, operation)
        let done = Atomic<Int>(0)
        onThreads(4) { index in
            if index == 0 {
                var round = 0
                while done.load(ordering: .relaxed) < 3 {
                    round += 1
                    // The order changes, and the second limit every third time.
                    let second = LimitDefinition.concurrency("b", 5 + round % 3 / 2)
                    let changed = round % 2 == 0 ? [definitions[0], second] : [second, definitions[0]]
                    _ = try? registry.replace(definitions: changed)
                    usleep(50)
                }
                return
            }
            let gate = LimitGate(registry: registry, operations: operations)
            for _ in 0..<1_000_000 / scale / 4 {
                if case .admitted(let token) = gate.decide(operation, side: .provider) { gate.release(token) }
            }
            done.wrappingAdd(1, ordering: .relaxed)
        }
        let set = registry.current
        #expect(set.limits.count == 2)
        let gate = LimitGate(registry: registry, operations: operations)
        usleep(2000)
        // Nothing is held any more.
        guard case .admitted = gate.decide(operation, side: .provider, calls: 5) else {
            Issue.record("calls that have ended still count")
            return
        }
    }

    @Test("what a decision costs when four workers want the same limit")
    func contention() throws {
        let set = try LimitSet(definitions: [.sliding("a", 65_536, .milliseconds(1))], clock: monotonic)
        let registry = LimitRegistry(set)
        let (operations, operation) = (operations, operation)
        let rounds = 4_000_000 / scale / 4
        let start = monotonic()
        onThreads(4) { _ in
            let gate = LimitGate(registry: registry, operations: operations)
            for _ in 0..<rounds { _ = gate.decide(operation, side: .provider) }
        }
        print(
            "ns of wall time a decision, four workers on one limit: \(Double(monotonic() - start) / Double(rounds * 4))"
        )
        #expect(set.limits[0].counts.allowed + set.limits[0].counts.rejected == UInt64(rounds * 4))
    }
}
