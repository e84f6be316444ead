"""The dashboards about what carries the calls: connections, limits and drain, and Weir itself."""
from calls import CALLS, OPERATION, SCRAPED, call_scope, quantile, rate, scope
from grafana import GREY, ORANGE, RED, YELLOW, bars, column, dashboard, lines, stat, table, variable

SIDED = SCRAPED + ', side=~"$side"'
# Numbers that every process has: those of Weirs only.
OURS = " and on (job, instance) weir_build_info"
LIMITED, DRAINED = 'outcome="limited"', 'outcome="drained"'


def sided_scope():
    return scope() + [
        variable("side", "Side", "provider: calls that reach the service; consumer: calls that it makes.",
                 f"label_values(weir_open_connections{{{SCRAPED}}}, side)"),
    ]


def connections(native):
    trips = "weir_heartbeat_round_trip_seconds"
    sent = f"sum by (side) (rate(weir_heartbeats_total{{{SIDED}}}[5m]))"
    if native:
        answered = f"histogram_count(sum by (side) (rate({trips}{{{SIDED}}}[5m])))"
    else:
        answered = f"sum by (side) (rate({trips}_count{{{SIDED}}}[5m]))"
    every_byte = (
        f"sum(rate(weir_uninspected_bytes_total{{{SCRAPED}}}[$__rate_interval])) + "
        f"(sum(rate(weir_request_bytes_total{{{SCRAPED}}}[$__rate_interval])"
        f" + rate(weir_response_bytes_total{{{SCRAPED}}}[$__rate_interval])) or vector(0))"
    )
    now = [
        stat("Open connections", "Relayed connections open now.", "short", f"sum(weir_open_connections{{{SIDED}}})"),
        stat("New connections", "Connections a second, last 5 minutes.", "short",
             f"sum(rate(weir_connections_total{{{SIDED}}}[5m]))", decimals=2),
        stat("Refused", "Connections a second that were not relayed, last 5 minutes.", "short",
             f"sum(rate(weir_connections_refused_total{{{SCRAPED}}}[5m]))", steps=[(0.001, RED)], decimals=2),
        stat("Heartbeat p99", "One heartbeat in a hundred took longer to be answered.", "s",
             f"{quantile(0.99, trips, native, matchers=SIDED, window='5m')} >= 0", steps=[(0.1, YELLOW), (1, RED)],
             empty="without heartbeats in the last 5 minutes"),
        stat("Not understood", "Share of all bytes that passed without being read.", "percentunit",
             f"sum(rate(weir_uninspected_bytes_total{{{SCRAPED}}}[$__rate_interval])) / ({every_byte} > 0)",
             steps=[(0.05, YELLOW), (0.5, RED)], decimals=2),
        stat("Decode errors", "Times a second that a decoder met bytes it could not follow, last 5 minutes.", "short",
             f"sum(rate(weir_decode_errors_total{{{SCRAPED}}}[5m])) or vector(0)", steps=[(0.001, YELLOW)], decimals=2),
    ]
    open_now = [
        lines("Open by protocol", "Relayed connections, by what they were seen to speak; silent: nothing yet.", "short",
              (f"sum by (side, protocol) (weir_open_connections{{{SIDED}}}) > 0", "{{side}} {{protocol}}"), w=8,
              stack=True),
        lines("Made by protocol", "New connections a second. Dubbo's and Triple's live long: a steady rate is a "
              "reconnect loop.", "short",
              (f"sum by (side, protocol) (rate(weir_connections_total{{{SIDED}}}[5m])) > 0", "{{side}} {{protocol}}"),
              w=8, empty="when no connection was made"),
        lines("Refused by reason", "Not relayed: loop and no_destination are mistakes of interception, limit is "
              "relay.max-connections, connect_failed and connect_timeout are the application's, descriptors: the "
              "process has too few.", "short",
              (f"sum by (reason) (rate(weir_connections_refused_total{{{SCRAPED}}}[5m]))", "{{reason}}"), w=8,
              steps=[(0.001, RED)]),
    ]
    beats = [
        lines("Heartbeats", "Sent and answered, a second. Dubbo Java's consumers send one after 60 s of silence, "
              "dubbo-go's peers both.", "short", (sent, "{{side}} sent"), (answered, "{{side}} answered"), w=8),
        lines("Heartbeat round trip", "From the heartbeat's first byte to its answer's last one.", "s",
              *((f"{quantile(value, trips, native, 'side', SIDED, '5m')} >= 0", f"{{{{side}}}} p{int(value * 100)}")
                for value in (0.5, 0.99)), w=8, steps=[(1, RED)], empty="without heartbeats in the last 5 minutes"),
        lines("Events", "Events a second other than heartbeats. readonly: the sender wants no new requests, as a "
              "provider does when it shuts down.", "short",
              (f'sum by (side, event) (rate(weir_events_total{{{SIDED}, event!="heartbeat"}}[5m]))',
               "{{side}} {{event}}"), w=8, steps=[(0.001, YELLOW)]),
    ]
    consumers = [
        table("Consumers", "Applications that call, their connections, and how unevenly they use them: calls of the "
              "busiest connection over the mean; 1 is even.", ["consumer", "instance", "side"],
              column("imbalance", f"max by (consumer, instance, side) (weir_consumer_connection_imbalance{{{SIDED}}})",
                     "short", [(2, YELLOW), (4, RED)], 2),
              column("connections", f"sum by (consumer, instance, side) (weir_consumer_connections{{{SIDED}}})",
                     "short"), w=12, h=9, empty="when no consumer says its name"),
        lines("Imbalance", "Calls of a consumer's busiest connection over the mean of its connections; 1 is even.",
              "short", (f"max by (consumer, instance) (weir_consumer_connection_imbalance{{{SIDED}}})",
                        "{{consumer}} to {{instance}}"), h=9, steps=[(2, YELLOW), (4, RED)],
              empty="when no consumer says its name"),
    ]
    unread = [
        lines("Bytes not understood", "A second, by reason. opaque, tls and http are none of Weir's protocols; blind, "
              "resync and limit should have been read.", "Bps",
              (f"sum by (reason) (rate(weir_uninspected_bytes_total{{{SCRAPED}}}[$__rate_interval]))", "{{reason}}"),
              stack=True, colours={"opaque": GREY, "blind": RED, "resync": ORANGE, "limit": YELLOW}),
        lines("Decode errors by reason", "Times a second that a decoder could not follow.", "short",
              (f"sum by (protocol, reason) (rate(weir_decode_errors_total{{{SCRAPED}}}[5m]))",
               "{{protocol}} {{reason}}"), steps=[(0.001, YELLOW)], empty="when everything could be read"),
    ]
    return dashboard("weir-connections", "Weir: connections",
                     "Connections, heartbeats, and bytes that were not understood.", sided_scope(), ("Now", now),
                     ("Connections", open_now), ("Heartbeats and events", beats), ("Consumers", consumers),
                     ("Not understood", unread))


