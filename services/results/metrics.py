"""Prometheus metrics of the results service."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.common.metrics import SECONDS


class ResultsMetrics:
    """No label ever holds a uid, a user or a name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register on `registry`, once per process."""
        self.batch_size = Histogram(
            "results_batch_size",
            "Events committed in one transaction",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "results_batch_seconds", "Time of one transaction", buckets=SECONDS, registry=registry
        )
        self.feed_lag = Gauge(
            "results_feed_lag_seconds",
            "Age of the oldest change that a running transaction still hides from readers",
            registry=registry,
        )
        self.sse_clients = Gauge("results_sse_clients", "Open /api/events streams", registry=registry)
        self.sse_cut = Counter(
            "results_sse_cut_total", "Streams ended because the client was too slow", registry=registry
        )
