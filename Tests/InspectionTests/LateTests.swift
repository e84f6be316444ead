import Calls
import Dubbo
import HTTP2
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

extension GovernedBench {
    /// Lets the time pass: whether anything was released.
    fileprivate func release(now: UInt64) -> Bool {
        let inspector = bench.inspector
        guard inspector.isReleaseDue(now: now) else { return false }
        inspector.beginReleases()
        guard inspector.isReleaseDue(session, now: now) else { return false }
        var isReleased = false
        for direction in [Direction.toUpstream, .toDownstream] {
            bench.plan.removeAll()
            guard inspector.release(session, direction, now: now, plan: &bench.plan) else { continue }
            isReleased = true
            if direction == .toUpstream {
                let isWithin = up.take([], bench.plan)
                #expect(isWithin)
                down.addReplies(bench.plan.reply)
            } else {
                let isWithin = down.take([], bench.plan)
                #expect(isWithin)
                up.addReplies(bench.plan.reply)
            }
        }
        return isReleased
    }

    fileprivate var lateVerdicts: UInt64 {
        bench.snapshot.partialVerdicts.first { $0.reason == .late }?.count ?? 0
    }
}

/// What is held back and not followed by more goes on after a time.
@Suite
struct LateTests {
    private static let limited = Decision.reply(LocalReply(text: "over the limit"))
    private static let start: UInt64 = 1000
    private static let due = start + Inspector.lateNanoseconds

    private static func bench(jsonrpcPaths: [String] = []) -> GovernedBench {
        let governed = GovernedBench(jsonrpcPaths: jsonrpcPaths)
        governed.governor.verdicts = ["no": limited]
        return governed
    }

    /// Gives the first bytes and lets them wait: they are held until then, and not longer.
    private static func wait(_ governed: GovernedBench, _ bytes: ArraySlice<UInt8>, isHeld: Bool = true) {
        governed.give(bytes, now: start)
        let before = governed.up.heldBytes
        #expect((before > 0) == isHeld)
        #expect(governed.bench.inspector.holdsRequests == isHeld)
        #expect(!governed.release(now: due - 1) && governed.up.heldBytes == before)
        #expect(governed.release(now: due) == isHeld)
        #expect(governed.up.heldBytes == 0 && !governed.bench.inspector.holdsRequests)
        #expect(governed.lateVerdicts == (isHeld ? 1 : 0))
    }

    // MARK: Dubbo

