import Calls
import Foundation
import Inspection
import Relay
import Synchronization
import Testing
import Wire

/// How many heap allocations the calling thread has made: of CAllocCount, which TestSupport brings along.
@_silgen_name("alloc_count")
private func allocationCount() -> UInt64

/// Notes the allocations of the relay's thread whenever it is given bytes.
private final class AllocationProbe: ProtocolSession, Sendable {
    let count = Atomic<UInt64>(0)

    func receive(_ bytes: RawSpan, going direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        count.store(allocationCount(), ordering: .sequentiallyConsistent)
        plan.forwardAll(endsAtBoundary: true)
    }

    func ended(_ direction: Direction, in context: ConnectionContext, plan: inout Plan) {
        plan.forwardAll(endsAtBoundary: true)
    }
}

extension RelaySocketTests {
    @Suite("Allocations of the relay", .timeLimit(.minutes(10)), .enabled(if: !ThisProcess.isSanitized))
    struct RelayAllocationTests {
        @Test("reads, writes and counted calls allocate nothing once a connection is warm")
        func steadyState() async throws {
            let probe = AllocationProbe()
            let listener = try TestListener()
            let isProbe = Atomic<Bool>(true)
            let harness = try Harness(
                to: listener,
                makeSession: { inspector, side in
                    isProbe.exchange(false, ordering: .relaxed)
                        ? inspector.open(side: side, as: probe)
                        : inspector.open(side: side)
                }
            )
            let probing = try harness.pair(listener)
            func allocations() throws -> UInt64 {
                try probing.client.write([1])
                _ = try probing.server.read(exactly: 1)
                return probe.count.load(ordering: .sequentiallyConsistent)
            }
            let (client, server) = try harness.pair(listener)
            let call = DubboFrames.call
            func calls(_ count: Int) throws {
                for number in 0..<count {
                    // Sometimes a message comes in two reads.
                    let cut = number % 10 == 0 ? 100 : call.request.count
                    try client.write(call.request[..<cut])
                    if cut < call.request.count {
                        _ = try server.read(exactly: cut)
                        try client.write(call.request[cut...])
                        _ = try server.read(exactly: call.request.count - cut)
                    } else {
                        _ = try server.read(exactly: cut)
                    }
                    try server.write(call.reply)
                    _ = try client.read(exactly: call.reply.count)
                }
            }
            try calls(2000)
            _ = try allocations()
            let before = try allocations()
            try calls(1000)
            let made = try allocations() - before
            #if DEBUG
                // Not optimised, closures and temporary arrays are on the heap: a bound against growth only.
                #expect(made < 100_000)
            #else
                // New duration buckets may be met on the way, no more.
                #expect(made <= 8, "\(made) allocations for 1,000 calls")
            #endif
            await harness.stop()
        }
    }
}
