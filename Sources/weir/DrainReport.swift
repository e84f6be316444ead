internal import Calls
internal import Inspection
internal import Policy
internal import Telemetry
internal import Wire

/// The progress of drains: the answer of `/v1/drain`.
struct DrainReport {
    /// A drain and what is left of its calls.
    struct Drain {
        var order: DrainOrder
        var stage: DrainPhase
        /// Calls begun and not ended.
        var inFlight: Int64
        /// The command to the application's QOS and its answer.
        var qos: DrainControl.QOSAnswer?
        /// The same drain in processes that this one follows.
        var elsewhere: [HandedOver.Drain]

        /// Calls to it that passed, those that were refused, and connections that were closed for it.
        var counts: [(StaticString, UInt64)] {
            [
                ("passed_calls", elsewhere.reduce(order.passedCalls) { $0 &+ $1.passedCalls }),
                ("rejected_calls", elsewhere.reduce(order.rejectedCalls) { $0 &+ $1.rejectedCalls }),
                ("closed_connections", elsewhere.reduce(order.closedConnections) { $0 &+ $1.closedConnections }),
            ]
        }

        /// True if nothing more is waited for: consumers had their time, and no call is in flight.
        var isIdle: Bool { stage >= .reject && inFlight == 0 }
    }

    let now: UInt64
    var drains: [Drain]
    /// The connections of consumers.
    var connections: [ConnectionReport]
    /// The names of callers by number.
    var callers: [String]
    /// The consumers' rates before and now.
    var consumers: [Consumer]
    /// Connections closed because their consumers had stayed away after a drain was undone.
    var recalledConnections: UInt64

    /// True if every drain has nothing left to wait for.
    var isIdle: Bool { drains.allSatisfy(\.isIdle) }

    /// The report as one object.
    var json: JSONText {
        var json = JSONText()
        json.beginObject()
        json.key("idle")
        json.bool(isIdle)
        json.key("drains")
        json.beginArray()
        for drain in drains { write(drain, to: &json) }
        json.endArray()
        json.key("expected")
        json.beginArray()
        writeExpected(to: &json, endsLines: false)
        json.endArray()
        json.key("consumers")
        json.beginArray()
        for consumer in consumers { write(consumer, to: &json) }
        json.endArray()
        json.key("recalled_connections")
        json.number(recalledConnections)
        json.key("connections")
        json.beginArray()
        for connection in connections { write(connection, to: &json) }
        json.endArray()
        json.endObject()
        json.endLine()
        return json
    }

    /// The report as a line an object: each drain, what is expected of consumers, each consumer, each connection, and
    /// last whether all are idle.
    var lines: JSONText {
        var json = JSONText()
        for drain in drains {
            write(drain, to: &json)
            json.endLine()
        }
        writeExpected(to: &json, endsLines: true)
        for consumer in consumers {
            write(consumer, to: &json)
            json.endLine()
        }
        for connection in connections {
            write(connection, to: &json)
            json.endLine()
        }
        json.beginObject()
        json.key("kind")
        json.string("end")
        json.key("recalled_connections")
        json.number(recalledConnections)
        json.key("idle")
        json.bool(isIdle)
        json.key("drains")
        json.number(drains.count)
        json.key("in_flight")
        json.number(drains.reduce(0) { $0 + $1.inFlight })
        json.endObject()
        json.endLine()
        return json
    }

    private func write(_ drain: Drain, to json: inout JSONText) {
        let order = drain.order
        json.beginObject()
        let texts: [(StaticString, String)] = [
            ("kind", "drain"), ("interface", order.target.interface), ("method", order.target.method),
            ("reason", order.reason), ("stage", drain.stage.label.description), ("signal", order.signalling.rawValue),
        ]
        for (name, text) in texts {
            json.key(name)
            json.string(text)
        }
        let times: [(StaticString, UInt64)] = [
            ("age_seconds", now &- order.start), ("grace_seconds", order.rejectTime &- order.start),
            ("deadline_seconds", order.deadline &- order.start),
        ]
        for (name, nanoseconds) in times {
            json.key(name)
            json.number(Double(nanoseconds / 1_000_000) / 1000)
        }
        json.key("in_flight")
        json.number(drain.inFlight)
        for (name, count) in drain.counts {
            json.key(name)
            json.number(count)
        }
        json.key("qos_command")
        json.string(drain.qos?.command ?? "")
        json.key("qos_answer")
        json.string(drain.qos?.answer ?? "")
        json.endObject()
    }

    private func write(_ connection: ConnectionReport, to json: inout JSONText) {
        json.beginObject()
        json.key("kind")
        json.string("connection")
        json.key("id")
        json.number(connection.id)
        json.key("peer")
        json.string(connection.peer.description)
        json.key("consumer")
        let name = connection.callerName
        json.string(name.isEmpty ? CallerRegistry.name(of: connection.caller, in: callers) : name)
        json.key("protocol")
        json.string(literal: connection.connectionProtocol.label)
        json.key("signals")
        json.string(connection.drainSignals.all.map(\.label.description).joined(separator: " "))
        json.key("late_calls")
        json.number(connection.lateCalls)
        json.key("in_flight")
        json.number(connection.inFlight)
        json.endObject()
    }
}
