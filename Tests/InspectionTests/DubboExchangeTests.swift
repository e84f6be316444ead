import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import Telemetry
import TestSupport
import Testing

/// Requests of every size with every verdict on one connection, cut anywhere: each reaches the provider once, as it
/// was or with what was put in, or is answered once.
@Suite struct DubboExchangeTests {
    /// What decides.
    enum Deciding: CaseIterable {
        /// A governor, by the method.
        case governor
        /// Limits of a few calls.
        case limits
        /// Drains that refuse one method and mark the replies of another.
        case drains
    }

    /// A request, its reply, and what becomes of it.
    private struct Call {
        static let methods = ["hello", "no", "more", "shut", "few"]
        /// The largest are held in part only, or in one read with others.
        static let sizes = [60, 300, 5_000, 40_000, 65_000, 66_000, 70_000, 140_000, 400_000, 1_048_576]

        let id: UInt64
        let method: String
        let isTwoWay: Bool
        let bytes: [UInt8]

        init(_ id: UInt64, _ random: inout SeededRandom) {
            self.id = id
            method = Self.methods.randomElement(using: &random) ?? ""
            isTwoWay = Int.random(in: 0..<6, using: &random) > 0
            let rank = min(Int.random(in: 0..<10, using: &random), Int.random(in: 0..<10, using: &random))
            let filler = [UInt8](repeating: UInt8(truncatingIfNeeded: id), count: Self.sizes[rank])
            bytes = Frames.request(id: id, isTwoWay: isTwoWay, method: method, arguments: { $0.binary(filler) })
        }
    }

    private static func bench(_ deciding: Deciding, _ watching: Watching) throws -> GovernedBench {
        let governed = GovernedBench(watching)
        switch deciding {
        case .governor:
            governed.governor.verdicts = ["no": .reply(LocalReply(text: "no")), "more": .insert(key: "a", value: "b")]
        case .limits:
            _ = try LimitedBench([.window(1, method: "no"), .window(3, "few", method: "few")], on: governed)
        case .drains:
            let drained = DrainedBench(on: governed)
            drained.drain("com.x.Svc", "no")
            let marking = DrainTarget(interface: "com.x.Svc", method: "more")
            drained.registry.begin(DrainOrder(target: marking, now: 0, grace: 1 << 60, deadline: 1 << 61))
            governed.bench.inspector.drainsChanged()
        }
        return governed
    }

