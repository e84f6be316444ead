"""A Prometheus server's answers to what Grafana would ask of it for a dashboard."""
import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Prometheus:
    """- span: how many seconds before `end` a graph begins."""

    def __init__(self, url, end=None, span="15m"):
        self.url, self.end, self.span = url.rstrip("/"), end or time.time(), seconds(span)

    def get(self, path, **query):
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query, doseq=True)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from None

    def course(self, expression):
        """The (time, value) pairs of each series that has any; 200 steps, none below a second."""
        data = self.get("query_range", query=expression, start=self.end - self.span, end=self.end,
                        step=max(self.span / 200, 1))
        rows = [(row["metric"], [(at, float(value)) for at, value in row["values"]]) for row in data["result"]]
        rows = [(labels, [pair for pair in pairs if math.isfinite(pair[1])]) for labels, pairs in rows]
        return [(labels, pairs) for labels, pairs in rows if pairs]

    def now(self, expression):
        """The value of each series at the end of the time."""
        data = self.get("query", query=expression, time=self.end)
        result = data["result"] if data["resultType"] == "vector" else [{"metric": {}, "value": data["result"]}]
        rows = [(row["metric"], float(row["value"][1])) for row in result]
        return [(labels, value) for labels, value in rows if math.isfinite(value)]

    def last(self, expression, is_range):
        """The last value of each series that has one."""
        if is_range:
            return [(labels, pairs[-1][1]) for labels, pairs in self.course(expression)]
        return self.now(expression)


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|[smhd])", duration).groups()
    return int(number) * SECONDS[unit]


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard, intervals, overrides):
    """What Grafana would fill in: every variable at All, and the times in `intervals`."""
    values = dict(intervals)
    for each in dashboard["templating"]["list"]:
        if each["type"] == "query":
            values[each["name"]] = each["allValue"]
        elif each["type"] == "custom":
            values[each["name"]] = each["current"]["value"]
    return {**values, **overrides}


def filled(text, values):
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values[found[1] or found[2]], text)
