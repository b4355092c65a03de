"""What a service tells at /metrics, read as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Exposition:
    """One scrape."""

    def __init__(self, text: str) -> None:
        """`text` is the body of GET /metrics."""
        families = list(text_string_to_metric_families(text))
        self.undocumented = [family.name for family in families if not family.documentation]
        self.samples: list[Sample] = [sample for family in families for sample in family.samples]
        self.names = {sample.name for sample in self.samples}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Several processes, as one."""
        whole = cls("")
        for text in texts:
            one = cls(text)
            whole.undocumented += one.undocumented
            whole.samples += one.samples
            whole.names |= one.names
        return whole

    def value(self, name: str, **labels: str) -> float:
        """Sum of the samples with this name whose labels include `labels`; 0 without any."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
