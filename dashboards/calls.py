"""The dashboards about calls: all of them, and one operation in depth."""
from grafana import (
    ORANGE, OUTCOME_COLOURS, RED, YELLOW, bars, choice, column, dashboard, heatmap, lines, source, stat, table,
    variable,
)

# The scrape's own labels, which may be absent, and those of every operation.
SCRAPED = 'namespace=~"$namespace", ${service_label}=~"$service"'
CALLS = SCRAPED + ', side=~"$side", interface=~"$interface", method=~"$method"'
OPERATION = "interface, method"
UNKNOWN = 'outcome="unknown"'
# What counts is explained in docs/runbook.md; the recording rules hold the same two lists.
FAILED = 'outcome=~"server_error|timeout|unanswered"'
JUDGED = 'outcome=~"ok|business_error|client_error|server_error|timeout|unanswered"'

TO_OPERATION = (
    "/d/weir-operation/weir-operation?${datasource:queryparam}&${namespace:queryparam}&${service_label:queryparam}"
    "&${service:queryparam}&${__url_time_range}"
    "&var-interface=${__data.fields.interface:percentencode}&var-method=${__data.fields.method:percentencode}"
)


def scope():
    """The variables that choose some of the Weirs."""
    return [
        source(),
        variable("namespace", "Namespace", "Where the scrape sets a label namespace; else there is only All.",
                 "label_values(weir_build_info, namespace)"),
        choice("service_label", "Service label", "Which label of the scrape names a service.",
               ["job", "service", "app", "pod", "instance"]),
        variable("service", "Service", "Values of that label.",
                 'label_values(weir_build_info{namespace=~"$namespace"}, $service_label)'),
    ]


def call_scope(multi=True):
    """And those that choose some of the operations."""
    return scope() + [
        variable("side", "Side", "provider: calls that reach the service; consumer: calls that it makes.",
                 f"label_values(weir_calls_total{{{SCRAPED}}}, side)"),
        variable("interface", "Interface", "", f"label_values(weir_calls_total{{{SCRAPED}}}, interface)", multi),
        variable("method", "Method", "",
                 f'label_values(weir_calls_total{{{SCRAPED}, interface=~"$interface"}}, method)', multi),
    ]


def rate(metric, matchers=CALLS, by=None, extra=""):
    selected = f"{matchers}, {extra}" if extra else matchers
    return f"sum by ({by}) (rate({metric}{{{selected}}}[$__rate_interval]))" if by else \
        f"sum(rate({metric}{{{selected}}}[$__rate_interval]))"


def quantile(value, metric, native, by="", matchers=CALLS, window="$__rate_interval"):
    """From classic buckets, or from a native histogram."""
    if native:
        grouped = f"sum by ({by})" if by else "sum"
        return f"histogram_quantile({value}, {grouped} (rate({metric}{{{matchers}}}[{window}])))"
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({value}, sum by ({labels}) (rate({metric}_bucket{{{matchers}}}[{window}])))"


def failed_share(by=None):
    """0 where nothing failed yet, nothing where nothing was called."""
    all_calls = rate("weir_calls_total", by=by, extra=JUDGED)
    return f"({rate('weir_calls_total', by=by, extra=FAILED)} or 0 * {all_calls}) / ({all_calls} > 0)"


def unknown_share(by=None):
    """Of all calls those whose reply could not be read; 0 where every one could."""
    all_calls = rate("weir_calls_total", by=by)
    return f"({rate('weir_calls_total', by=by, extra=UNKNOWN)} or 0 * {all_calls}) / ({all_calls} > 0)"


SHARE = [(0.001, YELLOW), (0.01, ORANGE), (0.05, RED)]
SLOW = [(0.25, YELLOW), (1, ORANGE), (5, RED)]
BURN = [(1, YELLOW), (6, ORANGE), (14.4, RED)]
FAILED_TEXT = "Failed: server_error, timeout, unanswered. Exceptions of the business and mistakes of callers are not."


