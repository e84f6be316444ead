import Calls
import Telemetry
import TestSupport
import Testing

@Suite struct AllocationTests {
    @Test("a call whose kind was seen before costs no allocation") func steadyState() {
        let bench = Bench()
        let recorder = bench.recorder
        let operations = (0..<50).map { bench.operation("m\($0)") }
        let names = (0..<20).map { Array("com.x.Exception\($0)".utf8) }
        func oneOfEach(_ operation: OperationID) {
            var code: Int32 = 0
            while code < 20 {
                recorder.callStarted(operation, side: .provider)
                recorder.callFinished(
                    call(operation, .serverError, code: code, nanoseconds: 1000 &<< UInt64(truncatingIfNeeded: code)),
                    wasInFlight: true
                )
                code += 1
            }
            var number = 0
            while number < names.count {
                let name = names[number]
                recorder.exception(operation, side: .provider, className: name.span.bytes)
                number += 1
            }
            recorder.lateReply(operation, side: .provider)
        }
        func round() {
            // Ranges and iterators would allocate in debug builds.
            var at = 0
            while at < operations.count {
                oneOfEach(operations[at])
                at += 1
            }
            recorder.heartbeat(side: .provider)
            recorder.heartbeatRoundTrip(side: .provider, nanoseconds: 4000)
            recorder.uninspectedBytes(10, reason: .opaque)
            recorder.loopLag(nanoseconds: 4000)
            recorder.setCallTableEntries(2)
            recorder.connectionOpened(side: .provider)
            recorder.connectionIdentified(side: .provider, from: .silent, to: .dubbo)
            recorder.connectionClosed(side: .provider, connectionProtocol: .dubbo)
            recorder.connectionRefused(reason: .limit)
            recorder.verdictPartial(.batch)
        }
        round()
        #expect(allocations { round() } == 0)
    }

    @Test("a snapshot costs the worker at most a copy of each array that is written") func snapshots() {
        let bench = Bench()
        let operation = bench.operation("m")
        bench.recorder.callFinished(call(operation), wasInFlight: false)
        let held = bench.recorder.snapshot()
        #expect(allocations { bench.recorder.callFinished(call(operation), wasInFlight: false) } <= 1)
        _ = held
        #expect(allocations { bench.recorder.callFinished(call(operation), wasInFlight: false) } == 0)
    }
}
