#!/usr/bin/env python3
"""Draws a dashboard of this folder from a Prometheus' data, as one HTML page: a picture without a Grafana.

It resembles Grafana's dark theme and knows the kinds of panels that these dashboards have; it is not Grafana.

usage: dashboards/render.py URL NAME [OPTION=VALUE …] > page.html
  NAME     overview, operation, …
  options  range=15m  rate_interval=1m  end=SECONDS since 1970  width=1500 (pixels)  rows=N (only the first N rows)
           var.NAME=REGEX
A picture: chromium --headless --hide-scrollbars --window-size=1500,HEIGHT --screenshot=page.png page.html; the page's
first line has the HEIGHT.
"""
import html
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from prometheus import Prometheus, filled, variables  # noqa: E402

PALETTE = ["#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300"]
NAMED = {
    "green": "#73BF69", "light-green": "#96D98D", "yellow": "#FADE2A", "dark-yellow": "#E0B400", "orange": "#FF9830",
    "red": "#F2495C", "dark-red": "#C4162A", "blue": "#5794F2", "dark-blue": "#1F60C4", "purple": "#B877D9",
}
STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 12px Inter, "DejaVu Sans", sans-serif; position: relative }
section { position: absolute; background: #181b1f; border: 1px solid #24262b; border-radius: 2px; overflow: hidden }
h1 { font-size: 18px; font-weight: 500; margin: 0; position: absolute; left: 12px; top: 12px }
h2 { font-size: 14px; font-weight: 500; margin: 0; position: absolute; left: 12px }
h3 { font-size: 12px; font-weight: 500; margin: 6px 8px 2px }
svg { display: block } svg text { fill: #9a9ba5; font-size: 10px }
table { border-collapse: collapse; width: 100% } td, th { padding: 2px 8px; text-align: right; white-space: nowrap }
th { color: #6e9fff; font-weight: 500 } td { border-top: 1px solid #24262b }
.label { text-align: left } .big { text-align: center; font-size: 30px }
.legend { padding: 0 8px; line-height: 15px; height: 32px; overflow: hidden; color: #9a9ba5 }
.key { display: inline-block; width: 10px; height: 3px; margin: 0 4px 3px 0 }
.entry { display: inline-block; margin-right: 10px }
.bar { display: flex; align-items: center; margin: 3px 8px } .bar > * { margin-right: 6px }
"""


def scaled(value, steps, base=1000.0):
    for unit in steps[:-1]:
        if abs(value) < base:
            return f"{value:.3g} {unit}".strip()
        value /= base
    return f"{value:.3g} {steps[-1]}".strip()


def shown(value, unit):
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        return scaled(value * 1e6, ["µs", "ms", "s"]) if value else "0 s"
    if unit in ("bytes", "Bps"):
        return scaled(value, ["B", "KiB", "MiB", "GiB"], 1024.0) + ("/s" if unit == "Bps" else "")
    return scaled(value, ["", "K", "Mil"]) + ("/s" if unit == "cps" else "")


def colour_of(value, thresholds):
    names = [step["color"] for step in thresholds["steps"] if step["value"] is None or value >= step["value"]]
    return NAMED.get(names[-1], names[-1])


def legend_of(pattern, labels):
    for name, value in labels.items():
        pattern = pattern.replace("{{" + name + "}}", value)
    return re.sub(r"{{\w+}}", "–", pattern)


def nice(top):
    """A round number not below."""
    size = 1e-9
    while top > size:
        for factor in (1, 2, 2.5, 5):
            if top <= factor * size:
                return factor * size
        size *= 10
    return size


class Page:
    def __init__(self, server, dashboard, values, width):
        self.server, self.dashboard, self.values = server, dashboard, values
        self.cell, self.width = (width - 8) / 24, width

    def place(self, grid):
        x, y = 4 + grid["x"] * self.cell, 44 + grid["y"] * 34
        return x, y, grid["w"] * self.cell - 8, grid["h"] * 34 - 8

    def draw(self, rows):
        parts, seen, bottom = [], 0, 0
        for panel in self.dashboard["panels"]:
            x, y, w, h = self.place(panel["gridPos"])
            if panel["type"] == "row":
                seen += 1
                if rows and seen > rows:
                    break
                parts.append(f'<h2 style="top:{y + 6:.0f}px">⌄ {html.escape(panel["title"])}</h2>')
                continue
            inside = getattr(self, panel["type"])(panel, w, h - 24)
            place = f"left:{x:.0f}px;top:{y:.0f}px;width:{w:.0f}px;height:{h:.0f}px"
            parts.append(f'<section style="{place}"><h3>{html.escape(panel["title"])}</h3>{inside}</section>')
            bottom = max(bottom, y + h)
        title = html.escape(self.dashboard["title"])
        return (f"<!-- {bottom + 12:.0f} --><!doctype html><meta charset=utf-8><title>{title}</title>"
                f'<style>{STYLE}</style><body style="width:{self.width}px;height:{bottom + 12:.0f}px"><h1>{title}</h1>'
                + "".join(parts))

    def courses(self, panel):
        return [(legend_of(target["legendFormat"], labels), pairs) for target in panel["targets"]
                for labels, pairs in self.server.course(filled(target["expr"], self.values))]

    def colours(self, panel, names):
        fixed = {each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
                 for each in panel["fieldConfig"]["overrides"] if each["properties"][0]["id"] == "color"}
        return [NAMED.get(fixed.get(name), fixed.get(name)) or PALETTE[at % len(PALETTE)]
                for at, name in enumerate(names)]

    def x(self, at, left, width):
        return left + (at - self.server.end + self.server.span) / self.server.span * width

    def timeseries(self, panel, w, h):
        defaults = panel["fieldConfig"]["defaults"]
        series = sorted(self.courses(panel), key=lambda each: -max(value for _, value in each[1]))
        if not series:
            return '<p class="big" style="font-size:14px">No data</p>'
        stacked = defaults["custom"]["stacking"]["mode"] == "normal"
        left, plot_w, plot_h, sums, lines = 54, w - 64, h - 56, {}, []
        for _, pairs in series:
            below = [(at, sums.get(at, 0)) for at, _ in pairs]
            above = [(at, value + (base if stacked else 0)) for (at, value), (_, base) in zip(pairs, below)]
            if stacked:
                sums.update(above)
            lines.append((above, below))
        top = nice(max(max(value for _, value in above) for above, _ in lines) * 1.05)

        def points(pairs):
            return " ".join(f"{self.x(at, left, plot_w):.1f},{6 + plot_h * (1 - value / top):.1f}"
                            for at, value in pairs)
        parts = [f'<line x1="{left}" x2="{w - 10:.0f}" y1="{6 + plot_h * i / 4:.1f}" y2="{6 + plot_h * i / 4:.1f}" '
                 f'stroke="#24262b"/><text x="{left - 4}" y="{9 + plot_h * i / 4:.1f}" text-anchor="end">'
                 f'{shown(top * (4 - i) / 4, defaults["unit"])}</text>' for i in range(5)]
        colours = self.colours(panel, [name for name, _ in series])
        for (above, below), colour in reversed(list(zip(lines, colours))):
            if stacked:
                parts.append(f'<polygon points="{points(above + below[::-1])}" fill="{colour}" fill-opacity="0.4"/>')
            parts.append(f'<polyline points="{points(above)}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
        keys = "".join(f'<span class="entry"><span class="key" style="background:{colour}"></span>'
                       f'{html.escape(name.removeprefix("com.example."))}</span>'
                       for (name, _), colour in zip(series, colours))
        return f'<svg width="{w:.0f}" height="{h - 40:.0f}">{"".join(parts)}</svg><div class="legend">{keys}</div>'

    def stat(self, panel, w, h):
        defaults = panel["fieldConfig"]["defaults"]
        series = self.courses(panel)
        if not series:
            return '<p class="big">–</p>'
        pairs = series[0][1]
        value, top = pairs[-1][1], max(value for _, value in pairs) or 1
        colour = colour_of(value, defaults["thresholds"])
        line = " ".join(f"{self.x(at, 0, w):.1f},{34 - 30 * each / top:.1f}" for at, each in pairs)
        return (f'<div class="big" style="color:{colour}">{shown(value, defaults["unit"])}</div><svg width="{w:.0f}" '
                f'height="36" style="position:absolute;bottom:0"><polyline points="{line}" fill="none" '
                f'stroke="{colour}" stroke-opacity="0.6"/></svg>')

    def bargauge(self, panel, w, _):
        defaults = panel["fieldConfig"]["defaults"]
        target = panel["targets"][0]
        rows = sorted(self.server.now(filled(target["expr"], self.values)), key=lambda row: -row[1])
        most = rows[0][1] if rows else 1
        colours = [colour_of(value, defaults["thresholds"]) for _, value in rows]
        return "".join(
            f'<div class="bar"><span style="width:{0.44 * w:.0f}px;overflow:hidden;text-align:right">'
            f'{html.escape(legend_of(target["legendFormat"], labels).split(".", 3)[-1])}</span>'
            f'<span style="height:14px;width:{0.3 * w * value / most:.0f}px;background:{colour}"></span>'
            f'<span>{shown(value, defaults["unit"])}</span></div>' for (labels, value), colour in zip(rows, colours))

    def table(self, panel, *_):
        names = panel["transformations"][1]["options"]["renameByName"]
        order = panel["transformations"][1]["options"]["indexByName"]
        labels = [name for name in order if name not in names]
        rules = {each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
                 for each in panel["fieldConfig"]["overrides"]}
        rows = {}
        for target, name in zip(panel["targets"], names.values()):
            for found, value in self.server.now(filled(target["expr"], self.values)):
                rows.setdefault(tuple(found.get(label, "") for label in labels), {})[name] = value
        first = list(names.values())[0]
        head = "".join(f'<th class="label">{label}</th>' for label in labels) + "".join(
            f"<th>{name}</th>" for name in names.values())
        body = ""
        for key, values in sorted(rows.items(), key=lambda row: -row[1].get(first, 0)):
            cells = "".join(f'<td class="label">{html.escape(part)}</td>' for part in key)
            for name in names.values():
                value, rule, colour = values.get(name), rules[name], "inherit"
                if value is not None and "thresholds" in rule:
                    colour = colour_of(value, rule["thresholds"])
                cells += f'<td style="color:{colour}">{"" if value is None else shown(value, rule["unit"])}</td>'
            body += f"<tr>{cells}</tr>"
        return f"<table><tr>{head}</tr>{body}</table>"

    def heatmap(self, panel, w, h):
        target = panel["targets"][0]
        found = self.server.course(filled(target["expr"], self.values))
        rows = [(labels["le"], dict(pairs)) for labels, pairs in found]
        rows.sort(key=lambda row: float(row[0].replace("+Inf", "inf")))
        alone = []
        for at, (bound, counts) in enumerate(rows):
            below = rows[at - 1][1] if at else {}
            alone.append((bound, {when: count - below.get(when, 0) for when, count in counts.items()}))
        most = max((count for _, counts in alone for count in counts.values()), default=1) or 1
        tall, step = (h - 20) / max(len(alone), 1), (w - 64) / 200 + 0.9
        parts = []
        for at, (bound, counts) in enumerate(reversed(alone)):
            parts.append(f'<text x="50" y="{10 + (at + 0.7) * tall:.1f}" text-anchor="end">{bound}</text>')
            parts += [f'<rect x="{self.x(when, 54, w - 64):.1f}" y="{6 + at * tall:.1f}" width="{step:.1f}" '
                      f'height="{tall - 1:.1f}" fill="#ff780a" fill-opacity="{(count / most) ** 0.5:.2f}"/>'
                      for when, count in counts.items() if count > 0]
        return f'<svg width="{w:.0f}" height="{h:.0f}">{"".join(parts)}</svg>'


def main(url, name, *options):
    options = dict(each.split("=", 1) for each in options)
    span = options.get("range", "15m")
    server = Prometheus(url, float(options["end"]) if "end" in options else None, span)
    folder = pathlib.Path(__file__).resolve().parent
    dashboard = json.loads((folder / f"{name}.json").read_text(encoding="utf8"))
    intervals = {"__rate_interval": options.get("rate_interval", "1m"), "__interval": "15s", "__range": span}
    chosen = {key[4:]: value for key, value in options.items() if key.startswith("var.")}
    page = Page(server, dashboard, variables(dashboard, intervals, chosen), int(options.get("width", 1500)))
    print(page.draw(int(options.get("rows", 0))))


if len(sys.argv) < 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
