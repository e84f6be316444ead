import Calls
import Inspection
import PlanModel
import Policy
import TestSupport
import Testing

/// What the one pipeline decides in the same way for every protocol.
@Suite struct PipelineTests {
    /// A protocol, and a call in it whose caller says that it is `shop`.
    struct Speech: CustomTestStringConvertible, Sendable {
        let name: String
        let bytes: [UInt8]
        var testDescription: String { name }
    }

    private static let appName = "tri-consumer-appname"

    private static let speeches = [
        Speech(name: "Dubbo", bytes: Frames.request(id: 1, attachments: [("remote.application", "shop")])),
        Speech(
            name: "Dubbo in an unknown form",
            bytes: Frames.request(id: 1, version: nil, attachments: [("remote.application", "shop")])
        ),
        Speech(
            name: "Triple",
            bytes: H2.preface + H2.settings()
                + H2.headers(
                    1,
                    IndexingEncoder.once([
                        (":method", "POST"), (":scheme", "http"), (":path", "/com.x.Shop/buy"),
                        ("content-type", "application/grpc"), (appName, "shop"),
                    ]),
                    end: false
                ) + H2.data(1, H2.message([1]), end: true)
        ),
        Speech(name: "Triple over HTTP/1.1", bytes: H1.triple("buy", ["\(appName): shop"])),
    ]

    @Test("a drain's report knows the caller in every protocol that names it", arguments: speeches)
    func callersDuringDrains(speech: Speech) {
        let drained = DrainedBench()
        let order = drained.drain()
        drained.give(speech.bytes)
        #expect(drained.session.lastCallerName == "shop")
        #expect(order.passedCalls == drained.session.lateCalls && order.passedCalls > 0)
    }

    @Test("a late call is counted as passed where it cannot be answered, however large it is", arguments: [1, 200_000])
    func unanswerable(count: Int) {
        let argument = String(repeating: "x", count: count)
        let values = ["2.0.2", "com.x.Svc", "1.0.0", "hello", "Ljava/lang/String;", argument].map { "\"\($0)\"\n" }
        // Gson, which is read and not written.
        let request = Frames.frame(0xd0, id: 4, Array((values.joined() + "{}\n").utf8))
        let drained = DrainedBench()
        let order = drained.drain("com.x.Svc")
        for start in stride(from: 0, to: request.count, by: 1000) {
            drained.give(request[start..<min(request.count, start + 1000)], now: DrainedBench.late)
        }
        #expect(drained.up == request && drained.down.isEmpty)
        #expect(order.passedCalls == 1 && order.rejectedCalls == 0 && drained.session.lateCalls == 1)
    }

    @Test("a batch wants no answer only if none of its calls does", arguments: [false, true])
    func onewayBatches(isRaw: Bool) {
        let notification = RPC.call(nil, "log")
        let bodies = [
            RPC.batch(notification, RPC.call("1", "get")), RPC.batch(RPC.call("2", "get"), notification),
            RPC.batch(notification, notification),
        ]
        let governed = GovernedBench()
        for body in bodies { governed.give((isRaw ? Array((body + "\n").utf8) : H1.request(body))[...]) }
        #expect(governed.governor.asked.map(\.isOneway) == [false, false, true])
        #expect(governed.governor.asked.map(\.calls) == [2, 2, 2])
    }

    @Test("a drain decides before the rules, and the rules before limits")
    func order() throws {
        let governed = GovernedBench()
        governed.governor.verdicts["hello"] = .reply(LocalReply(text: "by a rule"))
        let registry = LimitRegistry(try LimitSet(definitions: [.window(1)], clock: LimitTime().read))
        let drains = DrainRegistry()
        let inspector = governed.bench.inspector
        inspector.gate = LimitGate(registry: registry, operations: governed.bench.registry)
        inspector.drainGate = DrainGate(registry: drains, operations: governed.bench.registry)
        drains.begin(DrainOrder(target: .service, reason: "", now: 0, grace: 10, deadline: 20, signalling: .none))
        inspector.drainsChanged()
        governed.give(Frames.request(id: 1)[...])
        #expect(governed.down.output == Frames.failure(id: 1, status: 100, Frames.drained))
        #expect(governed.governor.asked.isEmpty)
        drains.end(.service)
        inspector.drainsChanged()
        governed.give(Frames.request(id: 3)[...])
        #expect(governed.governor.asked.count == 1 && registry.current["l"]?.counts.allowed == 0)
        governed.governor.verdicts = [:]
        governed.give(Frames.request(id: 5)[...] + Frames.request(id: 7)[...])
        #expect(registry.current["l"]?.counts.allowed == 1 && registry.current["l"]?.counts.rejected == 1)
    }
}
