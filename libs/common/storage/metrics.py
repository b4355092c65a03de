"""How long the object store takes, how often it fails, and how full it is."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from libs.common.encryption.followed import FollowedKeyring
from libs.common.errors import ObjectCorrupt, Unavailable
from libs.common.storage.contract import Storage
from libs.common.telemetry.metrics import preset

OPERATIONS = ("write", "commit", "put", "open", "read", "read_trailer", "child_access", "delete", "exists")
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROOM_SECONDS = 15.0
_FIRST_ROOM_SECONDS = 1.0


class StorageMetrics:
    """One per registry, whatever the number of services that share it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Every operation is there from the start, so that its first failure shows as an increase."""
        seconds = Histogram(
            "storage_operation_seconds",
            "Time of a call to the object store; `write` is a segment of a large object",
            ["operation"],
            buckets=_SECONDS,
            registry=registry,
        )
        errors = Counter(
            "storage_operation_errors_total",
            "Calls to the object store that failed: unavailable or corrupt",
            ["operation"],
            registry=registry,
        )
        preset(errors, OPERATIONS)
        # Looked up once: finding a label's child costs more than observing it.
        self._children = {name: (seconds.labels(name), errors.labels(name)) for name in OPERATIONS}
        self._registry = registry
        self._keyring: FollowedKeyring | None = None
        self._room: tuple[Gauge, Gauge] | None = None

    def timed(self, operation: str) -> Timing:
        """Measure a block."""
        return Timing(*self._children[operation])

    def follow_keyring(self, keyring: FollowedKeyring) -> None:
        """Show what this process knows of the keyring, at each scrape; of several the first, of one file."""
        if self._keyring is None:
            self._keyring = keyring
            _show_keyring(self._registry, keyring)

    async def follow_room(self, storage: Storage) -> None:
        """Keep free and total bytes up to date. Not at each scrape: a disk that hangs would hold that up."""
        while True:
            pause = _ROOM_SECONDS
            try:
                capacity = await storage.capacity()
                if capacity is not None:
                    self._show_room(capacity.free_bytes, capacity.total_bytes)
            except Unavailable:
                if self._room is not None:
                    self._show_room(math.nan, math.nan)
                else:
                    # Mostly a new folder, which the first object or readiness check makes.
                    pause = _FIRST_ROOM_SECONDS
            await asyncio.sleep(pause)

    def _show_room(self, free: float, total: float) -> None:
        if self._room is None:
            # Not before it is known: 0 would read as a full disk.
            self._room = (
                Gauge("storage_free_bytes", "What may still be written", registry=self._registry),
                Gauge("storage_size_bytes", "Size of what objects lie on", registry=self._registry),
            )
        self._room[0].set(free)
        self._room[1].set(total)


class Timing:
    """Observes how long its block took, and whether the store failed in it."""

    __slots__ = ("_errors", "_seconds", "_started")

    def __init__(self, seconds: Histogram, errors: Counter) -> None:
        """Children of one operation."""
        self._seconds = seconds
        self._errors = errors

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._seconds.observe(perf_counter() - self._started)
        if kind is not None and issubclass(kind, (Unavailable, ObjectCorrupt)):
            self._errors.inc()


def _show_keyring(registry: CollectorRegistry, keyring: FollowedKeyring) -> None:
    def age() -> float:
        seconds = keyring.now().content.age(datetime.now(UTC))
        return math.nan if seconds is None else seconds

    def since() -> float:
        moment = keyring.now().content.since
        return 0.0 if moment is None else moment.timestamp()

    def readable() -> float:
        keyring.now()  # looks at the file
        return float(keyring.readable)

    Gauge(
        "keyring_current_key_age_seconds",
        "Age of the key that new objects are encrypted under",
        registry=registry,
    ).set_function(age)
    Gauge(
        "keyring_current_since_timestamp_seconds",
        "When the current key became it; 0 before the first rotation. All replicas say the same",
        registry=registry,
    ).set_function(since)
    Gauge(
        "keyring_next_keys",
        "Keys that this process knows and that are not used yet: a rotation is under way",
        registry=registry,
    ).set_function(lambda: float(keyring.now().content.next is not None))
    Gauge(
        "keyring_former_keys",
        "Keys that only open what was encrypted before they were rotated",
        registry=registry,
    ).set_function(lambda: float(len(keyring.now().content.former)))
    Gauge("keyring_readable", "1 while the keyring's file can be read", registry=registry).set_function(
        readable
    )
