"""Outcomes out: what is finished is kept until everybody it concerns has it, and nothing is begun meanwhile.

A queue of outcomes that is full, or an object store that is, stops work instead of repeating it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.backoff import backoff
from libs.common.bus.contract import Bus
from libs.common.errors import Unavailable
from libs.common.events import Event
from libs.common.ids import ObjectKey
from libs.common.storage import Storage
from services.processor.metrics import ProcessorMetrics
from services.processor.stages import stored_within

log = logging.getLogger(__name__)

HOLD_SECONDS = 1100.0
"""How long a delivery that has begun is kept in hand: RabbitMQ takes it away 1800 s after it came, and counts
that; up to 600 s it may have waited here before (`HOLD` in libs/common/bus/rabbitmq/bus.py)."""


@dataclass(frozen=True)
class ResultObject:
    """What an outcome speaks of and does not carry."""

    key: ObjectKey
    content: bytes
    media_type: str
    durable: bool


@dataclass(frozen=True)
class Finished:
    """The event that ends a file, and what is stored before it is published."""

    event: Event
    objects: tuple[ResultObject, ...] = ()


class Outcomes:
    """Stores and publishes, again and again while bus or store cannot take it."""

    def __init__(self, bus: Bus, storage: Storage, metrics: ProcessorMetrics, *, kept: int) -> None:
        """`kept` is how many outcomes may wait for a delivery that was put off; call inside an event loop."""
        self._bus = bus
        self._storage = storage
        self._metrics = metrics
        self._most_kept = kept
        self._kept: OrderedDict[UUID, Finished] = OrderedDict()
        self._waiting = 0
        self._clear = asyncio.Event()
        self._clear.set()
        self._closing = asyncio.Event()

    def take_kept(self, delivered: UUID) -> Finished | None:
        """The outcome of an event that was put off with its work done."""
        return self._kept.pop(delivered, None)

    async def room(self, until: float) -> None:
        """Return when no outcome waits: only then may another file be begun.

        Raises Unavailable at `until` (the event loop's time).
        """
        if self._clear.is_set():
            return
        try:
            async with asyncio.timeout_at(until):
                await self._clear.wait()
        except TimeoutError as error:
            raise Unavailable("Outcomes wait to be published.") from error

    async def deliver(self, delivered: UUID, finished: Finished, until: float) -> None:
        """Return when the outcome of the event `delivered` is published.

        Raises Unavailable at `until` (the event loop's time) or when closed, and keeps it for the next
        delivery; EventTooLarge; Undelivered.
        """
        failures = 0
        try:
            while True:
                try:
                    await self._try(finished)
                except Unavailable as error:
                    failures += 1
                    if failures == 1:
                        self._wait(+1)
                    log.warning("outcome of file %s not published yet: %s", finished.event.subject, error)
                    left = until - asyncio.get_running_loop().time()
                    if left <= 0 or self._closing.is_set():
                        self._keep(delivered, finished)
                        raise
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(left, backoff(failures))):
                            await self._closing.wait()
                else:
                    return
        finally:
            if failures:
                self._wait(-1)

    def close(self) -> None:
        """Wait for nothing any more: what cannot be published now is delivered again to another process."""
        self._closing.set()

    async def _try(self, finished: Finished) -> None:
        event = finished.event
        if finished.objects:
            began = time.perf_counter()
            for stored in finished.objects:
                trailer: Mapping[str, Any] = {"media_type": stored.media_type}
                await self._storage.put(stored.key, stored.content, trailer, durable=stored.durable)
            event = stored_within(event, time.perf_counter() - began)
        await self._bus.publish(event)

    def _wait(self, change: int) -> None:
        self._waiting += change
        self._metrics.outcomes_waiting.set(self._waiting)
        if self._waiting:
            self._clear.clear()
        else:
            self._clear.set()

    def _keep(self, delivered: UUID, finished: Finished) -> None:
        self._kept[delivered] = finished
        while len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
