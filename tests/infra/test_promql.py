"""The little that the other tests understand of PromQL."""

from __future__ import annotations

from pathlib import Path

from tests.infra.promql import Selector, exported, grouped_by, selectors


def test_metrics_and_the_labels_they_are_asked_for() -> None:
    expression = """
        sum by (job, le) (rate(a_bucket{route=~"/x|{y}", status!="5.."}[5m] offset 2h))
        / on (job) group_left (b) (dicom:c:rate5m * 1e9 > 14.4) unless absent(d) or vector(0)
    """
    assert selectors(expression) == [
        Selector("a_bucket", frozenset({"route", "status"})),
        Selector("dicom:c:rate5m", frozenset()),
        Selector("d", frozenset()),
    ]
    assert grouped_by(expression) == {"job", "le", "b"}


def test_samples_that_code_exports(tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text(
        'Counter("a_total", "A", ["x"], registry=r)\n'
        'Histogram("b_seconds", "B", buckets=(1, 2), registry=r)\n'
        'GaugeMetricFamily("c", "C", labels=["y"])\n'
        'CounterMetricFamily("d", "D")\n'
    )
    found = exported(tmp_path)
    assert found["a_total"] == {"x"}
    assert found["b_seconds_bucket"] == {"le"}
    assert found["b_seconds_sum"] == found["b_seconds_count"] == found["d_total"] == frozenset()
    assert found["c"] == {"y"}
    assert "process_cpu_seconds_total" in found