def limits_and_drain(_):
    no_limit, no_drain = "without limits", "when nothing was drained"
    decisions = f"sum by (limit, decision) (rate(weir_limit_decisions_total{{{SCRAPED}}}[$__rate_interval]))"
    refused = f'sum by (limit) (rate(weir_limit_decisions_total{{{SCRAPED}, decision=~"%s"}}[$__rate_interval]))'
    asked = f"sum by (limit) (rate(weir_limit_decisions_total{{{SCRAPED}}}[$__rate_interval]))"
    states = [{"type": "value", "options": {
        str(value): {"text": text, "index": value}
        for value, text in enumerate(["serving", "grace", "reject", "ended"])
    }}]
    limits = [
        stat("Limited", "Calls a second that Weir answered itself because of a limit.", "cps",
             f"{rate('weir_calls_total', extra=LIMITED)} or vector(0)",
             steps=[(0.001, YELLOW), (10, ORANGE)], decimals=2),
        stat("Drained", "Calls a second that Weir answered itself because of a drain.", "cps",
             f"{rate('weir_calls_total', extra=DRAINED)} or vector(0)",
             steps=[(0.001, YELLOW)], decimals=2),
        stat("Partial verdicts", "Verdicts a second on requests of which not all was known that a rule asks for.",
             "short", f"sum(rate(weir_verdicts_partial_total{{{SCRAPED}}}[$__rate_interval]))",
             steps=[(0.001, YELLOW)], decimals=2),
        stat("Draining", "Weirs that are being drained now.", "short",
             f"count(weir_drain_state{{{SCRAPED}}} > 0) or vector(0)", steps=[(1, YELLOW)]),
        stat("In flight", "Calls begun and not ended; a drain waits for them.", "short",
             f"sum(weir_calls_in_flight{{{CALLS}}})"),
        stat("Open connections", "Those that a drain has to see closed.", "short",
             f"sum(weir_open_connections{{{SIDED}}})"),
    ]
    by_limit = [
        lines("Decisions", "Of each limit, a second. would_reject: the limit only observes.", "short",
              (decisions, "{{limit}} {{decision}}"), w=8, empty=no_limit),
        lines("Share rejected", "Of the calls that a limit was asked about.", "percentunit",
              (f"{refused % 'rejected'} / ({asked} > 0)", "{{limit}}"), w=8, steps=[(0.05, YELLOW), (0.5, RED)],
              empty=no_limit),
        lines("Share that would be rejected", "By limits that only observe: what enforcing them would do.",
              "percentunit", (f"{refused % 'would_reject'} / ({asked} > 0)", "{{limit}}"), w=8,
              steps=[(0.05, YELLOW)], empty=no_limit),
        bars("Limited methods", "Calls a second, the ten most limited.", "cps",
             f"topk(10, {rate('weir_calls_total', by=OPERATION, extra=LIMITED)} > 0)",
             "{{interface}}.{{method}}", steps=[(1, YELLOW), (100, RED)], w=12, empty="when nothing is limited"),
        lines("Limited callers", "Calls a second, by the application that makes them.", "cps",
              (rate("weir_calls_total", by="caller", extra=LIMITED + ', caller!=""'), "{{caller}}"),
              empty="when nothing is limited, or metrics.callers is off"),
        lines("Partial verdicts by reason", "A second, on requests of which not all was known that a rule asks for: "
              "too_large to be held, an encoding or serialization that is not read, a batch or an Expect that cannot "
              "wait.", "short",
              (f"sum by (reason) (rate(weir_verdicts_partial_total{{{SCRAPED}}}[$__rate_interval]))", "{{reason}}"),
              steps=[(0.001, YELLOW)]),
    ]
    drain = [
        lines("Stage", "Of each Weir's drain: serving, grace, reject, ended.", "short",
              (f"max by (instance) (weir_drain_state{{{SCRAPED}}})", "{{instance}}"), w=8, steps=[(1, YELLOW)],
              defaults={"mappings": states}, empty="in a Weir that cannot drain"),
        lines("Signals", "Sent to consumers, a second: readonly, closing, goaway and their like.", "short",
              (f"sum by (signal) (rate(weir_drain_signals_total{{{SCRAPED}}}[$__rate_interval]))", "{{signal}}"), w=8,
              empty=no_drain),
        lines("Calls that still come", "A second, by outcome: who obeys the signals makes them fall.", "cps",
              (rate("weir_calls_total", by="outcome"), "{{outcome}}"), w=8, stack=True),
    ]
    return dashboard("weir-limits", "Weir: limits and drain", "What Weir refuses, and how a drain goes.", call_scope(),
                     ("Now", limits), ("Limits", by_limit), ("Drain", drain))


