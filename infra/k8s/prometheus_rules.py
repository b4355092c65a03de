"""`python -m infra.k8s.prometheus_rules`: the rules of infra/prometheus as a PrometheusRule."""

from __future__ import annotations

from pathlib import Path

import yaml

RULES = Path("infra/prometheus/rules")
TARGET = Path("infra/k8s/components/monitoring/prometheus-rules.yaml")
HEADER = "# Made of infra/prometheus/rules by `python -m infra.k8s.prometheus_rules`: change them there.\n"


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


if __name__ == "__main__":
    TARGET.write_text(render())
