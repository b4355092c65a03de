"""Scrape configuration, rules and alerts: valid, proved by promtool, explained in the runbooks."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from libs.common.bus.topology import TOPOLOGY, with_lanes
from tests.infra.monitoring import OPERATIONS, PROMETHEUS, alerts, known, promtool, recorded, rules
from tests.infra.promql import SCRAPED, grouped_by, selectors

JOBS = {
    *(f"dicom-{name}" for name in ("auth", "ingest", "dimse", "processor", "results", "portal")),
    "rabbitmq",
    "rabbitmq-queues",
    "prometheus",
    "alertmanager",
}
FIRING = re.compile(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}')


def test_promtool_accepts_configuration_and_rules() -> None:
    promtool("check", "config", "--lint=all", "--lint-fatal", PROMETHEUS / "prometheus.yml")


def test_every_alert_does_in_time_series_what_it_should() -> None:
    with ThreadPoolExecutor() as threads:
        files = (PROMETHEUS / "tests").glob("*.yml")
        assert len(list(threads.map(lambda path: promtool("test", "rules", path), files))) > 0


def test_every_target_is_asked_over_verified_tls() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = configuration["scrape_configs"]
    assert {job["job_name"] for job in jobs} == JOBS
    for job in [*jobs, *configuration["alerting"]["alertmanagers"]]:
        assert job["scheme"] == "https"
        assert job["tls_config"]["ca_file"] == "/run/certs/ca.crt"
        assert "insecure_skip_verify" not in job["tls_config"]
    for job in jobs:
        # An address found by DNS is in no certificate.
        assert job["tls_config"]["server_name"] in (job["job_name"].removeprefix("dicom-"), "rabbitmq")
    assert set(yaml.safe_load((PROMETHEUS / "web.yml").read_text())) == {"tls_server_config"}


def test_every_alert_is_shown_quiet_and_firing() -> None:
    shown: dict[str, set[bool]] = defaultdict(set)
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            for check in case["promql_expr_test"]:
                for name in FIRING.findall(check["expr"]):
                    shown[name].add(bool(check.get("exp_samples")))
    assert shown == {name: {True, False} for name in alerts()}


@pytest.mark.parametrize("name", alerts())
def test_alert_says_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["labels"]["area"]
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["description"].endswith(".")
    document, _, anchor = annotations["runbook_url"].partition("#")
    assert document == "docs/operations.md"
    assert anchor == re.sub(r"(1h|6h|1d|3d)$", "", name.lower())


def test_runbook_sections_and_alerts_are_the_same() -> None:
    text = OPERATIONS.read_text().partition("\n## Runbooks\n")[2].partition("\n## ")[0]
    sections = {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    assert sections == {rule["annotations"]["runbook_url"].partition("#")[2] for rule in alerts().values()}


def test_links_within_operations_lead_somewhere() -> None:
    text = OPERATIONS.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links
    assert links <= anchors


def test_rules_ask_for_metrics_that_exist() -> None:
    exists = known()
    for rule in rules():
        found = selectors(rule["expr"])
        assert found, rule
        for asked in found:
            if asked.name.startswith("dicom:"):
                assert asked.name in recorded()
            else:
                assert asked.name in exists, f"{asked.name} of {rule.get('alert', rule.get('record'))}"
                assert asked.labels <= exists[asked.name] | SCRAPED, asked


def test_demand_counts_every_queue_that_the_processor_takes_from() -> None:
    """And no other: those of retries and dead letters are no work now."""
    (expression,) = (rule["expr"] for rule in rules() if rule.get("record") == "dicom:processor_work_seconds")
    (pattern,) = re.findall(r'queue=~"([^"]+)"', expression)
    queues = {queue.name for queue in with_lanes(TOPOLOGY, 64, 1).queues()}
    work = set(with_lanes(TOPOLOGY, 64, 1).works[0].queues().values())
    assert {name for name in queues if re.fullmatch(pattern, name)} == work
    old = {name for retired in TOPOLOGY.retired for name in retired.queues()}
    assert {name for name in old if re.fullmatch(pattern, name)} == {"processor.files"}


def test_rules_group_by_labels_that_exist() -> None:
    labels = SCRAPED.union(*known().values())
    assert any(grouped_by(rule["expr"]) for rule in rules())
    for rule in rules():
        assert grouped_by(rule["expr"]) <= labels, rule


def test_alerts_tell_of_jobs_that_are_scraped() -> None:
    matchers = {found for rule in rules() for found in re.findall(r'\bjob(=~?)"([^"]+)"', rule["expr"])}
    assert {kind for kind, _ in matchers} == {"=", "=~"}
    for kind, job in matchers:
        # Prometheus' expressions match the whole value.
        assert any(re.fullmatch(job if kind == "=~" else re.escape(job), name) for name in JOBS), job
    # Each part of an alternative, too: one that is misspelt would never fire.
    parts = {part for kind, job in matchers if kind == "=~" for part in job.split("|")}
    assert all(any(re.fullmatch(part, name) for name in JOBS) for part in parts), parts


def test_alertmanager_routes_to_receivers_it_has() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text())
    receivers = {receiver["name"] for receiver in configuration["receivers"]}
    route = configuration["route"]
    assert {route["receiver"], *(child["receiver"] for child in route["routes"])} == receivers
    named = {
        alert
        for rule in configuration["inhibit_rules"]
        for matcher in rule["source_matchers"] + rule["target_matchers"]
        if matcher.startswith("alertname")
        for alert in matcher.partition('"')[2].rstrip('"').split("|")
    }
    assert named <= set(alerts())