def weir(native):
    def per_instance(expression, legend="{{instance}}"):
        return f"sum by (instance) ({expression}{OURS})", legend

    lag = "weir_loop_lag_seconds"
    spent = f"sum(rate(process_cpu_seconds_total{{{SCRAPED}}}[$__rate_interval]){OURS})"
    now = [
        stat("Weirs", "Weirs whose last scrape succeeded.", "short", f"count(weir_build_info{{{SCRAPED}}})"),
        stat("CPU per call", "Processor time of Weir per call.", "s",
             f"{spent} / (sum(rate(weir_calls_total{{{SCRAPED}}}[$__rate_interval])) > 0)",
             steps=[(0.0002, YELLOW), (0.001, RED)], decimals=1),
        stat("Largest", "Resident memory of the largest Weir.", "bytes",
             f"max(process_resident_memory_bytes{{{SCRAPED}}}{OURS})", steps=[(67108864, YELLOW), (134217728, RED)]),
        stat("Loop lag p99", "One turn in a hundred of a worker took longer; other connections wait meanwhile.", "s",
             quantile(0.99, lag, native, matchers=SCRAPED), steps=[(0.01, YELLOW), (0.05, RED)]),
        stat("Most operations", "Told apart by one Weir; inspection.max-operations is 2000 unless set.", "short",
             f"max(weir_operations{{{SCRAPED}}})", steps=[(1800, YELLOW), (2000, RED)]),
        stat("Stale scrapes", "Workers that did not answer a scrape within 100 ms, in the last hour.", "short",
             f"sum(increase(weir_scrape_stale_workers_total{{{SCRAPED}}}[1h]))", steps=[(1, YELLOW), (10, RED)],
             decimals=0),
    ]
    process = [
        lines("CPU", "Processors in use.", "short",
              per_instance(f"rate(process_cpu_seconds_total{{{SCRAPED}}}[$__rate_interval])"), w=8),
        lines("Memory", "Resident memory.", "bytes", per_instance(f"process_resident_memory_bytes{{{SCRAPED}}}"), w=8,
              steps=[(134217728, RED)]),
        lines("File descriptors", "In use, of those there may be; two go with each connection.", "percentunit",
              per_instance(f"process_open_fds{{{SCRAPED}}} / process_max_fds{{{SCRAPED}}}"), w=8, steps=[(0.8, RED)]),
        lines("Loop lag", "How long a worker's turn took: half, and one in a hundred, longer.", "s",
              (quantile(0.5, lag, native, "instance", SCRAPED), "{{instance}} p50"),
              (quantile(0.99, lag, native, "instance", SCRAPED), "{{instance}} p99"), w=8, steps=[(0.05, RED)]),
        lines("Uptime", "Since the process was started; a saw is a Weir that ends again and again.", "s",
              per_instance(f"time() - process_start_time_seconds{{{SCRAPED}}}"), w=8),
        table("Builds", "Which Weir runs where.", ["instance", "version", "revision"],
              column("Weirs", f"sum by (instance, version, revision) (weir_build_info{{{SCRAPED}}})", "short"),
              w=8, h=8),
    ]
    bounds = [
        lines("Call table", "Calls in flight and given-up calls remembered; inspection.max-calls is 100000 a worker "
              "unless set.", "short",
              (f"sum by (instance) (weir_call_table_entries{{{SCRAPED}}})", "{{instance}}"), w=8,
              steps=[(90000, YELLOW), (100000, RED)]),
        lines("Operations", "Told apart; past inspection.max-operations (2000) calls count under _other.", "short",
              (f"sum by (instance) (weir_operations{{{SCRAPED}}})", "{{instance}}"), w=8,
              steps=[(1800, YELLOW), (2000, RED)]),
        lines("Calls under _other", "A second, because no further operation is told apart.", "cps",
              (f"sum by (instance) (rate(weir_operations_overflow_total{{{SCRAPED}}}[$__rate_interval]))",
               "{{instance}}"), w=8, steps=[(0.001, YELLOW)]),
    ]
    tracing = [
        lines("Spans", "A second: exported; dropped, because too many waited; failed, because the collector did not "
              "take them.", "short",
              (f"sum by (result) (rate(weir_spans_total{{{SCRAPED}}}[$__rate_interval]))", "{{result}}"), w=8,
              colours={"dropped": ORANGE, "failed": RED}, empty="without tracing"),
        lines("Broken trace contexts", "That callers sent, a second, by format.", "short",
              (f"sum by (format) (rate(weir_trace_contexts_malformed_total{{{SCRAPED}}}[$__rate_interval]))",
               "{{format}}"), w=8, steps=[(0.001, YELLOW)], empty="without tracing"),
        lines("Contexts written", "Requests a second that were to carry Weir's own context, by what became of it.",
              "short", (f"sum by (result) (rate(weir_context_injections_total{{{SCRAPED}}}[$__rate_interval]))",
                        "{{result}}"), w=8, empty="without injection"),
    ]
    scraping = [
        lines("Scrape duration", "How long a scrape took.", "s", per_instance(f"scrape_duration_seconds{{{SCRAPED}}}"),
              w=6, steps=[(1, YELLOW)]),
        lines("Samples a scrape", "Series that one Weir exports.", "short",
              per_instance(f"scrape_samples_scraped{{{SCRAPED}}}"), w=6, steps=[(100000, YELLOW)]),
        lines("Stale workers", "Workers a second that did not answer a scrape within 100 ms.", "short",
              (f"sum by (instance) (rate(weir_scrape_stale_workers_total{{{SCRAPED}}}[$__rate_interval]))",
               "{{instance}}"), w=6, steps=[(0.001, YELLOW)]),
        lines("Lost tap lines", "Lines a second that viewers of live calls were too slow for.", "short",
              (f"sum by (instance) (rate(weir_tap_lines_dropped_total{{{SCRAPED}}}[$__rate_interval]))",
               "{{instance}}"), w=6, steps=[(0.001, YELLOW)], empty="in a Weir that cannot be tapped"),
    ]
    return dashboard("weir-self", "Weir: itself", "The health of the Weirs.", scope(), ("Now", now),
                     ("Process", process), ("Bounds", bounds), ("Tracing", tracing), ("Scraping", scraping))
