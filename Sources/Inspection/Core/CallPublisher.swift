internal import Calls
internal import Policy

/// The observer of one core's calls for their subscribers; a line is made once, and only if a subscriber wants it.
final class CallPublisher: CallObserver {
    private struct Recipient {
        let subscription: CallSubscription
        let matcher: CallMatcher
        var sample: CallSample

        mutating func admits(_ call: ObservedCall) -> Bool { matcher.admits(call) && sample.admits(call.trace) }
    }

    private let registry: OperationRegistry
    private let epochOffset: @Sendable () -> Int64
    private let lines: CallLines
    private var recipients: [Recipient] = []

    init(registry: OperationRegistry, epochOffset: @escaping @Sendable () -> Int64) {
        self.registry = registry
        self.epochOffset = epochOffset
        lines = CallLines(registry: registry)
    }

    /// Replaces the recipients; what is known for those that stay is kept.
    func publish(to subscriptions: [CallSubscription]) {
        recipients = subscriptions.map { subscription in
            recipients.first { $0.subscription === subscription }
                ?? Recipient(
                    subscription: subscription,
                    matcher: CallMatcher(subscription.filter, registry: registry),
                    sample: CallSample(share: subscription.share ?? 1)
                )
        }
    }

    func finished(_ call: ObservedCall) {
        var isMade = false
        for index in recipients.indices where recipients[index].admits(call) {
            if !isMade {
                lines.removeAll()
                lines.clockOffset = epochOffset()
                lines.finished(call)
                isMade = true
            }
            recipients[index].subscription.offer(lines.json.bytes)
        }
    }
}

/// A share of the calls: all of a trace or none, and any others by chance.
struct CallSample {
    /// Numbers below it are chosen; `nil` if every call is.
    private let threshold: UInt64?
    private var random = SystemRandomNumberGenerator()

    init(share: Double) {
        // The largest double below 2⁶⁴ is 2⁶⁴ − 2048, so that the product of a share below 1 fits.
        threshold = share < 1 ? UInt64(max(0, share) * 0x1p64) : nil
    }

    mutating func admits(_ trace: TraceContext?) -> Bool {
        guard let threshold else { return true }
        guard let trace, !trace.traceID.isZero else { return random.next() < threshold }
        // Some tracers number their traces; the product's highest bits are as even as those of random ids.
        return trace.traceID.low &* 0x9e37_79b9_7f4a_7c15 < threshold
    }
}
