"""Grafana's dashboard JSON (schema 39: Grafana 10.3 and later, 11, 12) from a few functions.

A dashboard is a list of rows; a row is a title and its panels, which flow from left to right in a grid of 24 columns.
Every panel says what it shows, in which unit, and from where on a value is bad. A panel that has nothing to show in
ordinary times says when (`empty`), in its description: scripts/check-dashboards reads that.
"""
import itertools

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "#808080"

OUTCOME_COLOURS = {
    "ok": GREEN, "oneway": "light-green", "business_error": BLUE, "client_error": YELLOW, "server_error": RED,
    "timeout": ORANGE, "unanswered": "dark-red", "cancelled": PURPLE, "limited": "dark-yellow", "drained": "dark-blue",
    "lost": GREY, "unknown": "#b0b0b0",
}


def thresholds(steps):
    """Base green; from each value on its colour."""
    values = [{"color": GREEN, "value": None}] + [{"color": colour, "value": value} for value, colour in steps]
    return {"mode": "absolute", "steps": values}


def panel(kind, title, description, unit, targets, w, h, steps=(), empty=None, custom=None, options=None, defaults=None,
          overrides=(), decimals=None):
    field = {
        "color": {"mode": "palette-classic"}, "custom": custom or {}, "mappings": [], "min": 0,
        "thresholds": thresholds(steps), "unit": unit, **(defaults or {}),
    }
    if decimals is not None:
        field["decimals"] = decimals
    if empty:
        description += f" Empty {empty}."
    return {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
        "gridPos": {"h": h, "w": w, "x": 0, "y": 0}, "targets": targets, "options": options or {},
        "fieldConfig": {"defaults": field, "overrides": list(overrides)},
    }


def targets(queries, instant=False, table=False, exemplar=False):
    """Queries as (expression, legend) pairs, named A, B, …"""
    return [
        {
            "refId": ref, "datasource": DATASOURCE, "editorMode": "code", "expr": " ".join(expression.split()),
            "legendFormat": legend, "instant": instant, "range": not instant, "exemplar": exemplar,
            "format": "table" if table else "time_series",
        }
        for ref, (expression, legend) in zip("ABCDEFGHIJ", queries)
    ]


def named_colours(names):
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, colour in names.items()
    ]


