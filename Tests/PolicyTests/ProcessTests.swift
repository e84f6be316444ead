import Calls
import Glibc
import Policy
import Testing

/// Limits that real processes share.
@Suite(.serialized) struct ProcessTests {
    private let operations = OperationRegistry(capacity: 10)
    private var operation: OperationID {
        operations.intern(Operation(callProtocol: .dubbo, interface: "a.B", version: "", group: "", method: "m"))
    }

    /// A gate of this process, and what the clock told it last.
    private final class Own {
        final class Clock: @unchecked Sendable {
            var told: UInt64 = 0
        }
        let clock = Clock()
        let registry: LimitRegistry
        let gate: LimitGate
        var times: [UInt64] = []

        init(_ definitions: [LimitDefinition], _ operations: OperationRegistry) throws {
            let clock = clock
            registry = LimitRegistry(
                try LimitSet(
                    definitions: definitions,
                    clock: {
                        clock.told = monotonic()
                        return clock.told
                    }
                )
            )
            gate = LimitGate(registry: registry, operations: operations)
        }

        func decide(_ operation: OperationID) {
            guard case .admitted(let token) = gate.decide(operation, side: .provider) else { return }
            times.append(clock.told)
            gate.release(token)
        }
    }

    /// How many calls came too early after the `limit`-th before them.
    private func tooMany(_ times: [UInt64], _ limit: Int, _ window: UInt64) -> Int {
        let sorted = times.sorted()
        return sorted.indices.dropFirst(limit).count { sorted[$0] - sorted[$0 - limit] < window }
    }

    @Test("processes that decide at the same time keep to one limit together", .timeLimit(.minutes(2)))
    func together() throws {
        let window = 20 * millisecond
        let limits: [LimitDefinition] = [
            .sliding("a", 50, .milliseconds(20)), .fixed("b", 60, .milliseconds(20)),
            .bucket("c", rate: 55, burst: 55, per: .milliseconds(20)), .concurrency("d", 40),
            .sliding("e", 70_000, .milliseconds(20)),
        ]
        let texts = [
            "concurrency:d:40:0", "sliding:a:50:20000000", "sliding:e:70000:20000000", "bucket:c:55:20000000",
            "fixed:b:60:20000000",
        ]
        let own = try Own(limits, operations)
        let others = try (0..<3).map { _ in try DeciderProcess("decide:30000", own.registry, texts) }
        let end = monotonic() + 60 * second
        // Until each of them has had its share of a few windows, and then for a few windows more.
        var rounds = 0
        while rounds < 30_000 || (others.contains { $0.times.count < 10 } && monotonic() < end) {
            rounds += 1
            own.decide(operation)
        }
        for other in others { other.wait() }
        let shares = others.map(\.times)
        #expect(shares.allSatisfy { $0.count >= 10 } && own.times.count >= 10)
        #expect(tooMany(own.times + shares.joined(), 50, window) == 0)
        // All of them have counted in the same place.
        let counts = own.registry.current.limits.map(\.counts)
        #expect(counts.map(\.allowed) == [UInt64](repeating: UInt64(own.times.count + shares.joined().count), count: 5))
        #expect(counts.reduce(0) { $0 + $1.rejected } + counts[0].allowed == UInt64(rounds + 90_000))
    }

    @Test(
        "a process that is killed while it decides stops nobody and leaves no window too full",
        .timeLimit(.minutes(2))
    )
    func killed() throws {
        let window = 20 * millisecond
        let limits: [LimitDefinition] = [.sliding("a", 50, .milliseconds(20)), .concurrency("d", 40)]
        let own = try Own(limits, operations)
        var others: [DeciderProcess] = []
        for round in 0..<30 {
            let other = try DeciderProcess(
                "decide:100000000",
                own.registry,
                ["sliding:a:50:20000000", "concurrency:d:40:0"]
            )
            others.append(other)
            let end = monotonic() + 20 * second
            while other.written.count < 800, monotonic() < end { own.decide(operation) }
            #expect(other.times.count >= 100)
            for _ in 0..<round * 7 { own.decide(operation) }
            other.end()
        }
        let all = own.times + others.flatMap(\.times)
        #expect(tooMany(all, 50, window) == 0)
        // What they held is given back.
        usleep(150_000)
        guard case .admitted = own.gate.decide(operation, side: .provider, calls: 40) else {
            Issue.record("calls of the dead are still counted")
            return
        }
    }

