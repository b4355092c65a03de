"""The collector and Jaeger: every part that a pipeline names exists, and nothing travels in clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path("infra/otel")
CERTIFICATE = {"cert_file": "/run/certs/tls.crt", "key_file": "/run/certs/tls.key"}


def configuration(name: str) -> dict[str, Any]:
    """One file, parsed."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return found


@pytest.mark.parametrize("name", ["collector.yaml", "jaeger.yaml"])
def test_pipelines_and_definitions_name_the_same_parts(name: str) -> None:
    document = configuration(name)
    service = document["service"]
    for kind in ("receivers", "processors", "exporters"):
        used = {part for pipeline in service["pipelines"].values() for part in pipeline[kind]}
        assert used == set(document[kind])
    assert set(service["extensions"]) == set(document["extensions"])


@pytest.mark.parametrize("name", ["collector.yaml", "jaeger.yaml"])
def test_spans_are_received_over_tls_only_and_certificates_are_read_again(name: str) -> None:
    [protocol] = configuration(name)["receivers"]["otlp"]["protocols"].values()
    assert protocol["tls"].items() >= {**CERTIFICATE, "min_version": "1.2"}.items()
    assert protocol["tls"]["reload_interval"]


def test_collector_limits_memory_first_and_verifies_jaeger() -> None:
    document = configuration("collector.yaml")
    assert document["service"]["pipelines"]["traces"]["processors"][0] == "memory_limiter"
    target = document["exporters"]["otlp/jaeger"]
    assert target["tls"]["ca_file"] == "/run/certs/ca.crt"
    assert "insecure" not in target["tls"]


def test_what_jaeger_shows_without_tls_stays_inside_its_container() -> None:
    extensions = configuration("jaeger.yaml")["extensions"]
    assert extensions["jaeger_query"]["http"]["tls"].items() >= CERTIFICATE.items()
    for clear in (extensions["jaeger_query"]["grpc"], extensions["healthcheckv2"]["http"]):
        assert clear["endpoint"].startswith("127.0.0.1:")