def overview(native):
    seconds = "weir_call_duration_seconds"
    burn = 'interface:weir_error_budget:burnrate%s{' + SCRAPED + ', side=~"$side", interface=~"$interface"}'
    now = [
        stat("Calls", "Calls that ended, a second.", "cps", rate("weir_calls_total")),
        stat("Failed", FAILED_TEXT, "percentunit", failed_share(), steps=SHARE, decimals=2),
        stat("p99", "One call in a hundred took longer. Calls that the application answered, without streams.", "s",
             quantile(0.99, seconds, native), steps=SLOW),
        stat("In flight", "Calls begun and not ended.", "short", f"sum(weir_calls_in_flight{{{CALLS}}})"),
        stat("Budget burn, 1 h", "How many times faster than it may the interface that does worst uses up its error "
             "budget. Needs the recording rules.", "short", f"max({burn % '1h'})", steps=BURN, decimals=1),
        stat("Weirs", "Weirs whose last scrape succeeded.", "short", f"count(weir_build_info{{{SCRAPED}}})"),
    ]
    course = [
        lines("Calls by interface", "Calls that ended, a second.", "cps",
              (rate("weir_calls_total", by="interface"), "{{interface}}"), w=8, h=9),
        lines("Failed by interface", FAILED_TEXT, "percentunit", (failed_share("interface"), "{{interface}}"),
              w=8, h=9, steps=SHARE[1:]),
        lines("p99 by interface", "One call in a hundred took longer. Points are exemplars: calls with a trace.", "s",
              (quantile(0.99, seconds, native, "interface"), "{{interface}}"), w=8, h=9, exemplar=True),
        lines("Calls by outcome", "What became of the calls, a second.", "cps",
              (rate("weir_calls_total", by="outcome"), "{{outcome}}"), stack=True, colours=OUTCOME_COLOURS),
        lines("Budget burn by interface", "Over the last hour: 1 uses up the error budget exactly in its period, 14.4 "
              "in two days. Needs the recording rules.", "short",
              (f"max by (interface, side) ({burn % '1h'})", "{{interface}} {{side}}"), steps=BURN),
    ]
    row = f"{OPERATION}, side, protocol"
    durations = [
        column(f"p{int(value * 100)}", f"{quantile(value, seconds, native, row)} >= 0", "s",
               SLOW if value > 0.9 else ())
        for value in (0.5, 0.9, 0.99)
    ]
    methods = [
        table("Operations", "Every method: rate, failures, duration. A method's name leads to its own dashboard.",
              ["interface", "method", "side", "protocol"],
              column("calls/s", rate("weir_calls_total", by=row), "short", decimals=2),
              column("failed", failed_share(row), "percentunit", SHARE, 2),
              *durations,
              column("in flight", f"sum by ({row}) (weir_calls_in_flight{{{CALLS}}})", "short"),
              link=("method", "${__data.fields.method} in depth", TO_OPERATION), h=14),
        bars("Slowest", "The ten methods with the highest p99.", "s",
             f"topk(10, {quantile(0.99, seconds, native, OPERATION)} >= 0)", "{{interface}}.{{method}}", steps=SLOW),
        bars("Most failures", "The ten methods with the most failed calls a second. " + FAILED_TEXT, "cps",
             f"topk(10, {rate('weir_calls_total', by=OPERATION, extra=FAILED)} > 0)", "{{interface}}.{{method}}",
             steps=[(0.1, YELLOW), (1, RED)], empty="when nothing fails"),
        bars("Most time", "Seconds spent in calls a second, answered ones: what a method costs its callers.", "short",
             f"topk(10, sum by ({OPERATION}) (rate({seconds}_sum{{{CALLS}}}[$__rate_interval])))" if not native else
             f"topk(10, histogram_sum(sum by ({OPERATION}) (rate({seconds}{{{CALLS}}}[$__rate_interval]))))",
             "{{interface}}.{{method}}"),
    ]
    exceptions = [
        table("Exceptions", "Replies with an exception, by class.", ["exception", "interface", "method"],
              column("each second", f"{rate('weir_exceptions_total', by=f'exception, {OPERATION}')} > 0", "short",
                     [(1, YELLOW)], 3),
              w=12, link=("method", "${__data.fields.method} in depth", TO_OPERATION),
              empty="when no call throws"),
        lines("Codes other than OK", "The protocol's own names, a second.", "cps",
              (rate("weir_calls_total", by="protocol, code", extra='code!~"OK|"'), "{{protocol}} {{code}}"), h=10,
              empty="when every call is answered well"),
        lines("Replies that could not be read", "Share of the calls whose reply is there, but not what it says: outcome "
              "unknown, in no error ratio.", "percentunit", (unknown_share("interface"), "{{interface}}"),
              steps=[(0.01, YELLOW), (0.05, ORANGE)]),
    ]
    return dashboard("weir-overview", "Weir: overview",
                     "Rate, errors and duration of every interface and method that Weir sees.", call_scope(),
                     ("Now", now), ("Interfaces", course), ("Methods", methods), ("What went wrong", exceptions))


