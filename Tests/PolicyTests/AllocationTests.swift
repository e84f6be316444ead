import Calls
import Policy
import TestSupport
import Testing

@Suite struct AllocationTests {
    @Test("a decision allocates nothing once its windows are there")
    func decisions() throws {
        // Code that is not optimised makes a box where an attachment is looked up.
        let boxes = scale == 1 ? 0 : 1000
        let definitions: [(LimitDefinition, Int)] = [
            (.sliding("a", 100), 0), (.sliding("a", 70_000, .milliseconds(1)), 0), (.fixed("a", 100), 0),
            (.bucket("a", rate: 1000, burst: 10), 0), (.concurrency("a", 3), 0),
            (LimitDefinition.sliding("a", 50).with { $0.keys = [.caller, .attachment("level"), .method] }, boxes),
            (LimitDefinition.concurrency("a", 5).with { $0.keys = [.caller] }, 0),
            (LimitDefinition.sliding("a", 50).with { $0.match.caller = .regex("^shop-(web|app)$") }, 0),
            (
                LimitDefinition.sliding("a", 50).with {
                    $0.match.caller = .glob("shop-*"); $0.mode = .observe
                }, 0
            ),
        ]
        let caller = Array("shop-web".utf8)
        let (name, value) = (Array("level".utf8), Array("guest".utf8))
        for (definition, expected) in definitions + [(.sliding("z", 100), 0)] {
            let bench = try Bench([definition, .sliding("b", 1000, .milliseconds(1)), .concurrency("c", 50)])
            let id = bench.operation()
            func call() {
                bench.clock.now += 50_000
                bench.gate.begin(id, side: .provider)
                bench.gate.note(caller: caller.span.bytes)
                bench.gate.note(attachment: name.span.bytes, value: value.span.bytes)
                if case .admitted(let token) = bench.gate.decide() { bench.gate.release(token) }
            }
            for _ in 0..<3000 { call() }
            let made = allocations { for _ in 0..<1000 { call() } }
            #expect(made == expected, "\(definition.algorithm) \(definition.keys)")
        }
    }

    @Test("a window that takes the place of an expired one uses its memory")
    func reuse() throws {
        let definition = LimitDefinition.sliding("a", 4, .milliseconds(1)).with {
            $0.keys = [.caller]; $0.maxKeys = 8
        }
        let bench = try Bench([definition])
        let id = bench.operation()
        let callers = (0..<64).map { Array("caller-\($0)".utf8) }
        func round() {
            for caller in callers {
                bench.clock.now += millisecond / 4
                bench.gate.begin(id, side: .provider)
                bench.gate.note(caller: caller.span.bytes)
                _ = bench.gate.decide()
            }
        }
        for _ in 0..<3 { round() }
        let made = allocations { for _ in 0..<10 { round() } }
        // Generic code that is not specialised makes a box for each window it begins anew.
        #expect(made == (scale == 1 ? 0 : 640))
    }

    @Test("an operation without limits costs a look-up and no memory")
    func unlimited() throws {
        let bench = try Bench([LimitDefinition.sliding("a", 1).with { $0.match.method = .exact("other") }])
        let id = bench.operation()
        _ = bench.gate.decide(id, side: .provider)
        #expect(allocations { for _ in 0..<1000 { _ = bench.gate.decide(id, side: .consumer) } } <= 20)
        #expect(allocations { for _ in 0..<1000 { _ = bench.gate.decide(id, side: .provider) } } == 0)
    }
}