    @Test("a lock that a dead process holds is taken over", .timeLimit(.minutes(1)))
    func deadHolder() throws {
        let own = try Own(
            [.sliding("a", 5, .seconds(3600)), .bucket("b", rate: 5, burst: 5, per: .seconds(3600))],
            operations
        )
        for number in 1...4 {
            let other = try DeciderProcess(
                "die:\(number)",
                own.registry,
                ["sliding:a:5:3600000000000", "bucket:b:5:3600000000000"]
            )
            other.wait()
            #expect(own.registry.current.limits[0].keysInUse == 0)
        }
        // 0, 1, 2 and 3 calls came before the ones in which they died: with these two all five are used up.
        own.decide(operation)
        #expect(own.times.isEmpty && own.registry.current.limits[0].counts.allowed == 5)
        let fresh = try Own([.sliding("a", 5, .seconds(3600))], operations)
        let other = try DeciderProcess("die:3", fresh.registry, ["sliding:a:5:3600000000000"])
        other.wait()
        for _ in 0..<10 { fresh.decide(operation) }
        #expect(fresh.times.count == 3)
    }

    @Test("a process that stands still with the lock stops no other one", .timeLimit(.minutes(1)))
    func stoppedHolder() throws {
        let own = try Own([.sliding("a", 5, .seconds(3600))], operations)
        let other = try DeciderProcess("stop:2", own.registry, ["sliding:a:5:3600000000000"])
        other.waitForStop()
        own.decide(operation)
        #expect(own.times.count == 1)
        // It goes on where it stood, and mends what it has written over.
        other.send(SIGCONT)
        #expect(other.waits(for: "on"))
        for _ in 0..<10 { own.decide(operation) }
        #expect(2...3 ~= own.times.count && own.registry.current.limits[0].keysInUse == 0)
    }

    @Test("calls in flight of a process that has died are given back", arguments: [true, false])
    func heldCalls(isAsked: Bool) throws {
        let own = try Own([.concurrency("a", 7)], operations)
        let other = try DeciderProcess("hold:5", own.registry, ["concurrency:a:7:0"])
        #expect(other.waits(for: "held"))
        guard case .admitted(let first) = own.gate.decide(operation, side: .provider),
            case .admitted(let second) = own.gate.decide(operation, side: .provider)
        else {
            Issue.record("refused")
            return
        }
        #expect(own.gate.decide(operation, side: .provider) == .refused(LimitDenied(limit: 0, retryAfter: nil)))
        other.end()
        if isAsked { own.registry.current.releaseEndedProcesses() } else { usleep(150_000) }
        guard case .admitted(let more) = own.gate.decide(operation, side: .provider, calls: 5) else {
            Issue.record("what the dead process held is still taken")
            return
        }
        #expect(own.gate.decide(operation, side: .provider) == .refused(LimitDenied(limit: 0, retryAfter: nil)))
        // Its place may be another's now, who starts with nothing.
        for token in [first, second, more] { own.gate.release(token) }
        let next = try DeciderProcess("hold:7", own.registry, ["concurrency:a:7:0"])
        #expect(next.waits(for: "held"))
    }

    @Test("where memory cannot be shared limits hold all the same, and say so")
    func withoutSharing() throws {
        let other = try DeciderProcess("private", nil, ["sliding:a:5:3600000000000"])
        #expect(other.waits(for: "false [false] 5"))
    }
}