    @Test("a Dubbo request cut anywhere is judged by its names or passes; what follows is judged as ever")
    func dubbo() {
        let (first, second) = (Frames.request(id: 1, method: "no"), Frames.request(id: 2, method: "no"))
        let third = Frames.request(id: 3, method: "yes")
        var refusedFrom: Int?
        for cut in 1..<first.count {
            let governed = Self.bench()
            Self.wait(governed, first[..<cut])
            governed.give(first[cut...] + second + third, now: Self.due + 1)
            let isRefused = governed.up.output == third
            #expect(isRefused || governed.up.output == first + third, "cut at \(cut)")
            // Once the names are there, they are there.
            if isRefused { refusedFrom = refusedFrom ?? cut } else { #expect(refusedFrom == nil, "cut at \(cut)") }
            let refusals = (isRefused ? [1, 2] : [2]).flatMap { Frames.failure(id: $0, status: 100, "over the limit") }
            #expect(governed.down.output == refusals, "cut at \(cut)")
            #expect(governed.session.inFlight == (isRefused ? 1 : 2))
            #expect(governed.lateVerdicts == 1 && governed.bench.snapshot.verdictsPartial == 1)
        }
        #expect(refusedFrom.map { $0 > 16 } == true)
    }

    @Test("bytes that only look like a Dubbo frame's beginning pass, and what they are is found out")
    func dubboBeginning() {
        let frame = Frames.request(id: 1, method: "no")
        // At a connection's beginning, and behind a frame; the magic's first byte alone, and more of a header.
        for (before, beginning) in [([], [0xda]), (Frames.heartbeat(), [0xda]), (Frames.heartbeat(), [0xda, 0xbb, 1])]
            as [([UInt8], [UInt8])]
        {
            let governed = Self.bench()
            if !before.isEmpty { governed.give(before[...], now: Self.start) }
            Self.wait(governed, beginning[...])
            governed.give(Array("no frame at all".utf8)[...] + frame, now: Self.due + 1)
            #expect(governed.up.output.starts(with: before + beginning + Array("no frame at all".utf8)))
        }
    }

    @Test("more bytes of the direction put it off, those of the other do not")
    func putOff() {
        let frame = Frames.request(id: 1, method: "no")
        let governed = Self.bench()
        governed.give(frame[..<5], now: Self.start)
        governed.give(Frames.heartbeat()[...], .toDownstream, now: Self.due - 2)
        governed.give(frame[5..<9], now: Self.due - 1)
        #expect(!governed.release(now: Self.due))
        governed.give(Frames.heartbeat()[...], .toDownstream, now: Self.due + 1)
        #expect(governed.release(now: Self.due - 1 + Inspector.lateNanoseconds))
        #expect(governed.up.output == Array(frame[..<9]))
        // In time, nothing is late.
        let other = Self.bench()
        other.give(frame[..<5], now: Self.start)
        other.give(frame[5...], now: Self.due - 1)
        #expect(!other.bench.inspector.holdsRequests && !other.release(now: .max))
        #expect(other.up.output.isEmpty && other.lateVerdicts == 0)
    }

    @Test("a reply's beginning and a callback's pass, too")
    func downstream() {
        let callback = Frames.request(id: 9, method: "yes")
        for cut in [1, 15, 16, callback.count - 1] {
            let governed = Self.bench()
            governed.give(Frames.request(id: 1, method: "yes")[...], now: Self.start)
            governed.give(callback[..<cut], .toDownstream, now: Self.start)
            #expect(governed.down.heldBytes == cut)
            #expect(governed.release(now: Self.due))
            governed.give(callback[cut...], .toDownstream, now: Self.due + 1)
            #expect(governed.down.output == callback && governed.lateVerdicts == 1)
        }
    }

    // MARK: HTTP/1

    private static func post(_ body: String, path: String = "/rpc") -> [UInt8] {
        Array(
            ("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\n\r\n" + body).utf8
        )
    }

    @Test("an HTTP/1 request cut anywhere is judged by its method or passes", arguments: [["/rpc"], []])
    func http1(paths: [String]) {
        let bytes = Self.post(#"{"jsonrpc":"2.0","id":1,"method":"no","params":[1,2,3]}"#)
        let after = Self.post(#"{"jsonrpc":"2.0","id":2,"method":"yes"}"#)
        var outcomes: Set<Bool> = []
        for cut in 1..<bytes.count {
            let governed = Self.bench(jsonrpcPaths: paths)
            Self.wait(governed, bytes[..<cut])
            governed.give(bytes[cut...] + after, now: Self.due + 1)
            let isRefused = governed.up.output == after
            #expect(isRefused || governed.up.output == bytes + after, "cut at \(cut)")
            #expect(governed.down.output.isEmpty != isRefused, "cut at \(cut)")
            #expect(governed.bench.snapshot.verdictsPartial == 1, "cut at \(cut)")
            outcomes.insert(isRefused)
        }
        #expect(outcomes == [false, true])
    }

    // MARK: JSON

    @Test("a value of raw JSON-RPC cut anywhere is judged by its method or passes")
    func json() {
        let hello = Array(#"{"jsonrpc":"2.0","id":0,"method":"yes"}"#.utf8)
        let bytes = Array(#"{"jsonrpc":"2.0","id":1,"method":"no","params":[1,2,3]}"#.utf8)
        var outcomes: Set<Bool> = []
        for cut in 1..<bytes.count {
            let governed = Self.bench()
            governed.give(hello[...], now: Self.start)
            Self.wait(governed, bytes[..<cut])
            governed.give(bytes[cut...] + hello, now: Self.due + 1)
            let isRefused = governed.up.output == hello + hello
            #expect(isRefused || governed.up.output == hello + bytes + hello, "cut at \(cut)")
            #expect(governed.bench.snapshot.verdictsPartial == 1, "cut at \(cut)")
            outcomes.insert(isRefused)
        }
        #expect(outcomes.contains(true))
    }

    // MARK: HTTP/2

    @Test("frames of HTTP/2 cut anywhere pass, and the next request is judged")
    func http2() {
        var encoder = IndexingEncoder()
        func request(_ id: UInt32, _ method: String) -> [UInt8] {
            let fields = [
                (":method", "POST"), (":scheme", "http"), (":path", "/com.x.Shop/\(method)"),
                ("content-type", "application/grpc"),
            ]
            return H2.frame(1, 5, id, encoder.block(fields))
        }
        let hello = H2.preface + H2.settings([])
        let (first, second) = (request(1, "no"), request(3, "no"))
        for cut in 1..<first.count {
            let governed = Self.bench()
            governed.give(hello[...], now: Self.start)
            Self.wait(governed, first[..<cut])
            governed.give(first[cut...] + second, now: Self.due + 1)
            #expect(governed.up.output == hello + first, "cut at \(cut)")
            #expect(governed.bench.snapshot.verdictsPartial == 1)
            #expect(governed.session.inFlight == 1)
        }
    }

    // MARK: Detection

    @Test(
        "the beginning of a connection passes while it is not known what it is",
        arguments: ["G", "PRI", "POS", "M-SEARCH", "P", "HELLO WORLD"]
    )
    func beginning(text: String) {
        let governed = Self.bench()
        Self.wait(governed, Array(text.utf8)[...])
        #expect(governed.up.output == Array(text.utf8))
        let rest = Array(" and more that is no protocol\r\n\u{1}".utf8)
        governed.give(rest[...], now: Self.due + 1)
        #expect(governed.up.output == Array(text.utf8) + rest)
    }

    @Test("a request whose first bytes had to pass is read, though not judged")
    func lateBeginning() {
        let bytes = Self.post(#"{"jsonrpc":"2.0","id":1,"method":"no"}"#)
        let governed = Self.bench()
        Self.wait(governed, bytes[..<3])
        governed.give(bytes[3...] + bytes, now: Self.due + 1)
        // The second is judged, and its answer waits behind that to the first.
        #expect(governed.up.output == bytes && governed.session.inFlight == 1)
        #expect(governed.bench.snapshot.report("no")?.results.map(\.count) == [1])
    }
}
