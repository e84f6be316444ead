internal import Calls
internal import Inspection
internal import Policy
internal import Telemetry
internal import Wire

/// The behaviour of consumers in a drain.
extension DrainReport {
    /// A consumer, by its address, and how much it called before the drain and calls now.
    struct Consumer {
        var address: String
        /// The application that called last, if it is known.
        var application = ""
        /// `dubbo-go` of those that answer events as it does.
        var implementation = ""
        var connections = 0
        /// Calls a second in the minute before the first drain; `nil` of one that came later.
        var rateBefore: Double?
        /// Calls a second now.
        var rateNow = 0.0
        /// Calls to what is drained that came nevertheless.
        var lateCalls: UInt64 = 0
    }

    /// The consumers of connections, and those that were there before and have none any more.
    ///
    /// - Parameters:
    ///   - connections: The connections of consumers.
    ///   - before: The rates before the drain.
    ///   - callers: The names of callers by number.
    /// - Returns: Those that called most before come first.
    static func consumers(
        _ connections: [ConnectionReport],
        before: [String: Double],
        callers: [String]
    ) -> [Consumer] {
        var consumers = before.mapValues { Consumer(address: "", rateBefore: $0) }
        for connection in connections {
            let address = connection.peer.unmapped.addressText
            let name = connection.callerName
            let application = name.isEmpty ? CallerRegistry.name(of: connection.caller, in: callers) : name
            var consumer = consumers[address] ?? Consumer(address: address)
            if !application.isEmpty { consumer.application = application }
            if connection.answersEvents { consumer.implementation = "dubbo-go" }
            consumer.connections += 1
            consumer.rateNow += connection.currentRate
            consumer.lateCalls += connection.lateCalls
            consumers[address] = consumer
        }
        return consumers.map { address, consumer in
            var consumer = consumer
            consumer.address = address
            return consumer
        }.sorted { ($0.rateBefore ?? 0, $1.address) > ($1.rateBefore ?? 0, $0.address) }
    }

    /// The calls a second of the consumers of connections over the last minute.
    ///
    /// - Parameter connections: The connections.
    /// - Returns: The rates by address.
    static func rates(_ connections: [ConnectionReport]) -> [String: Double] {
        var rates: [String: Double] = [:]
        for connection in connections where connection.side == .provider {
            rates[connection.peer.unmapped.addressText, default: 0] += connection.minuteRate
        }
        return rates
    }

    func write(_ consumer: Consumer, to json: inout JSONText) {
        json.beginObject()
        let texts: [(StaticString, String)] = [
            ("kind", "consumer"), ("address", consumer.address), ("application", consumer.application),
            ("implementation", consumer.implementation),
        ]
        for (name, text) in texts {
            json.key(name)
            json.string(text)
        }
        json.key("connections")
        json.number(consumer.connections)
        json.key("calls_per_second_before")
        if let rate = consumer.rateBefore { json.number(Self.rounded(rate)) } else { json.null() }
        json.key("calls_per_second_now")
        json.number(Self.rounded(consumer.rateNow))
        json.key("late_calls")
        json.number(consumer.lateCalls)
        json.endObject()
    }

    private static func rounded(_ rate: Double) -> Double { (rate * 10).rounded() / 10 }

    /// What each kind of consumer that has a connection does upon each drain.
    func writeExpected(to json: inout JSONText, endsLines: Bool) {
        let protocols = Set(connections.map(\.connectionProtocol)).sorted { $0.rawValue < $1.rawValue }
        for drain in drains {
            for expectation in protocols.flatMap({ DrainExpectation.of(drain.order, $0) }) {
                json.beginObject()
                let texts: [(StaticString, String)] = [
                    ("kind", "expected"), ("interface", drain.order.target.interface),
                    ("method", drain.order.target.method), ("consumers", expectation.consumers),
                    ("expected", expectation.text),
                ]
                for (name, text) in texts {
                    json.key(name)
                    json.string(text)
                }
                json.endObject()
                if endsLines { json.endLine() }
            }
        }
    }
}