    /// Pieces as a network makes them: of a few bytes, of a few segments, of a whole buffer.
    private static func pieces(_ bytes: [UInt8], _ random: inout SeededRandom) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let limit = [7, 1_500, 20_000, 66_000, 262_144].randomElement(using: &random) ?? 1
            let piece = rest.prefix(Int.random(in: 1...limit, using: &random))
            pieces.append(piece)
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }

    @Test(
        "whatever the sizes, verdicts and cuts, nothing is torn, doubled or lost",
        arguments: Deciding.allCases,
        0..<12 as Range<UInt64>
    )
    func exchange(_ deciding: Deciding, _ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let governed = try Self.bench(deciding, Watching.allCases[Int(seed % 3)])
        let now = DrainedBench.late
        var calls: [Call] = []
        var sent: [UInt8] = []
        var replied: [UInt8] = []
        var said: [UInt8] = []
        var id = UInt64(seed << 8)
        for _ in 0..<12 {
            let batch = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                id += 1
                return Call(id, &random)
            }
            calls += batch
            sent += batch.flatMap(\.bytes)
            for piece in Self.pieces(batch.flatMap(\.bytes), &random) {
                governed.give(piece, now: now)
                said += governed.bench.plan.reply
                #expect(governed.up.aheadBytes == 0, "seed \(seed)")
            }
            let replies = batch.filter(\.isTwoWay).flatMap { call in
                Frames.reply(id: call.id, attachments: [("a", String(repeating: "r", count: call.bytes.count / 3))])
            }
            replied += replies
            for piece in Self.pieces(replies, &random) { governed.give(piece, .toDownstream, now: now) }
        }
        #expect(DubboExchange.fault(sent: sent, passed: governed.up.output, said: said) == nil, "seed \(seed)")
        let down = try #require(DubboExchange.split(governed.down.output), "seed \(seed)")
        let own = try #require(DubboExchange.split(said))
        #expect(down.rest.isEmpty && down.frames.count == own.frames.count + calls.filter(\.isTwoWay).count)
        #expect(governed.up.heldBytes == 0 && governed.down.heldBytes == 0)
        check(deciding, calls, governed, own.frames.count, seed)
    }

    /// Who was refused is what the verdicts say, and the numbers tell it.
    private func check(
        _ deciding: Deciding,
        _ calls: [Call],
        _ governed: GovernedBench,
        _ answers: Int,
        _ seed: UInt64
    ) {
        func surplus(_ method: String, _ allowed: Int) -> ArraySlice<Call> {
            calls.filter { $0.method == method }.dropFirst(allowed)
        }
        let refused =
            deciding == .limits ? Array(surplus("no", 1) + surplus("few", 3)) : Array(surplus("no", 0))
        let passed = DubboExchange.split(governed.up.output)?.frames.map(\.id) ?? []
        let ids = Set(refused.map(\.id))
        #expect(passed == calls.map(\.id).filter { !ids.contains($0) }, "seed \(seed)")
        #expect(answers == refused.filter(\.isTwoWay).count, "seed \(seed)")
        let outcome = deciding == .drains ? "drained" : "limited"
        let counted = governed.bench.snapshot.operations.flatMap(\.results).filter { "\($0.outcome.label)" == outcome }
        #expect(counted.reduce(0) { $0 + $1.count } == UInt64(refused.count), "seed \(seed)")
    }

    @Test("a refused request above what is held leaves no trace, wherever it is cut, and the next are judged too")
    func everyCut() throws {
        let filler = [UInt8](repeating: 0xda, count: 65_500)
        func request(_ id: UInt64, _ method: String) -> [UInt8] { Frames.request(id: id, method: method) }
        let large = Frames.request(id: 2, method: "no", arguments: { $0.binary(filler) })
        let row = request(1, "hello") + large + request(3, "no") + request(4, "more") + request(5, "no")
        let first = request(1, "hello").count
        let marks = [0, 16, 60, 1_000, 40_000, 65_520, 65_536, 65_537, large.count - 1, large.count]
        for mark in marks {
            for later in marks where later >= mark {
                let governed = try Self.bench(.governor, .nothing)
                governed.give(row[..<(first + mark)])
                governed.give(row[(first + mark)..<(first + later)])
                var said = governed.bench.plan.reply
                governed.give(row[(first + later)..<(first + large.count)])
                said += governed.bench.plan.reply
                governed.give(row[(first + large.count)...])
                let frames = DubboExchange.split(governed.up.output)
                #expect(frames?.frames.map(\.id) == [1, 4] && frames?.rest.isEmpty == true, "cut at \(mark), \(later)")
                let answers = DubboExchange.split(governed.down.output)
                #expect(answers?.frames.map(\.id) == [2, 3, 5], "cut at \(mark), \(later)")
            }
        }
    }

    @Test("what decides may go while a refused request is still coming", arguments: [false, true])
    func endsMidway(isBoundaryWanted: Bool) throws {
        let filler = [UInt8](repeating: 1, count: 100_000)
        let large = Frames.request(id: 2, method: "no", arguments: { $0.binary(filler) })
        let governed = try Self.bench(.governor, .nothing)
        governed.give(large[..<70_000])
        governed.bench.inspector.rules = nil
        let rest = Array(large[70_000...] + Frames.request(id: 3, method: "no"))
        for piece in [rest[..<20_000], rest[20_000...]] {
            governed.bench.plan.removeAll()
            governed.bench.plan.isBoundaryWanted = isBoundaryWanted
            let bytes = Array(piece)
            governed.bench.inspector.receive(
                governed.session,
                bytes: bytes.span.bytes,
                going: .toUpstream,
                now: 1000,
                plan: &governed.bench.plan
            )
            let isWithin = governed.up.take(bytes, governed.bench.plan)
            #expect(isWithin)
        }
        #expect(governed.up.output == Frames.request(id: 3, method: "no"))
        #expect(DubboExchange.split(governed.down.output)?.frames.map(\.id) == [2])
    }
}
