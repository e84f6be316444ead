internal import Calls

/// The families of what may be switched on.
extension ExpositionWriter {
    /// What became of spans and of trace contexts.
    mutating func writeTracing(_ readings: TracingCounters.Readings) {
        begin(MetricFamily(name: "weir_spans", kind: .counter, help: "Spans, by what became of them."))
        sample(Self.labels("result", "exported"), readings.exported)
        sample(Self.labels("result", "dropped"), readings.dropped)
        sample(Self.labels("result", "failed"), readings.failed)
        let malformed = "Trace contexts of requests that could not be read."
        begin(MetricFamily(name: "weir_trace_contexts_malformed", kind: .counter, help: malformed))
        for (format, count) in zip(TraceFormat.allCases, readings.malformed) {
            sample(Self.labels("format", format.label), count)
        }
        let injections = "Requests that were to carry a trace context of Weir's own, by what became of that."
        begin(MetricFamily(name: "weir_context_injections", kind: .counter, help: injections))
        for (result, count) in zip(TracingCounters.Injection.allCases, readings.injections) {
            sample(Self.labels("result", result.label), count)
        }
    }

    /// What viewers of calls missed.
    mutating func writeTap(_ dropped: UInt64) {
        let help = "Calls not shown to a viewer because it was too slow."
        begin(MetricFamily(name: "weir_tap_lines_dropped", kind: .counter, help: help))
        sample([], dropped)
    }

    /// How limits have decided.
    mutating func writeLimits(_ limits: [LimitReadings]) {
        let help = "Calls by limit: those it allowed, rejected, or would have rejected if it were enforced."
        begin(MetricFamily(name: "weir_limit_decisions", kind: .counter, help: help))
        for limit in limits {
            sample(labels(limit, "allowed"), limit.allowed)
            sample(labels(limit, "rejected"), limit.rejected)
            sample(labels(limit, "would_reject"), limit.wouldReject)
        }
    }

    /// How far drains have come.
    mutating func writeDrains(_ drains: DrainReadings) {
        let help = "How far a drain has come: 0 none, 1 grace, 2 refusing, 3 over; without labels of the whole service."
        begin(MetricFamily(name: "weir_drain_state", kind: .gauge, help: help))
        for state in drains.states {
            var labels = LabelText(Self.labelForm)
            if !state.interface.isEmpty {
                labels.add("interface", state.interface)
                labels.add("method", state.method)
            }
            sample(labels.bytes, UInt64(state.value))
        }
        begin(MetricFamily(name: "weir_drain_signals", kind: .counter, help: "Signals of drains given to consumers."))
        for signal in drains.signals {
            var labels = LabelText(Self.labelForm)
            labels.add("signal", signal.signal)
            sample(labels.bytes, signal.count)
        }
    }

    /// What goes past Weir.
    mutating func writeDirectConnections(_ connections: [(port: UInt16, count: Int)]) {
        let help = "Established connections to the application's ports (provider.ports) that are not Weir's."
        begin(MetricFamily(name: "weir_direct_connections", kind: .gauge, help: help))
        for (port, count) in connections {
            var labels = LabelText(Self.labelForm)
            labels.add("port", "\(port)")
            sample(labels.bytes, UInt64(count))
        }
    }

    private func labels(_ limit: LimitReadings, _ decision: String) -> [UInt8] {
        var labels = LabelText(Self.labelForm)
        labels.add("limit", limit.name)
        labels.add("decision", decision)
        return labels.bytes
    }

    /// How evenly consumers use their connections.
    mutating func writeConsumers(_ connections: [ConsumerConnection]) {
        let balances = ConsumerBalance.all(connections).map { (labels: labels($0), balance: $0) }
        begin(
            MetricFamily(name: "weir_consumer_connections", kind: .gauge, help: "Open connections of a consumer.")
        )
        for (labels, balance) in balances { sample(labels, UInt64(balance.connections)) }
        let help = "Calls on the busiest of a consumer's open connections over their mean; 1 is even."
        begin(MetricFamily(name: "weir_consumer_connection_imbalance", kind: .gauge, help: help))
        for (labels, balance) in balances {
            if let imbalance = balance.imbalance { sample(labels, imbalance) }
        }
    }

    private func labels(_ balance: ConsumerBalance) -> [UInt8] {
        var labels = LabelText(Self.labelForm)
        labels.add("side", balance.side.label.description)
        labels.add("consumer", balance.consumer)
        return labels.bytes
    }
}

/// How evenly one consumer uses its connections.
struct ConsumerBalance: Equatable {
    /// How many consumers are told apart; the rest are `_other` of their side.
    static let maxConsumers = 100

    var side: Side
    var consumer: String
    var connections: Int
    /// The calls of the busiest connection over the mean, 1 without calls; `nil` for `_other`, whose connections have
    /// nothing to do with each other.
    var imbalance: Double?

    /// The balances of the consumers with the most connections first, then the rest together.
    static func all(_ connections: [ConsumerConnection]) -> [ConsumerBalance] {
        struct Consumer: Hashable {
            var side: Side
            var name: String
        }
        var calls: [Consumer: [UInt64]] = [:]
        for connection in connections {
            calls[Consumer(side: connection.side, name: connection.consumer), default: []].append(connection.calls)
        }
        let sorted = calls.sorted { left, right in
            if left.value.count != right.value.count { return left.value.count > right.value.count }
            return (left.key.side.rawValue, left.key.name) < (right.key.side.rawValue, right.key.name)
        }
        var all = sorted.prefix(maxConsumers).map { consumer, calls in
            let (total, busiest) = (calls.reduce(0) { $0 + Double($1) }, Double(calls.max() ?? 0))
            return ConsumerBalance(
                side: consumer.side,
                consumer: consumer.name,
                connections: calls.count,
                imbalance: total > 0 ? busiest * Double(calls.count) / total : 1
            )
        }
        for side in Side.allCases {
            let rest = sorted.dropFirst(maxConsumers).reduce(0) { $0 + ($1.key.side == side ? $1.value.count : 0) }
            if rest > 0 { all.add(side: side, connections: rest) }
        }
        return all
    }
}

extension [ConsumerBalance] {
    /// Adds connections to `_other` of a side, which a consumer may really be called.
    fileprivate mutating func add(side: Side, connections: Int) {
        if let at = firstIndex(where: { $0.side == side && $0.consumer == "_other" }) {
            self[at].connections += connections
            self[at].imbalance = nil
        } else {
            append(ConsumerBalance(side: side, consumer: "_other", connections: connections, imbalance: nil))
        }
    }
}
