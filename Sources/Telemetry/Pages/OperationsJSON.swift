public import Calls

extension MetricsSnapshot {
    /// Appends the answer of `/v1/operations`: an array with one object an operation and side.
    ///
    /// Times are seconds, `null` while no call was answered. `errors` counts the ended calls with an error outcome.
    ///
    /// - Parameter json: The text that the array is appended to.
    public func writeOperations(to json: inout JSONText) {
        json.beginArray()
        for report in operations { report.write(to: &json) }
        json.endArray()
    }
}

extension OperationReport {
    /// Appends the report as an object.
    ///
    /// - Parameter json: The text that the object is appended to.
    public func write(to json: inout JSONText) {
        json.beginObject()
        writeNames(to: &json)
        json.key("in_flight")
        json.number(inFlight)
        json.key("calls")
        json.number(calls)
        json.key("errors")
        json.number(errors)
        writeResults(to: &json)
        writeTimes(to: &json)
        json.key("request_bytes")
        json.number(requestBytes)
        json.key("response_bytes")
        json.number(responseBytes)
        json.key("exceptions")
        json.beginObject()
        for exception in exceptions {
            json.key(text: exception.className)
            json.number(exception.count)
        }
        json.endObject()
        json.key("late_replies")
        json.number(lateReplies)
        json.endObject()
    }

    private func writeNames(to json: inout JSONText) {
        json.key("side")
        json.string(literal: side.label)
        json.key("protocol")
        json.string(literal: operation.callProtocol.label)
        json.key("interface")
        json.string(operation.interface)
        json.key("method")
        json.string(operation.method)
        json.key("version")
        json.string(operation.version)
        json.key("group")
        json.string(operation.group)
    }

    /// The counts by outcome and, for calls that have a code, by code.
    private func writeResults(to json: inout JSONText) {
        json.key("outcomes")
        json.beginObject()
        for outcome in Outcome.allCases {
            let count = results.reduce(0) { $0 &+ ($1.outcome == outcome ? $1.count : 0) }
            if count == 0 { continue }
            json.key(outcome.label)
            json.number(count)
        }
        json.endObject()
        json.key("codes")
        json.beginObject()
        var seen: [String] = []
        for result in results where !result.code.isEmpty && !seen.contains(result.code) {
            seen.append(result.code)
            json.key(text: result.code)
            json.number(results.reduce(0) { $0 &+ ($1.code == result.code ? $1.count : 0) })
        }
        json.endObject()
    }

    private func writeTimes(to json: inout JSONText) {
        json.key("answered")
        json.number(duration.count)
        json.key("p50_seconds")
        json.number(duration.quantile(0.5) ?? .nan)
        json.key("p90_seconds")
        json.number(duration.quantile(0.9) ?? .nan)
        json.key("p99_seconds")
        json.number(duration.quantile(0.99) ?? .nan)
        json.key("max_seconds")
        json.number(duration.count > 0 ? Double(duration.maxNanoseconds) / 1e9 : .nan)
    }
}
