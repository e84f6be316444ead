import Calls
import Glibc
import Policy
import Synchronization
import Testing

/// Limits of two sets that share their memory, as two processes do.
@Suite struct SharingTests {
    /// What another process would get.
    private func inherited(_ registry: LimitRegistry) -> InheritedLimits {
        registry.withDescriptors { descriptors in InheritedLimits(descriptors: descriptors.map { dup($0) }) }
    }

    /// The mappings of what another process would get, to be written to.
    private func mappings(_ registry: LimitRegistry) -> [UnsafeMutableRawBufferPointer] {
        registry.withDescriptors { descriptors in
            descriptors.map { descriptor in
                var status = stat()
                fstat(descriptor, &status)
                let size = Int(status.st_size)
                let start = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
                return UnsafeMutableRawBufferPointer(start: start, count: size)
            }
        }
    }

    private func unmap(_ mappings: [UnsafeMutableRawBufferPointer]) {
        for mapping in mappings { munmap(mapping.baseAddress, mapping.count) }
    }

    private static let definitions: [LimitDefinition] = [
        .sliding("sliding", 40, .milliseconds(3)), .fixed("fixed", 35, .milliseconds(3)),
        .bucket("bucket", rate: 30, burst: 33, per: .milliseconds(3)), .concurrency("flight", 12),
        .sliding("parts", 70_000, .milliseconds(3)),
        LimitDefinition.sliding("per-caller", 11, .milliseconds(3)).with {
            $0.keys = [.caller]; $0.maxKeys = 6
        },
        LimitDefinition.concurrency("flight-per-caller", 5).with {
            $0.keys = [.caller]; $0.maxKeys = 6
        },
        LimitDefinition.bucket("bucket-per-caller", rate: 20, burst: 20, per: .milliseconds(3)).with {
            $0.keys = [.caller]; $0.maxKeys = 50
        },
    ]

    @Test("two mappings of the same memory decide as one does", arguments: [1, 2, 3] as [UInt64])
    func sameWindows(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let first = try Bench(Self.definitions)
        let clock = first.clock
        let second = LimitRegistry(
            try LimitSet(definitions: Self.definitions, inheriting: inherited(first.registry), clock: clock.read)
        )
        let gate = LimitGate(registry: second, operations: first.operations)
        let reference = try Bench(Self.definitions)
        var held: [(inFirst: Bool, LimitToken, LimitToken)] = []
        let operation = first.operation()
        for round in 0..<6000 {
            clock.now += UInt64.random(in: 0...150_000, using: &random)
            reference.clock.now = clock.now
            let caller = "c\(Int.random(in: 0..<9, using: &random))"
            let calls = Int.random(in: 1...3, using: &random)
            let inFirst = Bool.random(using: &random)
            let expected = reference.decide(caller: caller, calls: calls)
            let decision: LimitDecision
            if inFirst {
                decision = first.decide(operation, caller: caller, calls: calls)
            } else {
                let bytes = Array(caller.utf8)
                gate.begin(operation, side: .provider)
                gate.note(caller: bytes.span.bytes)
                decision = gate.decide(calls: calls)
            }
            if case .admitted(let one) = expected, case .admitted(let other) = decision {
                held.append((inFirst, one, other))
            } else {
                #expect(expected == decision, "seed \(seed) round \(round)")
            }
            while held.count > 4 || (!held.isEmpty && Bool.random(using: &random)) {
                let (inFirst, one, other) = held.remove(at: Int.random(in: 0..<held.count, using: &random))
                reference.gate.release(one)
                if inFirst { first.gate.release(other) } else { gate.release(other) }
            }
        }
        let counts = reference.registry.current.limits.map(\.counts)
        #expect(first.registry.current.limits.map(\.counts) == counts)
        #expect(second.current.limits.map(\.counts) == counts)
        #expect(second.current.isShareable && counts.contains { $0.rejected > 0 })
    }

    @Test("a limit that is another begins anew, and its counters go on")
    func changed() throws {
        let bench = try Bench([.sliding("same", 3), .sliding("other", 3)])
        #expect(bench.passes() && bench.passes())
        let set = try LimitSet(
            definitions: [
                .sliding("same", 3).with { $0.mode = .observe }, .sliding("other", 4), .sliding("new", 1),
            ],
            inheriting: inherited(bench.registry),
            clock: bench.clock.read
        )
        #expect(set.limits.map(\.counts.allowed) == [2, 2, 0])
        let gate = LimitGate(registry: LimitRegistry(set), operations: bench.operations)
        #expect(gate.decide(bench.operation(), side: .provider) == .admitted(.none))
        #expect(!bench.passes())
        for _ in 0..<3 { _ = gate.decide(bench.operation(), side: .provider) }
        #expect(set["other"]?.counts.allowed == 3 && set["same"]?.counts.allowed == 3)
    }

