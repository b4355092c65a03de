"""`python -m infra.grafana.build`: dashboards/*.json from screens/*.yml (schema 39: Grafana 11 and 12).

A screen says what each panel asks and why; everything that Grafana wants besides is added here, once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

Json = dict[str, Any]
FOLDER = Path(__file__).parent
COLUMNS = 24
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"
KINDS: Mapping[str, tuple[int, int]] = {
    "stat": (4, 4),
    "timeseries": (8, 8),
    "bargauge": (8, 8),
    "table": (8, 8),
}
"""Width and height of a panel that says nothing else, on a grid of 24 columns."""
REDUCED: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}
OPTIONS: Mapping[str, Json] = {
    "stat": {
        "reduceOptions": REDUCED,
        "colorMode": "background",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value",
        "wideLayout": True,
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "bargauge": {
        "reduceOptions": REDUCED,
        "displayMode": "lcd",
        "orientation": "horizontal",
        "valueMode": "color",
        "showUnfilled": True,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "maxVizHeight": 40,
        "namePlacement": "auto",
        "sizing": "auto",
    },
    "table": {
        "showHeader": True,
        "cellHeight": "sm",
        "footer": {"show": False, "reducer": [], "fields": ""},
    },
}


def documents() -> dict[Path, str]:
    """Every dashboard by the path it is kept at."""
    names = yaml.safe_load((FOLDER / "names.yml").read_text())
    screens = sorted((FOLDER / "screens").glob("*.yml"))
    return {
        FOLDER / "dashboards" / f"{screen.stem}.json": json.dumps(
            dashboard(yaml.safe_load(screen.read_text()), names), indent=1, ensure_ascii=False
        )
        + "\n"
        for screen in screens
    }


def dashboard(screen: Json, names: Mapping[str, Mapping[str, str]]) -> Json:
    """One screen as Grafana imports it; `names` tells by label what its values are shown as."""
    return {
        "uid": screen["uid"],
        "title": screen["title"],
        "description": screen["answers"],
        "tags": ["dicom"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m"]},
        "links": _links(),
        "templating": {"list": [_datasource_variable()]},
        "annotations": {"list": [_alert_marks()]},
        "panels": _placed(screen["rows"], names),
    }


def _placed(rows: Sequence[Json], names: Mapping[str, Mapping[str, str]]) -> list[Json]:
    """The panels from left to right, a new line where 24 columns are full; a row with a title gets a bar."""
    placed: list[Json] = []
    top = 0
    for row in rows:
        if row["title"] is not None:
            bar = {"type": "row", "title": row["title"], "collapsed": False, "panels": []}
            placed.append({"id": len(placed) + 1, **bar, "gridPos": _grid(0, top, COLUMNS, 1)})
            top += 1
        left = tallest = 0
        for given in row["panels"]:
            kind = next(key for key in given if key in KINDS)
            width, height = given.get("width", KINDS[kind][0]), given.get("height", KINDS[kind][1])
            if left + width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            panel = _panel(kind, given, names)
            placed.append({"id": len(placed) + 1, **panel, "gridPos": _grid(left, top, width, height)})
            left, tallest = left + width, max(tallest, height)
        top += tallest
    return placed


def _grid(left: int, top: int, width: int, height: int) -> Json:
    return {"x": left, "y": top, "w": width, "h": height}


def _panel(kind: str, given: Json, names: Mapping[str, Mapping[str, str]]) -> Json:
    title = given[kind]
    asks: dict[str, str] = given.get("asks") or {title: given["ask"]}
    steps = _steps(**given.get("levels", {}))
    panel: Json = {
        "type": kind,
        "title": title,
        "description": given["says"],
        "datasource": SOURCE,
        "targets": [
            _target(kind, expr, legend, chr(ord("A") + index))
            for index, (legend, expr) in enumerate(asks.items())
        ],
        "fieldConfig": {
            "defaults": {
                "unit": given["unit"],
                "noValue": "–",
                "thresholds": {"mode": "absolute", "steps": steps},
                "color": {"mode": "palette-classic" if kind == "timeseries" else "thresholds"},
                "mappings": [_words(given["words"])] if "words" in given else [],
                "custom": _custom(kind, dashed=len(steps) > 1),
                **({"min": 0, "max": given["most"]} if "most" in given else {}),
            },
            "overrides": [
                _shown_as(value, shown)
                for label, values in names.items()
                if any(label in legend for legend in asks)
                for value, shown in values.items()
            ],
        },
        "options": OPTIONS[kind],
    }
    if kind == "table":
        hidden = {"Time": True, "__name__": True}
        panel["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    return panel


def _steps(look: float | None = None, bad: float | None = None, *, below: bool = False) -> list[Json]:
    """From where on a value is worth a look, and bad; `below`: the low ones are. No level: it informs."""
    if look is None and bad is None:
        return [_step(BLUE, None)]
    if not below:
        levels = [(ORANGE, look), (RED, bad)]
        return [_step(GREEN, None), *(_step(color, level) for color, level in levels if level is not None)]
    if look is None:
        return [_step(RED, None), _step(GREEN, bad)]
    if bad is None:
        return [_step(ORANGE, None), _step(GREEN, look)]
    return [_step(RED, None), _step(ORANGE, bad), _step(GREEN, look)]


def _step(color: str, value: float | None) -> Json:
    return {"color": color, "value": value}


def _target(kind: str, expr: str, legend: str, reference: str) -> Json:
    now = kind in ("bargauge", "table")
    return {
        "refId": reference,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend,
        "instant": now,
        "range": not now,
        "format": "table" if kind == "table" else "time_series",
    }


def _custom(kind: str, *, dashed: bool) -> Json:
    match kind:
        case "table":
            return {"align": "auto", "cellOptions": {"type": "color-text"}}
        case "timeseries":
            return {
                "drawStyle": "line",
                "lineInterpolation": "linear",
                "lineWidth": 1,
                "fillOpacity": 8,
                "showPoints": "never",
                "spanNulls": 60_000,
                "axisSoftMin": 0,
                "thresholdsStyle": {"mode": "dashed" if dashed else "off"},
            }
        case _:
            return {}


def _words(words: Sequence[Mapping[str, str]]) -> Json:
    options = {
        one["value"]: {"text": one["word"], "color": one["color"], "index": index}
        for index, one in enumerate(words)
    }
    return {"type": "value", "options": options}


def _shown_as(value: str, shown: str) -> Json:
    return {
        "matcher": {"id": "byName", "options": value},
        "properties": [{"id": "displayName", "value": shown}],
    }


def _links() -> list[Json]:
    """To the other screens, and to the newest traces in Jaeger."""
    search = {"refId": "A", "queryType": "search", "service": "dicom-ingest", "limit": 20}
    panes = {
        "traces": {
            "datasource": "jaeger",
            "queries": [{**search, "datasource": {"type": "jaeger", "uid": "jaeger"}}],
            "range": {"from": "now-1h", "to": "now"},
        }
    }
    address = quote(json.dumps(panes, separators=(",", ":")))
    common: Json = {"icon": "external link", "targetBlank": False, "asDropdown": False, "tooltip": ""}
    return [
        {
            **common,
            "type": "dashboards",
            "title": "DICOM",
            "tags": ["dicom"],
            "includeVars": True,
            "keepTime": True,
        },
        {
            **common,
            "type": "link",
            "title": "Traces of uploads",
            "tags": [],
            "url": f"/explore?schemaVersion=1&orgId=1&panes={address}",
            "includeVars": False,
            "keepTime": False,
        },
    ]


def _datasource_variable() -> Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {"selected": True, "text": "Prometheus", "value": "prometheus"},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def _alert_marks() -> Json:
    return {
        "name": "Critical alerts",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": RED,
        "expr": 'ALERTS{alertstate="firing", severity="critical"}',
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "tagKeys": "job,queue",
    }


if __name__ == "__main__":
    for path, content in documents().items():
        path.write_text(content)
