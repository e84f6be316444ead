import Calls
import Testing

@testable import Inspection

@Suite struct CallSampleTests {
    private func context(_ low: UInt64) -> TraceContext {
        TraceContext(traceID: TraceID(high: 7, low: low), spanID: 1, decision: .sampled)
    }

    @Test("all calls of a trace are chosen or none, and as many traces as asked for", arguments: [0.0, 0.1, 0.5, 0.99])
    func traces(share: Double) {
        var (first, second) = (CallSample(share: share), CallSample(share: share))
        var chosen = 0
        // Ids that somebody numbers, and ids that differ in their highest bytes only.
        for id in (1...5000 as ClosedRange<UInt64>).flatMap({ [$0, $0 << 48 | 1] }) {
            let isChosen = first.admits(context(id))
            #expect(second.admits(context(id)) == isChosen)
            if isChosen { chosen += 1 }
        }
        #expect(abs(Double(chosen) / 10_000 - share) < 0.02, "\(chosen)")
    }

    @Test("calls without a trace are chosen by chance; a share of 1 is all of them")
    func chance() {
        var (half, all, none) = (CallSample(share: 0.5), CallSample(share: 1), CallSample(share: 0))
        let chosen = (0..<10_000).count { _ in half.admits(nil) }
        // Ten standard deviations.
        #expect((4500...5500).contains(chosen))
        #expect((0..<100).allSatisfy { _ in all.admits(nil) && !none.admits(nil) })
    }
}
