internal import Calls
internal import OTLP
internal import Telemetry

extension SpanConventions {
    /// The events at single moments of a call.
    static func events(_ subject: Subject) -> [OTLPSpan.Event] {
        let facts = subject.facts
        var events: [OTLPSpan.Event] = []
        if facts.marks.contains(.isRetry) {
            events.append(
                event("weir.retry", time: subject.time(subject.call.startNanoseconds)) {
                    $0.add("weir.retry.previous_attempts", facts.previousAttempts)
                }
            )
        }
        if facts.marks.contains(.isRejected) {
            events.append(
                event("weir.rejected", time: subject.time(subject.end)) {
                    $0.add("weir.outcome", "\(subject.call.outcome.label)")
                }
            )
        }
        if !subject.texts.exception.isEmpty {
            events.append(
                event("exception", time: subject.time(subject.end)) {
                    $0.add("exception.type", subject.texts.exception)
                }
            )
        }
        if facts.marks.contains(.hasLateReply) {
            events.append(
                event("weir.late_reply", time: subject.time(facts.lateReply)) {
                    let wait = facts.lateReply &- subject.call.startNanoseconds
                    $0.add("weir.late_reply.duration", Double(wait) / 1_000_000_000)
                }
            )
        }
        return events
    }

    private static func event(
        _ name: String,
        time: UInt64,
        fill: (inout AttributeList) -> Void
    ) -> OTLPSpan.Event {
        var list = AttributeList()
        fill(&list)
        var event = OTLPSpan.Event()
        event.name = name
        event.timeUnixNano = time
        event.attributes = list.values
        return event
    }
}
