"""Dashboards: built from their screens, complete, and asking only for what exists."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from infra.grafana.build import COLUMNS, FOLDER, documents
from tests.infra.monitoring import Json, known, promtool, recorded
from tests.infra.promql import SCRAPED, selectors

NAMES = ("overview", "pipeline", "workers", "storage", "security", "audit", "rabbitmq")
SCREEN_HEIGHT = 24
"""Grid lines that fit a screen of 1080 pixels below the browser's and Grafana's bars."""


@cache
def dashboards() -> dict[str, Json]:
    """Every committed dashboard by name."""
    return {path.stem: json.loads(path.read_text()) for path in (FOLDER / "dashboards").glob("*.json")}


def panels(name: str) -> list[Json]:
    """The panels of a dashboard, rows left out."""
    return [panel for panel in dashboards()[name]["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Every query of every panel and annotation."""
    asked = [t["expr"] for name in NAMES for panel in panels(name) for t in panel["targets"]]
    marks = [m["expr"] for d in dashboards().values() for m in d["annotations"]["list"]]
    return asked + marks


def test_committed_dashboards_are_those_of_the_screens() -> None:
    stale = [path.name for path, text in documents().items() if path.read_text() != text]
    assert stale == [], "run `make docs`"
    assert set(dashboards()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_dashboard_is_one_that_grafana_11_and_12_load(name: str) -> None:
    dashboard = dashboards()[name]
    assert dashboard["uid"] == f"dicom-{name}"
    assert dashboard["schemaVersion"] == 39
    assert dashboard["tags"] == ["dicom"]
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_panel_has_unit_explanation_and_thresholds(name: str) -> None:
    for panel in panels(name):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert panel["description"].endswith((".", "?")), panel["title"]
        steps = defaults["thresholds"]["steps"]
        levels = [step["value"] for step in steps[1:]]
        assert steps[0]["value"] is None
        assert levels == sorted(levels), panel["title"]
        assert panel["targets"], panel["title"]
        assert {t["datasource"]["uid"] for t in [panel, *panel["targets"]] if "datasource" in t} == {
            "${datasource}"
        }
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))


@pytest.mark.parametrize("name", NAMES)
def test_panels_share_the_grid_without_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboards()[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (place["x"] + column, place["y"] + line)
            for column in range(place["w"])
            for line in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_overview_is_one_screen() -> None:
    assert max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels("overview")) <= SCREEN_HEIGHT


def test_queries_parse(tmp_path: Path) -> None:
    groups = [{"name": "q", "rules": [{"record": f"q:{n}", "expr": e} for n, e in enumerate(expressions())]}]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    promtool("check", "rules", file)


def test_queries_ask_for_metrics_that_exist() -> None:
    exists, rules = known(), recorded()
    for expression in expressions():
        for asked in selectors(expression):
            assert asked.name in rules or asked.name in exists, f"{asked.name} in {expression}"
            if asked.name in exists:
                assert asked.labels <= exists[asked.name] | SCRAPED, expression


def test_legends_name_labels_that_queries_keep() -> None:
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    kept = re.search(rf"by \([^)]*\b{label}\b", target["expr"])
                    assert kept or "dicom:" in target["expr"], target


def test_links_lead_to_the_other_screens_and_to_traces() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning/datasources/datasources.yml").read_text())
    uids = {source["uid"] for source in sources["datasources"]}
    for dashboard in dashboards().values():
        others, traces = dashboard["links"]
        assert others["tags"] == ["dicom"]
        [panes] = parse_qs(urlsplit(traces["url"]).query)["panes"]
        assert json.loads(panes)["traces"]["datasource"] in uids


def test_datasources_are_verified_and_dashboards_read_only() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning/datasources/datasources.yml").read_text())
    for source in sources["datasources"]:
        assert source["url"].startswith("https://")
        assert source["jsonData"]["tlsAuthWithCACert"] is True
        assert source["secureJsonData"]["tlsCACert"] == "$__file{/run/certs/ca.crt}"
        assert source["editable"] is False
    [provider] = yaml.safe_load((FOLDER / "provisioning/dashboards/dashboards.yml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False
