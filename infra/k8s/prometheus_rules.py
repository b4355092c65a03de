"""The rules of infra/prometheus as a PrometheusRule, which `make docs` writes."""

from __future__ import annotations

from pathlib import Path

import yaml

INFRA = Path(__file__).parents[1]
RULES = INFRA / "prometheus/rules"
TARGET = INFRA / "k8s/components/monitoring/prometheus-rules.yaml"
HEADER = "# Made of infra/prometheus/rules by `make docs`: change them there.\n"


def render() -> str:
    """The PrometheusRule as YAML: every group of every file, in order of the files' names."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "dicom"},
        "spec": {"groups": [group for file in files for group in file["groups"]]},
    }
    return HEADER + yaml.safe_dump(rule, sort_keys=False, width=1000, allow_unicode=True)
