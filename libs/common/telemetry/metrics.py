"""The Prometheus metrics that all services share; a service adds its own to the same registry.

No label ever holds a uid, a user, a name or a path: those have no bound, and some tell of patients.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as OsProcessCollector

from libs.common.version import VERSION

M = TypeVar("M", Counter, Gauge, Histogram)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# Nearly every connection is had at once; what counts is how many wait.
_ACQUIRE_SECONDS = (0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0)


class Pool(Protocol):
    """Anything that lends connections."""

    @property
    def limit(self) -> int:
        """Most connections it may have."""

    @property
    def connections(self) -> int:
        """Open now."""

    @property
    def idle(self) -> int:
        """Open, and lent to nobody."""


class Metrics:
    """One registry per application, so that two in one process do not collide."""

    def __init__(self, service: str, revision: str | None = None) -> None:
        """`service` and `revision` (of the source the image was built from) are told as build info."""
        self.registry = registry = CollectorRegistry()
        OsProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        Gauge(
            "dicom_build_info",
            "Always 1; the labels say what runs",
            ["service", "version", "revision", "python"],
            registry=registry,
        ).labels(service, VERSION, revision or "unknown", platform.python_version()).set(1)
        self.http_requests = Labelled(
            Counter(
                "http_server_requests_total",
                "HTTP requests",
                ["method", "route", "status"],
                registry=registry,
            )
        )
        self.http_duration = Labelled(
            Histogram(
                "http_server_request_duration_seconds",
                "Time to answer",
                ["method", "route"],
                buckets=SECONDS,
                registry=registry,
            )
        )
        self.http_in_flight = Gauge("http_server_active_requests", "Running requests", registry=registry)
        self.http_refusals = Counter(
            "http_refusals_total",
            "Requests refused for who asks or how often (401, 403, 429), by problem code",
            ["code"],
            registry=registry,
        )
        self.transfers_cut = Counter(
            "http_transfers_cut_total",
            "Uploads and downloads that were ended because the other end was too slow",
            ["direction"],
            registry=registry,
        )
        preset(self.transfers_cut, ("upload", "download"))
        self.bus_published = Labelled(
            Counter("bus_published_total", "Events published", ["type"], registry=registry)
        )
        self.bus_received = Counter("bus_received_total", "Events received", ["queue"], registry=registry)
        self.bus_outcomes = Labelled(
            Counter(
                "bus_outcomes_total",
                "Handled events: ack, retry, dead or cancelled",
                ["queue", "outcome"],
                registry=registry,
            )
        )
        self.bus_duration = Histogram(
            "bus_handling_seconds", "Time in the handler", ["queue"], buckets=SECONDS, registry=registry
        )
        self.bus_in_flight = Gauge("bus_in_flight", "Events being handled", ["queue"], registry=registry)
        self.bus_waiting = Gauge(
            "bus_waiting", "Deliveries held here whose handling has not begun", ["queue"], registry=registry
        )
        self.outbox_pending = Gauge(
            "outbox_pending", "Outbox rows not yet published", ["schema"], registry=registry
        )
        self.outbox_oldest_seconds = Gauge(
            "outbox_oldest_seconds", "Age of the oldest unpublished outbox row", ["schema"], registry=registry
        )
        self.outbox_published = Counter(
            "outbox_published_total", "Outbox rows published", ["schema"], registry=registry
        )
        self.outbox_dead = Counter("outbox_dead_total", "Outbox rows given up", ["schema"], registry=registry)
        self._pool_connections = Gauge(
            "database_pool_connections", "Open PostgreSQL connections", ["pool", "state"], registry=registry
        )
        self._pool_limit = Gauge(
            "database_pool_limit", "Most PostgreSQL connections of the pool", ["pool"], registry=registry
        )
        self._acquire = Histogram(
            "database_acquire_seconds",
            "Time until a PostgreSQL connection was had, or was not",
            ["pool"],
            buckets=_ACQUIRE_SECONDS,
            registry=registry,
        )

    def watch_pool(self, name: str, pool: Pool) -> Histogram:
        """Show `pool` as `name`, asked at each scrape; returns where to observe the time of each loan."""
        self._pool_connections.labels(name, "idle").set_function(lambda: pool.idle)
        self._pool_connections.labels(name, "used").set_function(lambda: pool.connections - pool.idle)
        self._pool_limit.labels(name).set_function(lambda: pool.limit)
        return self._acquire.labels(name)


class Labelled(Generic[M]):
    """Children of a metric, each looked up once.

    The library's `labels` takes a lock and makes texts anew at each call, a dozen times a file.
    """

    def __init__(self, metric: M) -> None:
        """The values of its labels are few, as for every metric."""
        self._metric: M = metric
        self._children: dict[tuple[object, ...], M] = {}

    def labels(self, *values: object) -> M:
        """The child with these values."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


def preset(counter: Counter | Labelled[Counter], *values: Iterable[str]) -> None:
    """Begin every combination of label `values` at 0: what appears with its first event shows no increase."""
    combinations: list[tuple[str, ...]] = [()]
    for choices in map(tuple, values):
        combinations = [(*one, choice) for one in combinations for choice in choices]
    for one in combinations:
        counter.labels(*one)