def lines(title, description, unit, *queries, w=12, h=8, steps=(), stack=False, exemplar=False, colours=None, **more):
    """Values over time."""
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 40 if stack else 8, "showPoints": "never",
        "spanNulls": False, "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if steps else "off"},
    }
    options = {
        "legend": {"calcs": ["mean", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True,
                   "sortBy": "Max", "sortDesc": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, unit, targets(queries, exemplar=exemplar), w, h, steps,
                 custom=custom, options=options, overrides=named_colours(colours or {}), **more)


def stat(title, description, unit, expression, w=4, h=4, steps=(), **more):
    """One number and its recent course."""
    options = {
        "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("stat", title, description, unit, targets([(expression, "")]), w, h, steps,
                 options=options, **{"defaults": {"color": {"mode": "thresholds"}}, **more})


def bars(title, description, unit, expression, legend, w=8, h=8, steps=(), **more):
    """The largest of many, now."""
    options = {
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color",
        "minVizHeight": 16,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("bargauge", title, description, unit, targets([(expression, legend)], instant=True), w, h, steps,
                 options=options, defaults={"color": {"mode": "thresholds"}}, **more)


def heatmap(title, description, expression, w=16, h=10, native=False, **more):
    """Buckets of a histogram over time."""
    queries = targets([(expression, "{{le}}")], exemplar=True)
    if not native:
        queries[0]["format"] = "heatmap"
    options = {
        "calculate": False, "cellGap": 1, "cellValues": {"unit": "short"},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "color": {"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64, "fill": "dark-orange"},
        "filterValues": {"le": 1e-9}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "yHistogram": True}, "yAxis": {"axisPlacement": "left", "unit": "s"},
    }
    return panel("heatmap", title, description, "s", queries, w, h, options=options, **more)


def column(name, expression, unit, steps=(), decimals=None):
    return {"name": name, "expression": expression, "unit": unit, "steps": steps, "decimals": decimals}


def table(title, description, labels, *columns, w=24, h=10, link=None, hidden=(), **more):
    """A row for each set of `labels`, which the expressions have in common; the first column is the one sorted by.

    - link: (label, title, address) makes a label's cells links.
    """
    queries = targets([(each["expression"], "") for each in columns], instant=True, table=True)
    names = {"Value" if len(columns) == 1 else f"Value #{query['refId']}": each["name"]
             for query, each in zip(queries, columns)}
    overrides = []
    for each in columns:
        properties = [{"id": "unit", "value": each["unit"]}]
        if each["decimals"] is not None:
            properties.append({"id": "decimals", "value": each["decimals"]})
        if each["steps"]:
            properties += [
                {"id": "thresholds", "value": thresholds(each["steps"])},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ]
        overrides.append({"matcher": {"id": "byName", "options": each["name"]}, "properties": properties})
    if link:
        label, text, address = link
        overrides.append({
            "matcher": {"id": "byName", "options": label},
            "properties": [{"id": "links", "value": [{"title": text, "url": address}]}],
        })
    order = {name: index for index, name in enumerate(list(labels) + list(names))}
    changes = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {
            "excludeByName": {name: True for name in ("Time", *hidden)}, "indexByName": order, "renameByName": names,
        }},
    ]
    made = panel("table", title, description, "short", queries, w, h, overrides=overrides,
                 custom={"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
                 options={"cellHeight": "sm", "showHeader": True, "footer": {"show": False},
                          "sortBy": [{"displayName": columns[0]["name"], "desc": True}]},
                 defaults={"color": {"mode": "thresholds"}}, **more)
    made["transformations"] = changes
    return made


def variable(name, label, description, query, multi=True):
    """A label's values; All matches every value, and series without the label too."""
    return {
        "name": name, "label": label, "description": description, "type": "query", "datasource": DATASOURCE,
        "definition": query, "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "regex": "",
        "multi": multi, "includeAll": True, "allValue": ".*", "hide": 0, "skipUrlSync": False,
        "current": {"text": ["All"] if multi else "All", "value": ["$__all"] if multi else "$__all"}, "options": [],
    }


def choice(name, label, description, values):
    """One of a few texts; the first is the default."""
    options = [{"text": each, "value": each, "selected": each == values[0]} for each in values]
    return {
        "name": name, "label": label, "description": description, "type": "custom", "query": ",".join(values),
        "options": options, "current": options[0], "multi": False, "includeAll": False, "hide": 0, "skipUrlSync": False,
    }


def source():
    return {
        "name": "datasource", "label": "Data source", "description": "The Prometheus that scrapes Weir.",
        "type": "datasource", "query": "prometheus", "regex": "", "refresh": 1, "current": {}, "options": [],
        "multi": False, "includeAll": False, "hide": 0, "skipUrlSync": False,
    }


def dashboard(uid, title, description, variables, *rows):
    """A dashboard of (title, panels) rows, linked with all others tagged `weir`."""
    panels, numbers, y = [], itertools.count(1), 0
    for heading, members in rows:
        panels.append({
            "id": next(numbers), "type": "row", "title": heading, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
        })
        x, y, height = 0, y + 1, 0
        for each in members:
            place = each["gridPos"]
            if x + place["w"] > 24:
                x, y, height = 0, y + height, 0
            place["x"], place["y"] = x, y
            x, height = x + place["w"], max(height, place["h"])
            panels.append({"id": next(numbers), **each})
        y += height
    link = {
        "type": "dashboards", "title": "Weir", "tags": ["weir"], "asDropdown": False, "includeVars": True,
        "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": "",
    }
    return {
        "uid": uid, "title": title, "description": description, "tags": ["weir", "dubbo"], "schemaVersion": 39,
        "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"}, "links": [link], "annotations": {"list": []},
        "templating": {"list": variables}, "panels": panels,
    }
