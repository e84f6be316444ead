import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct SamplerTests {
    private let registry = OperationRegistry(capacity: 10)
    private let second: UInt64 = 1_000_000_000

    private func operation(_ method: String) -> OperationID {
        registry.intern(
            Operation(callProtocol: .dubbo, interface: "a.B", version: "", group: "", method: method)
        )
    }

    private func sampler(_ change: (inout SamplingOptions) -> Void = { _ in }) -> Sampler {
        var options = SamplingOptions()
        change(&options)
        return Sampler(options: options, registry: registry)
    }

    @Test("the caller's decision is followed, whatever the ratio")
    func parent() {
        let sampler = sampler { $0.ratio = 0 }
        let place = operation("place")
        #expect(sampler.samples(.sampled, operation: place, random: .max, now: 0))
        #expect(!sampler.samples(.notSampled, operation: place, random: 0, now: 0))
        #expect(!sampler.samples(.deferred, operation: place, random: 0, now: 0))
        let own = self.sampler {
            $0.isParentBased = false
            $0.ratio = 1
        }
        #expect(own.samples(.notSampled, operation: place, random: .max, now: 0))
    }

    @Test("a ratio holds over many random ids", arguments: [0, 0.001, 0.25, 0.999, 1])
    func ratio(_ ratio: Double) {
        let sampler = sampler { $0.ratio = ratio }
        let place = operation("place")
        var random = SeededRandom(seed: 7)
        let count = 100_000
        let sampled = (0..<count).count { _ in
            sampler.samples(.deferred, operation: place, random: random.next(), now: 0)
        }
        // Five standard deviations.
        let bound = 5 * (Double(count) * ratio * (1 - ratio)).squareRoot()
        #expect(abs(Double(sampled) - Double(count) * ratio) <= bound)
    }

    @Test("at most so many a second and operation, each for itself")
    func rate() {
        let sampler = sampler { $0.ratePerOperation = 3 }
        let (place, find) = (operation("place"), operation("find"))
        for start in [0, 5 * second, 6 * second] {
            let taken = (0..<10).map { sampler.samples(.deferred, operation: place, random: 0, now: start + $0) }
            #expect(taken == [true, true, true] + [Bool](repeating: false, count: 7))
            #expect(sampler.samples(.deferred, operation: find, random: 0, now: start))
        }
        #expect(sampler.samples(.sampled, operation: place, random: 0, now: 6 * second + 20))
    }

    @Test("less than one a second")
    func slowRate() {
        let sampler = sampler { $0.ratePerOperation = 0.25 }
        let place = operation("place")
        let taken = (0..<12).filter { sampler.samples(.deferred, operation: place, random: 0, now: $0 * second) }
        #expect(taken == [0, 4, 8])
    }

    @Test("a collector's strategies replace ratio and rate, and are given up again")
    func strategies() {
        let sampler = sampler { $0.ratio = 0 }
        let (place, find, list) = (operation("place"), operation("find"), operation("list"))
        sampler.adopt(SamplingStrategies(fallback: .ratio(0), lowerBoundPerSecond: 1, ratios: ["a.B/place": 1]))
        #expect((0..<5).allSatisfy { sampler.samples(.deferred, operation: place, random: .max, now: $0) })
        #expect((0..<5).map { sampler.samples(.deferred, operation: find, random: .max, now: $0) }.count { $0 } == 1)
        #expect(!sampler.samples(.notSampled, operation: place, random: 0, now: 0))
        sampler.adopt(SamplingStrategies(fallback: .perSecond(2), ratios: ["a.B/place": 0]))
        let taken = (0..<6).map {
            sampler.samples(.deferred, operation: $0 % 2 == 0 ? list : find, random: .max, now: $0)
        }
        #expect(taken == [true, true, false, false, false, false])
        #expect(!sampler.samples(.deferred, operation: place, random: 0, now: 2 * second))
        sampler.adopt(nil)
        #expect(!sampler.samples(.deferred, operation: place, random: 0, now: 0))
    }

    @Test("errors and slow calls are kept, so many a second")
    func keeping() {
        let sampler = sampler {
            $0.keepsErrors = true
            $0.keepSlowerNanoseconds = 1000
            $0.keepRate = 2
        }
        func call(_ outcome: Outcome, _ duration: UInt64) -> FinishedCall {
            FinishedCall(
                operation: operation("place"),
                side: .provider,
                outcome: outcome,
                code: 20,
                startNanoseconds: 0,
                durationNanoseconds: duration,
                requestBytes: 1,
                responseBytes: 1
            )
        }
        #expect(!sampler.keeps(call(.ok, 1000), now: 0))
        #expect(!sampler.keeps(call(.businessError, 10), now: 0))
        #expect(sampler.keeps(call(.ok, 1001), now: 0))
        #expect(sampler.keeps(call(.timeout, 5), now: 1))
        #expect(!sampler.keeps(call(.serverError, 5), now: 2))
        #expect(sampler.keeps(call(.serverError, 5), now: second))
        #expect(!self.sampler().keeps(call(.serverError, 5), now: 0))
    }
}
