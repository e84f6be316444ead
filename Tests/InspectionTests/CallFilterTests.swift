import Calls
import Inspection
import Policy
import TestSupport
import Testing

/// Keeps the ids of the calls that a filter wants.
private final class Sifted: CallObserver {
    private var matcher: CallMatcher
    private(set) var ids: [String] = []

    init(_ filter: CallFilter, _ registry: OperationRegistry) { matcher = CallMatcher(filter, registry: registry) }

    func finished(_ call: ObservedCall) { if matcher.admits(call) { ids.append(call.id) } }
}

/// Asks a matcher and keeps nothing.
private final class Sieving: CallObserver {
    private var matcher: CallMatcher
    private(set) var admitted = 0
    private(set) var made = 0

    init(_ filter: CallFilter, _ registry: OperationRegistry) { matcher = CallMatcher(filter, registry: registry) }

    func finished(_ call: ObservedCall) { made += allocations { admitted += matcher.admits(call) ? 1 : 0 } }
}

@Suite struct CallFilterTests {
    struct Wrong: Sendable {
        let parameters: [(String, String)]
        /// The parameters that are named.
        let named: [String]
    }

    static let wrong = [
        Wrong(parameters: [("colour", "red")], named: ["colour"]),
        Wrong(parameters: [("", "")], named: [""]),
        Wrong(parameters: [("Method", "a")], named: ["Method"]),
        Wrong(parameters: [("method", "a"), ("method", "b")], named: ["method"]),
        Wrong(parameters: [("method", String(repeating: "a", count: 1025))], named: ["method"]),
        Wrong(parameters: [("interface", "/(/")], named: ["interface"]),
        Wrong(parameters: [("caller", "/[a/"), ("code", "/a{2,1}/")], named: ["caller", "code"]),
        Wrong(parameters: [("outcome", "")], named: ["outcome"]),
        Wrong(parameters: [("outcome", "ok,")], named: ["outcome"]),
        Wrong(parameters: [("outcome", "OK")], named: ["outcome"]),
        Wrong(parameters: [("side", "both")], named: ["side"]),
        Wrong(parameters: [("protocol", "dubbo2")], named: ["protocol"]),
        Wrong(parameters: [("limit", "0")], named: ["limit"]),
        Wrong(parameters: [("limit", "-1")], named: ["limit"]),
        Wrong(parameters: [("limit", "1.5")], named: ["limit"]),
        Wrong(parameters: [("limit", "")], named: ["limit"]),
        Wrong(parameters: [("limit", "1000000000000000000")], named: ["limit"]),
        Wrong(parameters: [("min_ms", "")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", ".5")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "1.")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "1.2.3")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "1e3")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "-1")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "nan")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "1.0000001")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "86400001")], named: ["min_ms"]),
        Wrong(parameters: [("min_ms", "x"), ("method", "a"), ("colour", "red")], named: ["min_ms", "colour"]),
    ]

    @Test("every parameter that cannot be taken is named, and no other", arguments: wrong)
    func wrongParameters(_ row: Wrong) throws {
        do throws(CallFilterProblems) {
            _ = try CallFilter(parameters: row.parameters.map { (name: $0.0, value: $0.1) })
            Issue.record("\(row.parameters) was taken")
        } catch {
            #expect(error.problems.map(\.parameter) == row.named)
            #expect(error.problems.allSatisfy { !$0.reason.isEmpty && !error.description.contains("\n") })
        }
    }

    @Test("a reply that could not be read is no error, and can be asked for")
    func unknown() throws {
        let error = try CallFilter(parameters: [(name: "outcome", value: "error")])
        #expect(error.outcomes?.isEmpty == false && error.outcomes?.contains(.unknown) == false)
        #expect(try CallFilter(parameters: [(name: "outcome", value: "unknown")]).outcomes == [.unknown])
    }

    @Test("a long name is not repeated as a whole")
    func longName() {
        let name = String(repeating: "n", count: 5000)
        #expect(throws: CallFilterProblems.self) { try CallFilter(parameters: [(name: name, value: "")]) }
        do throws(CallFilterProblems) {
            _ = try CallFilter(parameters: [(name: name, value: "")])
        } catch {
            #expect(error.description.utf8.count < 200)
        }
    }

    /// Parameters, and the ids of the calls of ``calls(_:)`` that they want.
    static let choices: [(parameters: [(String, String)], ids: [String])] = [
        ([], ["1", "2", "3", "4", "5", "6"]),
        ([("limit", "1")], ["1", "2", "3", "4", "5", "6"]),
        ([("method", "get")], ["1", "2"]),
        ([("method", "*e*")], ["1", "2", "3"]),
        ([("method", "g")], []), ([("method", "g?t")], ["1", "2"]), ([("method", "?et?")], []),
        ([("method", "/^(g|p)/")], ["1", "2", "4", "6"]), ([("method", "/e/")], ["1", "2", "3"]),
        ([("interface", "com.x.Svc")], ["1", "2", "3", "4", "5"]),
        ([("interface", "*.Other")], ["6"]),
        ([("interface", "com.*"), ("method", "put")], ["4", "6"]),
        ([("outcome", "ok")], ["1", "4"]),
        ([("outcome", "ok,oneway")], ["1", "4", "6"]),
        ([("outcome", "error")], ["2", "3", "5"]),
        ([("outcome", "business_error")], ["2"]),
        ([("outcome", "drained")], []),
        ([("min_ms", "0")], ["1", "2", "3", "4", "5", "6"]),
        ([("min_ms", "2")], ["2", "3", "4", "5"]),
        ([("min_ms", "2.000001")], ["3", "4", "5"]),
        ([("min_ms", "1000")], ["5"]),
        ([("side", "provider")], ["1", "2", "3", "4", "5", "6"]),
        ([("side", "consumer")], []),
        ([("protocol", "dubbo")], ["1", "2", "3", "4", "5", "6"]),
        ([("protocol", "triple")], []),
        ([("caller", "shop")], ["1", "3"]),
        ([("caller", "")], ["2", "4", "5", "6"]),
        ([("caller", "s*")], ["1", "3"]), ([("caller", "/^s.*p$/")], ["1", "3"]),
        ([("caller", "/^$/")], ["2", "4", "5", "6"]),
        ([("caller", "????")], ["1", "3"]), ([("interface", "/x\\.Oth/")], ["6"]),
        ([("code", "OK")], ["1", "2", "4"]),
        ([("code", "SERVICE_ERROR")], ["3"]),
        ([("code", "S*")], ["3"]), ([("code", "??")], ["1", "2", "4"]), ([("code", "/_ERR/")], ["3"]),
        ([("code", "")], ["5", "6"]),
        ([("caller", "shop"), ("outcome", "error"), ("min_ms", "1")], ["3"]),
    ]

    /// Six calls that ended in different ways after different times.
    private func calls(_ bench: Bench) {
        let session = bench.open()
        let shop = [("remote.application", "shop")]
        func call(_ id: UInt64, _ request: [UInt8], _ reply: [UInt8], milliseconds: UInt64) {
            bench.up(session, request, now: id * 10_000_000_000)
            bench.down(session, reply, now: id * 10_000_000_000 + milliseconds * 1_000_000)
        }
        call(1, Frames.request(id: 1, method: "get", attachments: shop), Frames.reply(id: 1), milliseconds: 1)
        call(2, Frames.request(id: 2, method: "get"), Frames.exception(id: 2), milliseconds: 2)
        call(
            3,
            Frames.request(id: 3, method: "delete", attachments: shop),
            Frames.failure(id: 3, status: 70),
            milliseconds: 3
        )
        call(4, Frames.request(id: 4, method: "put"), Frames.reply(id: 4), milliseconds: 4)
        bench.up(session, Frames.request(id: 5, method: "slow"), now: 50_000_000_000)
        bench.inspector.tick(now: 150_000_000_000)
        bench.up(
            session,
            Frames.request(id: 6, isTwoWay: false, interface: "com.x.Other", method: "put"),
            now: 160_000_000_000
        )
    }

    @Test("the calls that are wanted, and no others, pass", arguments: choices)
    func choice(_ row: (parameters: [(String, String)], ids: [String])) throws {
        let filter = try CallFilter(parameters: row.parameters.map { (name: $0.0, value: $0.1) })
        let bench = Bench(.nothing)
        let sifted = Sifted(filter, bench.registry)
        bench.inspector.callObserver = sifted
        calls(bench)
        #expect(sifted.ids == row.ids)
    }

    @Test("the parameters are those of the contract")
    func names() throws {
        let names = ["interface", "method", "outcome", "min_ms", "limit", "side", "protocol", "caller", "code"]
        #expect(CallFilter.parameterNames == names)
        let filter = try CallFilter(parameters: [(name: "limit", value: "17"), (name: "min_ms", value: "0.5")])
        #expect(filter.limit == 17 && filter.minNanoseconds == 500_000)
    }

    @Test("a call is looked at without an allocation once its operation was seen")
    func noAllocation() throws {
        let parameters = [
            (name: "interface", value: "com.*"), (name: "method", value: "*ello"), (name: "outcome", value: "ok"),
            (name: "caller", value: "*"), (name: "code", value: "O*"),
        ]
        let bench = Bench(.nothing)
        let sieving = Sieving(try CallFilter(parameters: parameters), bench.registry)
        bench.inspector.callObserver = sieving
        let session = bench.open()
        func call(_ id: UInt64) {
            bench.up(session, Frames.request(id: id))
            bench.down(session, Frames.reply(id: id))
        }
        for id in 1...10 { call(UInt64(id)) }
        let before = sieving.made
        for id in 11...110 { call(UInt64(id)) }
        #expect(sieving.admitted == 110)
        #if !DEBUG
            #expect(sieving.made == before)
        #else
            #expect(sieving.made - before < 10_000)
        #endif
    }

    @Test("an observer that has gone costs nothing")
    func goneObserver() {
        let bench = Bench(.calls)
        let session = bench.open()
        let (request, reply) = (Frames.typicalRequest, Frames.reply(id: 7))
        func call(_ now: UInt64) {
            bench.plan.removeAll()
            bench.inspector.receive(session, bytes: request.span.bytes, going: .toUpstream, now: now, plan: &bench.plan)
            bench.plan.removeAll()
            bench.inspector.receive(
                session,
                bytes: reply.span.bytes,
                going: .toDownstream,
                now: now &+ 50_000,
                plan: &bench.plan
            )
            bench.inspector.tick(now: now)
        }
        for round in 0..<100 { call(UInt64(round) * 100_000) }
        bench.watch(.nothing)
        for round in 100..<200 { call(UInt64(round) * 100_000) }
        let made = allocations {
            var round = 200
            while round < 300 {
                call(UInt64(truncatingIfNeeded: round) &* 100_000)
                round &+= 1
            }
        }
        #expect(made == 0)
    }

    @Test("a line's time can be set off")
    func clockOffset() throws {
        let bench = Bench(.nothing)
        let lines = CallLines(registry: bench.registry)
        lines.clockOffset = 1_700_000_000_000_000_000
        bench.inspector.callObserver = lines
        let session = bench.open()
        bench.up(session, Frames.request(), now: 5)
        bench.down(session, Frames.reply(), now: 1_000_005)
        let line = try #require(try objects(lines.json.bytes).first)
        #expect(line["ts"] as? String == "1700000000.000000005" && line["duration_us"] as? Int == 1000)
    }
}