    @Test("what another process has put in force later is taken up as well, whatever was shared before")
    func replaced() throws {
        let bench = try Bench([.sliding("a", 3), .sliding("b", 9)])
        let other = LimitRegistry(
            try LimitSet(
                definitions: [.sliding("a", 3), .sliding("b", 9)],
                inheriting: inherited(bench.registry),
                clock: bench.clock.read
            )
        )
        let gate = LimitGate(registry: other, operations: bench.operations)
        func passes() -> Bool { gate.decide(bench.operation(), side: .provider) == .admitted(.none) }
        #expect(bench.passes() && passes())
        try other.replace(definitions: [.sliding("a", 5), .sliding("b", 9)])
        try bench.registry.replace(definitions: [.sliding("a", 5), .sliding("b", 9)], inheriting: inherited(other))
        for _ in 0..<2 { #expect(bench.passes() && passes()) }
        #expect(passes() && !bench.passes() && !passes())
        #expect(bench.registry.current.limits.map(\.counts) == other.current.limits.map(\.counts))
        // The same again changes nothing; who follows limits with which nothing is shared goes on in theirs.
        try bench.registry.replace(definitions: [.sliding("a", 5), .sliding("b", 9)], inheriting: inherited(other))
        let stranger = try Bench([.sliding("a", 5)])
        try bench.registry.replace(definitions: [.sliding("a", 5)], inheriting: inherited(stranger.registry))
        #expect(bench.passes() && stranger.registry.current["a"]?.counts.allowed == 1)
        for _ in 0..<4 { #expect(stranger.passes()) }
        #expect(!bench.passes() && bench.registry.current["a"]?.counts.allowed == 5)
    }

    @Test("what is no memory of such a limit is left aside and closed")
    func strangers() throws {
        let bench = try Bench([.sliding("a", 2)])
        #expect(bench.passes() && bench.passes())
        /// Whether a set that inherits these begins anew.
        func beginsAnew(_ descriptors: [Int32]) throws -> Bool {
            let set = try LimitSet(
                definitions: [.sliding("a", 2)],
                inheriting: InheritedLimits(descriptors: descriptors),
                clock: bench.clock.read
            )
            let gate = LimitGate(registry: LimitRegistry(set), operations: bench.operations)
            return gate.decide(bench.operation(), side: .provider) == .admitted(.none)
        }
        let own = bench.registry.withDescriptors { $0 }
        #expect(own.count == 2)
        #expect(try !beginsAnew(own.map { dup($0) }) && !beginsAnew(own.reversed().map { dup($0) }))
        #expect(try beginsAnew([]) && beginsAnew([dup(own[0])]) && beginsAnew([dup(own[1])]) && beginsAnew([-1, -1]))
        var pipes: [Int32] = [0, 0]
        pipe(&pipes)
        #expect(try beginsAnew(pipes + [dup(own[1])]))
        #expect(fcntl(pipes[0], F_GETFD) == -1)
        // Memory that can shrink, and a program's worth of descriptors more than there can be.
        let loose = temporaryFile()
        ftruncate(loose, 1 << 20)
        #expect(try beginsAnew([loose]) && beginsAnew((0..<300).map { _ in open("/dev/null", O_RDONLY) }))
        #expect(try beginsAnew((0..<257).map { _ in open("/dev/null", O_RDONLY) } + own.map { dup($0) }))
        // Another magic, version, size, fingerprint: one word each in front, of both memories.
        for word in 0..<5 {
            for mapping in 0..<2 where mapping == 1 || ![2, 3].contains(word) {
                let bench = try Bench([.sliding("a", 2)])
                #expect(bench.passes() && bench.passes())
                let maps = mappings(bench.registry)
                maps[mapping].storeBytes(of: 77, toByteOffset: word * 8, as: UInt64.self)
                unmap(maps)
                let set = bench.registry.withDescriptors { $0.map { dup($0) } }
                #expect(try beginsAnew(set), "word \(word) of \(mapping)")
            }
        }
    }

    @Test("sixteen processes can share limits at a time, a seventeenth begins anew")
    func manyProcesses() throws {
        let bench = try Bench([.sliding("a", 2)])
        #expect(bench.passes() && bench.passes())
        func join() throws -> LimitSet {
            try LimitSet(
                definitions: [.sliding("a", 2)],
                inheriting: inherited(bench.registry),
                clock: bench.clock.read
            )
        }
        var sets = try (0..<16).map { _ in try join() }
        #expect(sets.map(\.limits[0].counts.allowed) == [UInt64](repeating: 2, count: 15) + [0])
        sets.removeFirst(3)
        sets.append(try join())
        #expect(sets[13].limits[0].counts.allowed == 2)
    }

    @Test("limits that stay the same keep their memory, and no descriptor is left when all are gone")
    func descriptors() throws {
        func open() -> Int { (0..<1024).count { fcntl($0, F_GETFD) != -1 } }
        _ = try Bench(Self.definitions).passes()
        let registry = LimitRegistry(try LimitSet(definitions: Self.definitions, clock: monotonic))
        let before = registry.withDescriptors { $0 }
        try registry.replace(definitions: Self.definitions.reversed() + [.sliding("more", 1)])
        let after = registry.withDescriptors { $0 }
        #expect(after.count == before.count + 1 && Set(before).isSubset(of: after))
        #expect(try LimitSet(definitions: [], clock: monotonic).isShareable)
    }

    @Test("whatever stands in the memory, decisions are made", arguments: [1, 2, 3, 4] as [UInt64])
    func garbage(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let bench = try Bench(Self.definitions)
        let clock = bench.clock
        let other = LimitRegistry(
            try LimitSet(definitions: Self.definitions, inheriting: inherited(bench.registry), clock: clock.read)
        )
        let gate = LimitGate(registry: other, operations: bench.operations)
        let operation = bench.operation()
        let maps = mappings(bench.registry)
        defer { unmap(maps) }
        for round in 0..<40_000 / min(scale, 10) {
            clock.now += UInt64.random(in: 0...100_000, using: &random)
            if round % 3 == 0, let map = maps.randomElement(using: &random) {
                // Seldom a lock: a word that says that this process holds it is waited for some seconds.
                spoil(map, &random, withLock: round % 60 == 0)
            }
            let token = bench.decide(operation, caller: "c\(Int.random(in: 0..<12, using: &random))")
            if case .admitted(let token) = token, Bool.random(using: &random) { bench.gate.release(token) }
            if case .admitted(let token) = gate.decide(operation, side: .provider) { gate.release(token) }
            if round % 500 == 0 {
                for limit in other.current.limits { #expect(limit.keysInUse <= limit.definition.maxKeys) }
                bench.registry.current.releaseEndedProcesses()
                _ = inherited(bench.registry)
            }
        }
    }

    @Test("the same while several threads decide", .timeLimit(.minutes(1)))
    func garbageMeanwhile() throws {
        let registry = LimitRegistry(try LimitSet(definitions: Self.definitions, clock: monotonic))
        let operations = OperationRegistry(capacity: 10)
        let id = operations.intern(
            Operation(callProtocol: .dubbo, interface: "a.B", version: "", group: "", method: "m")
        )
        let left = Atomic<Int>(2)
        onThreads(3) { index in
            var random = SeededGenerator(UInt64(index))
            guard index > 0 else {
                let maps = mappings(registry)
                while left.load(ordering: .relaxed) > 0 {
                    if let map = maps.randomElement(using: &random) { spoil(map, &random, withLock: false) }
                    usleep(20)
                }
                unmap(maps)
                return
            }
            let gate = LimitGate(registry: registry, operations: operations)
            for _ in 0..<200_000 / min(scale, 20) {
                let caller = Array("c\(Int.random(in: 0..<12, using: &random))".utf8)
                gate.begin(id, side: .provider)
                gate.note(caller: caller.span.bytes)
                if case .admitted(let token) = gate.decide() { gate.release(token) }
            }
            left.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    /// Writes a few random bytes, mostly near the start, where most of what matters is.
    private func spoil(
        _ map: UnsafeMutableRawBufferPointer,
        _ random: inout SeededGenerator,
        withLock: Bool = true
    ) {
        let end = [256, 1024, 4096, map.count].randomElement(using: &random) ?? map.count
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let at = Int.random(in: 0..<min(end, map.count), using: &random)
            if !withLock, 64..<72 ~= at { continue }
            map[at] = [0, 1, 0xff, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
        }
    }
}