def operation(native):
    seconds = "weir_call_duration_seconds"
    sizes = "sum(rate(weir_%s_bytes_total{" + CALLS + "}[$__rate_interval])) / (" + rate("weir_calls_total") + " > 0)"
    if native:
        buckets = f"sum(increase({seconds}{{{CALLS}}}[$__rate_interval]))"
    else:
        buckets = f"sum by (le) (increase({seconds}_bucket{{{CALLS}}}[$__rate_interval]))"
    now = [
        stat("Calls", "Calls that ended, a second.", "cps", rate("weir_calls_total")),
        stat("Failed", FAILED_TEXT, "percentunit", failed_share(), steps=SHARE, decimals=2),
        stat("p50", "Half of the answered calls took longer.", "s", quantile(0.5, seconds, native), steps=SLOW),
        stat("p99", "One answered call in a hundred took longer.", "s", quantile(0.99, seconds, native), steps=SLOW),
        stat("In flight", "Calls begun and not ended.", "short", f"sum(weir_calls_in_flight{{{CALLS}}})"),
        stat("Late replies", "Replies a second that came after the caller had given up.", "cps",
             f"{rate('weir_late_replies_total')} or vector(0)", steps=[(0.001, YELLOW), (1, RED)], decimals=2),
    ]
    duration = [
        heatmap("Duration", "Calls in each bucket of duration, answered ones. Points are exemplars: click one for its "
                "trace, if the data source is configured for it (dashboards/README.md).", buckets, native=native),
        lines("Quantiles", "Answered calls, without streams. Points are exemplars.", "s",
              *((quantile(value, seconds, native), f"p{int(value * 100)}") for value in (0.5, 0.9, 0.99)),
              w=8, h=10, exemplar=True, steps=SLOW[1:]),
    ]
    results = [
        lines("Outcomes", "What became of the calls, a second.", "cps",
              (rate("weir_calls_total", by="outcome"), "{{outcome}}"), w=8, stack=True, colours=OUTCOME_COLOURS),
        lines("Codes", "The protocol's own names of results, a second; none: there was no reply.", "cps",
              (f'label_replace({rate("weir_calls_total", by="code")}, "code", "none", "code", "")', "{{code}}"), w=8,
              stack=True),
        lines("Exceptions", "Replies with an exception, by class, a second.", "cps",
              (rate("weir_exceptions_total", by="exception"), "{{exception}}"), w=8, empty="when no call throws"),
        lines("In flight by method", "Calls begun and not ended: a rising line is a service that no longer keeps up.",
              "short", (f"sum by ({OPERATION}) (weir_calls_in_flight{{{CALLS}}})", "{{interface}}.{{method}}"), w=8),
        lines("Late replies by method", "The service worked on, although its caller had given up.", "cps",
              (rate("weir_late_replies_total", by=OPERATION), "{{interface}}.{{method}}"), w=8,
              empty="when no reply comes late"),
        lines("Versions and groups", "Calls a second.", "cps",
              (rate("weir_calls_total", by="version, group"), "version {{version}} group {{group}}"), w=8),
    ]
    who = [
        lines("Callers", "Calls a second by the application that makes them.", "cps",
              (rate("weir_calls_total", by="caller", extra='caller!=""'), "{{caller}}"), w=8, stack=True,
              empty="when metrics.callers is off"),
        lines("Calls by instance", "An instance that gets more than its share stands out.", "cps",
              (rate("weir_calls_total", by="instance"), "{{instance}}"), w=8),
        lines("p99 by instance", "A replica that is slower than the others stands out.", "s",
              (quantile(0.99, seconds, native, "instance"), "{{instance}}"), w=8, steps=SLOW[1:]),
    ]
    size = [
        lines("Message size", "Mean bytes of a request and of a reply.", "bytes", (sizes % "request", "request"),
              (sizes % "response", "reply"), w=8, steps=[(8388608, RED)]),
        lines("Bytes", "Bytes a second.", "Bps", (rate("weir_request_bytes_total"), "requests"),
              (rate("weir_response_bytes_total"), "replies"), w=8),
        lines("Streams", "Messages a second of calls that are streams.", "short",
              (rate("weir_stream_messages_total", by="direction"), "{{direction}}"), w=4,
              empty="when nothing is streamed"),
        lines("Stream length", "How long streams were open: half of them, and one in a hundred, longer.", "s",
              (quantile(0.5, "weir_stream_duration_seconds", native), "p50"),
              (quantile(0.99, "weir_stream_duration_seconds", native), "p99"), w=4, empty="when nothing is streamed"),
    ]
    return dashboard("weir-operation", "Weir: operation", "One method, or one interface, in depth.", call_scope(False),
                     ("Now", now), ("Duration", duration), ("Results", results), ("Who and where", who),
                     ("Sizes and streams", size))
