internal import Calls

/// The metrics that tell operations apart; `MetricsPage+Operations` writes them.
extension MetricCatalog {
    /// The names of their labels.
    enum OperationLabel {
        static let side: StaticString = "side"
        static let callProtocol: StaticString = "protocol"
        static let interface: StaticString = "interface"
        static let method: StaticString = "method"
        static let version: StaticString = "version"
        static let group: StaticString = "group"
        static let outcome: StaticString = "outcome"
        static let code: StaticString = "code"
        static let caller: StaticString = "caller"
        static let exception: StaticString = "exception"
        static let direction: StaticString = "direction"
    }

    /// The values of `direction`.
    static let directions = ["request", "response"]

    private static let durationLabels = [
        MetricLabelDescription(OperationLabel.side, Side.allCases.map(\.label.description)),
        MetricLabelDescription(OperationLabel.callProtocol, CallProtocol.allCases.map(\.label.description)),
        MetricLabelDescription(OperationLabel.interface),
        MetricLabelDescription(OperationLabel.method),
    ]

    private static let operationLabels =
        durationLabels + [
            MetricLabelDescription(OperationLabel.version), MetricLabelDescription(OperationLabel.group),
        ]

    static let calls = Metric(
        .counter,
        "weir_calls",
        help: "Ended calls, by outcome and code.",
        labels: operationLabels + [
            MetricLabelDescription(OperationLabel.outcome, Outcome.allCases.map(\.label.description)),
            MetricLabelDescription(OperationLabel.code),
            MetricLabelDescription(OperationLabel.caller),
        ]
    )

    static let callsInFlight = Metric(
        .gauge,
        "weir_calls_in_flight",
        help: "Calls begun and not ended.",
        labels: operationLabels
    )

    static let requestBytes = Metric(
        .counter,
        "weir_request_bytes",
        unit: "bytes",
        help: "Bytes of the requests of calls that have ended.",
        labels: operationLabels
    )

    static let responseBytes = Metric(
        .counter,
        "weir_response_bytes",
        unit: "bytes",
        help: "Bytes of the replies to calls that have ended.",
        labels: operationLabels
    )

    static let exceptions = Metric(
        .counter,
        "weir_exceptions",
        help: "Replies with an exception, by class.",
        labels: operationLabels + [MetricLabelDescription(OperationLabel.exception)]
    )

    static let lateReplies = Metric(
        .counter,
        "weir_late_replies",
        help: "Replies to calls given up before, or never seen.",
        labels: operationLabels
    )

    static let callDuration = Metric(
        .histogram,
        "weir_call_duration_seconds",
        unit: "seconds",
        help: "First request byte seen to last reply byte seen, of calls that the application answered.",
        labels: durationLabels
    )

    static let streamDuration = Metric(
        .histogram,
        "weir_stream_duration_seconds",
        unit: "seconds",
        help: "How long calls that were streams were open, however they ended.",
        labels: durationLabels
    )

    static let streamMessages = Metric(
        .counter,
        "weir_stream_messages",
        help: "Messages of calls that carried more than one of them one way.",
        labels: operationLabels + [MetricLabelDescription(OperationLabel.direction, directions)]
    )

    /// All of them, in the order of the page.
    static let operations = [
        calls, callsInFlight, requestBytes, responseBytes, exceptions, lateReplies, callDuration, streamDuration,
        streamMessages,
    ]
}
