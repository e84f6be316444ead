import Calls
import Dubbo
import Hessian
import Inspection
import PlanModel
import Policy
import TestSupport
import Testing
import Wire

/// A governed session that nothing but drains govern. Drains begin at 0, refuse from 10,000 on and end at 50,000.
final class DrainedBench {
    static let late: UInt64 = 20_000

    let governed: GovernedBench
    let registry = DrainRegistry()
    /// Whether replies may say `closing`.
    private let givesClosing: Bool
    /// Whether a plan said that the connection ends.
    private(set) var isClosed = false

    var bench: Bench { governed.bench }
    var session: Session { governed.session }
    var up: [UInt8] { governed.up.output }
    var down: [UInt8] { governed.down.output }
    var isHolding: Bool { governed.up.heldBytes + governed.down.heldBytes > 0 }

    init(_ watching: Watching = .nothing, on governed: GovernedBench? = nil, givesClosing: Bool = false) {
        self.givesClosing = givesClosing
        self.governed = governed ?? GovernedBench(watching)
        bench.inspector.rules = nil
        bench.inspector.drainGate = DrainGate(registry: registry, operations: bench.registry)
    }

    func give(_ bytes: some Sequence<UInt8>, _ direction: Direction = .toUpstream, now: UInt64 = 1000) {
        governed.give(Array(bytes)[...], direction, now: now)
        if bench.plan.closes { isClosed = true }
    }

    @discardableResult
    func drain(
        _ interface: String = "",
        _ method: String = "",
        reason: String = "",
        signalling: DrainSignalling = .auto
    ) -> DrainOrder {
        let order = DrainOrder(
            target: DrainTarget(interface: interface, method: method),
            reason: reason,
            now: 0,
            grace: 10_000,
            deadline: 50_000,
            signalling: signalling,
            givesClosing: givesClosing
        )
        registry.begin(order)
        tell()
        return order
    }

    func undrain(_ interface: String = "", _ method: String = "") {
        registry.end(DrainTarget(interface: interface, method: method))
        tell()
    }

    /// The worker has heard of it.
    private func tell() {
        bench.inspector.drainsChanged()
        bench.plan.removeAll()
        bench.inspector.signalDrains(session, now: 500, plan: &bench.plan)
        governed.down.addReplies(bench.plan.reply)
        if bench.plan.closes { isClosed = true }
    }

    /// The ids of the events of Weir's own among what downstream was told.
    var ownEvents: [UInt64] { events(in: down).map(\.id) }
    /// What those events say.
    var ownTexts: [String] { events(in: down).map(\.text) }

    private func events(in bytes: [UInt8]) -> [(id: UInt64, text: String)] {
        Frames.split(bytes).compactMap { frame in
            guard frame[2] == 0xa2, frame.count == 18, frame[16] == 1 else { return nil }
            let id = frame[4..<12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return (id, String(decoding: frame[17...], as: UTF8.self))
        }
    }
}

extension Frames {
    /// The frames in a row; an empty last one when the bytes are none.
    static func split(_ bytes: [UInt8]) -> [[UInt8]] {
        var rest = bytes[...]
        var frames: [[UInt8]] = []
        while !rest.isEmpty {
            guard rest.count >= 16, let header = try? FrameHeader(Array(rest.prefix(16)).span.bytes, at: 0),
                Int(header.frameBytes) <= rest.count
            else { return frames + [[]] }
            frames.append(Array(rest.prefix(Int(header.frameBytes))))
            rest = rest.dropFirst(Int(header.frameBytes))
        }
        return frames
    }

    /// A reply of status 20 with a value and attachments.
    static func reply(
        id: UInt64,
        _ text: String = "hi",
        attachments: [(String, String)],
        tail: [UInt8] = []
    ) -> [UInt8] {
        frame(0x02, status: 20, id: id, [0x94] + hessian { $0.string(text) } + map(attachments) + tail)
    }

    static let drained = "this provider is being drained"
}
