internal import Calls
internal import Policy
internal import Telemetry

/// The drains that were set over the admin API, as one process hands them to another.
struct HandedOver {
    /// A drain, and what came of it in the process that tells of it.
    struct Drain {
        var order: DrainOrder
        var passedCalls: UInt64
        var rejectedCalls: UInt64
        var closedConnections: UInt64
        /// The consumers' rates before it, by address.
        var rates: [String: Double]
        /// The application's answer, if it was asked.
        var qos: DrainControl.QOSAnswer?
    }

    private static let magic = "weir-state-1"

    var drains: [Drain]
    /// Connections closed because their consumers had stayed away after a drain was undone.
    var recalledConnections: UInt64 = 0

    /// What the parts of a process say.
    init(_ drains: DrainControl) {
        self.drains = drains.registry.current.map { order in
            Drain(
                order: order,
                passedCalls: order.passedCalls,
                rejectedCalls: order.rejectedCalls,
                closedConnections: order.closedConnections,
                rates: drains.rates(order.target) ?? [:],
                qos: drains.answer(order.target)
            )
        }
        recalledConnections = drains.registry.recalledConnections
    }

    // MARK: Bytes

    /// The bytes that ``init(_:)`` reads.
    var bytes: [UInt8] {
        var writer = ReportWriter()
        writer.add(Self.magic)
        writer.add(each: drains) { $0.add($1) }
        writer.add(recalledConnections)
        return ReportSeal.sealed(writer.bytes)
    }

    /// Reads what another process hands over.
    ///
    /// - Parameter bytes: Anything.
    /// - Throws: ``ReportError``.
    init(_ bytes: [UInt8]) throws(ReportError) {
        var reader = ReportReader(try ReportSeal.opened(bytes))
        guard try reader.text() == Self.magic else { throw .malformed }
        drains = try reader.each(atMost: DrainRegistry.maxOrders) { reader throws(ReportError) in
            try Drain(&reader)
        }
        recalledConnections = try reader.number()
        guard reader.isAtEnd else { throw .malformed }
    }
}

extension HandedOver.Drain {
    fileprivate init(_ reader: inout ReportReader) throws(ReportError) {
        let target = DrainTarget(interface: try reader.text(), method: try reader.text())
        let reason = try reader.text()
        let (start, rejectTime, deadline) = (try reader.number(), try reader.number(), try reader.number())
        guard let signalling = DrainSignalling(rawValue: try reader.text()), start <= rejectTime else {
            throw .malformed
        }
        order = DrainOrder(
            target: target,
            reason: reason,
            now: start,
            grace: rejectTime - start,
            deadline: max(deadline, rejectTime) - start,
            signalling: signalling,
            givesClosing: try reader.number() != 0
        )
        passedCalls = try reader.number()
        rejectedCalls = try reader.number()
        closedConnections = try reader.number()
        let rates = try reader.each(atMost: DrainControl.maxRatedConsumers) { reader throws(ReportError) in
            (try reader.text(), Double(try reader.number()) / 1000)
        }
        self.rates = Dictionary(rates) { first, _ in first }
        let command = try reader.text()
        let answer = String(decoding: try reader.piece(), as: UTF8.self)
        qos = command.isEmpty ? nil : DrainControl.QOSAnswer(command: command, answer: answer)
    }

    /// True if it is the same drain, whatever came of it.
    func isSame(as other: DrainOrder) -> Bool {
        order.target == other.target && order.start == other.start && order.rejectTime == other.rejectTime
            && order.deadline == other.deadline && order.signalling == other.signalling
    }
}

extension ReportWriter {
    fileprivate mutating func add(_ drain: HandedOver.Drain) {
        let order = drain.order
        for text in [order.target.interface, order.target.method, order.reason] { add(text) }
        for time in [order.start, order.rejectTime, order.deadline] { add(time) }
        add(order.signalling.rawValue)
        add(order.givesClosing ? 1 : 0)
        for count in [drain.passedCalls, drain.rejectedCalls, drain.closedConnections] { add(count) }
        add(each: drain.rates) { writer, rate in
            writer.add(rate.key)
            writer.add(UInt64(exactly: (rate.value * 1000).rounded()) ?? 0)
        }
        add(drain.qos?.command ?? "")
        add(drain.qos?.answer ?? "")
    }
}
