"""Prometheus metrics of the processor service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

from libs.common.metrics import SECONDS

# The registered transfer syntaxes are few, but the header's value is the sender's: others share one label.
_KNOWN = frozenset(
    {
        "1.2.840.10008.1.2",
        *(f"1.2.840.10008.1.2.{n}" for n in ("1", "1.99", "2", "5", "8.1")),
        *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)),
    }
)


class ProcessorMetrics:
    """Outcomes, and the time to decode and measure by transfer syntax."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with the process's registry."""
        self.measured = Counter(
            "processor_files_total",
            "Files ended, by outcome and reason",
            ["outcome", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "processor_decode_seconds",
            "Time to decode and measure one file",
            ["transfer_syntax"],
            buckets=SECONDS,
            registry=registry,
        )

    @contextmanager
    def timed(self, transfer_syntax_uid: str) -> Iterator[None]:
        """Time the block under its transfer syntax."""
        started = time.perf_counter()
        try:
            yield
        finally:
            label = transfer_syntax_uid if transfer_syntax_uid in _KNOWN else "other"
            self._seconds.labels(label).observe(time.perf_counter() - started)
