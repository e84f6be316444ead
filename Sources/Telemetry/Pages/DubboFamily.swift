internal import Calls

/// One of Dubbo's own names.
///
/// Left out because Weir cannot know them: the time of the last call (`rt_milliseconds_last`; workers keep none), a
/// provider's failures of the network, and calls of a consumer that found no connection. A kind of failure appears with
/// its first one, as Dubbo's own do; `requests_failed_total` is always there, for ratios.
struct DubboFamily: Sendable {
    /// The inputs of a sample; a class, because dozens of families look at each.
    final class Source: Sendable {
        let total: DubboTotals
        /// Calls begun a second.
        let rate: Double?
        /// The numbers of the last two minutes.
        let recent: DubboTotals?

        init(total: DubboTotals, rate: Double?, recent: DubboTotals?) {
            self.total = total
            self.rate = rate
            self.recent = recent
        }
    }

    typealias Value = MetricSample.Value

    /// The part of the name after `dubbo_provider_`; a counter's without `_total`.
    var stem: String
    var kind: MetricFamily.Kind
    var help: String
    /// The only side that has it, or `nil`.
    var side: Side?
    /// `nil` if there is no value.
    var value: @Sendable (Source) -> Value?

    /// All of them.
    static let all: [DubboFamily] =
        counts + failures.flatMap { [$0.counter] + $0.aggregates } + totalAggregates + times + recentTimes

    private static let counts = [
        DubboFamily(stem: "requests", kind: .counter, help: "Ended calls.") { .count($0.total.ended) },
        DubboFamily(stem: "requests_succeed", kind: .counter, help: "Calls answered with a value, and oneway ones.") {
            .count($0.total.results[.succeeded])
        },
        DubboFamily(stem: "requests_failed", kind: .counter, help: "Failed calls of every kind.") {
            .count($0.total.failed)
        },
        DubboFamily(stem: "requests_processing_total", kind: .gauge, help: "Calls begun and not ended.") {
            .signed($0.total.inFlight)
        },
        DubboFamily(
            stem: "qps_total",
            kind: .gauge,
            help: "Calls begun a second since the last scrape at least 3 s ago."
        ) {
            $0.rate.map { .number($0) }
        },
    ]

    /// A kind of failure: its counter, and the names of its sum over two minutes in Java and in dubbo-go.
    private struct Failure {
        var result: DubboResult
        var stem: String
        var aggregateStems: [String]
        var help: String
        var side: Side?

        var counter: DubboFamily {
            DubboFamily(stem: stem, kind: .counter, help: help + ".", side: side) { [result] in
                let count = $0.total.results[result]
                return count > 0 ? .count(count) : nil
            }
        }

        var aggregates: [DubboFamily] {
            aggregateStems.map { stem in
                DubboFamily(stem: stem, kind: .gauge, help: help + recently, side: side) { [result] in
                    $0.total.results[result] > 0 ? $0.recent.map { .count($0.results[result]) } : nil
                }
            }
        }
    }

    private static let recently = ", in the last two minutes."

    private static let failures = [
        Failure(
            result: .businessFailed,
            stem: "requests_business_failed",
            aggregateStems: ["requests_business_failed_aggregate", "requests_business_failed_total_aggregate"],
            help: "Calls answered with an exception of the application's own"
        ),
        Failure(
            result: .timedOut,
            stem: "requests_timeout",
            aggregateStems: ["requests_timeout_failed_aggregate", "requests_timeout_total_aggregate"],
            help: "Calls that were not answered in time"
        ),
        Failure(
            result: .limited,
            stem: "requests_limit",
            aggregateStems: ["requests_limit_aggregate", "requests_limit_total_aggregate"],
            help: "Calls refused because there were too many"
        ),
        Failure(
            result: .serviceUnavailable,
            stem: "requests_failed_service_unavailable",
            aggregateStems: ["requests_failed_service_unavailable_total_aggregate"],
            help: "Calls refused because the service is not there, or draining"
        ),
        Failure(
            result: .networkFailed,
            stem: "requests_failed_network",
            aggregateStems: ["requests_failed_network_total_aggregate"],
            help: "Calls whose connection ended before the reply",
            side: .consumer
        ),
        Failure(
            result: .codecFailed,
            stem: "requests_failed_codec",
            aggregateStems: ["requests_failed_codec_total_aggregate"],
            help: "Calls of which one side could not read or write a message"
        ),
        Failure(
            result: .unknownFailed,
            stem: "requests_unknown_failed",
            // Java calls by the first of them only failures that are of no other kind.
            aggregateStems: ["requests_failed_aggregate", "requests_unknown_failed_total_aggregate"],
            help: "Calls that failed in another way"
        ),
    ]

    private static let totalAggregates = [
        recent("requests_total_aggregate", help: "Ended calls") { .count($0.ended) },
        recent("requests_succeed_aggregate", help: "Calls answered with a value, and oneway ones") {
            .count($0.results[.succeeded])
        },
        recent("requests_succeed_total_aggregate", help: "Calls answered with a value, and oneway ones") {
            .count($0.results[.succeeded])
        },
        recent("requests_failed_total_aggregate", help: "Failed calls of every kind") { .count($0.failed) },
    ]

    private static let times = [
        time("rt_milliseconds_max", help: "Longest time of an answered call.") { Double($0.maxNanoseconds) },
        time("rt_milliseconds_min", help: "Shortest time of an answered call, at most 9 % too short.") {
            Double($0.shortestBoundNanoseconds)
        },
        time("rt_milliseconds_sum", help: "Times of all answered calls together.") { Double($0.sumNanoseconds) },
        time("rt_milliseconds_avg", help: "Mean time of an answered call.") {
            Double($0.sumNanoseconds) / Double($0.count)
        },
    ]

    private static let recentTimes =
        [(0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99")].map { share, name in
            recentTime("rt_milliseconds_\(name)", help: "Time that a share of answered calls did not exceed, to 9 %") {
                ($0.quantile(share) ?? 0) * 1e9
            }
        } + [
            recentTime(
                "rt_min_milliseconds_aggregate",
                help: "Shortest time of an answered call, at most 9 % too short"
            ) {
                Double($0.shortestBoundNanoseconds)
            },
            recentTime("rt_max_milliseconds_aggregate", help: "Longest time of an answered call, at most 9 % too long")
            {
                Double($0.maxNanoseconds)
            },
            recentTime("rt_avg_milliseconds_aggregate", help: "Mean time of an answered call") {
                Double($0.sumNanoseconds) / Double($0.count)
            },
        ]

    private static func recent(
        _ stem: String,
        help: String,
        value: @escaping @Sendable (DubboTotals) -> Value
    ) -> DubboFamily {
        DubboFamily(stem: stem, kind: .gauge, help: help + recently) { $0.recent.map { value($0) } }
    }

    /// A time in milliseconds from one in nanoseconds.
    private static func time(
        _ stem: String,
        help: String,
        nanoseconds: @escaping @Sendable (HistogramSnapshot) -> Double
    ) -> DubboFamily {
        DubboFamily(stem: stem, kind: .gauge, help: help) {
            $0.total.duration.count > 0 ? .number(nanoseconds($0.total.duration) / 1e6) : nil
        }
    }

    private static func recentTime(
        _ stem: String,
        help: String,
        nanoseconds: @escaping @Sendable (HistogramSnapshot) -> Double
    ) -> DubboFamily {
        DubboFamily(stem: stem, kind: .gauge, help: help + recently) { source in
            guard let duration = source.recent?.duration, duration.count > 0 else { return nil }
            return .number(nanoseconds(duration) / 1e6)
        }
    }
}
