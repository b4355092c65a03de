"""The bus inside one process: `publish` returns when every subscribed handler has finished.

Nothing is stored here. The publisher's durable record (the root outbox row) stays open until `publish`
returns, so a crash at any moment dispatches the event again. Retries happen in place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace

from libs.common.bus.contract import Admission, Delivery, Handler, Subscription, Work
from libs.common.bus.handling import Carrier, Handling, publishing
from libs.common.bus.history import remember
from libs.common.bus.retry import MAX_DELIVERIES, Ack, Dead, Leave, Move, Retry, full_jitter
from libs.common.bus.slots import LanedSlots, Slots, shutting_down
from libs.common.bus.topology import TOPOLOGY, Topology
from libs.common.errors import Unavailable, Undelivered
from libs.common.events import Event, WorkData
from libs.common.telemetry.tracing import Telemetry, current_traceparent

_SYSTEM = "inprocess"
_depth: ContextVar[int] = ContextVar("bus_depth", default=0)
"""How many handlers the running code is nested in: 0 outside of any."""


@dataclass(frozen=True)
class _Subscriber:
    handling: Handling
    places: Slots | LanedSlots
    work: Work | None = None

    def lane_of(self, event: Event) -> str | None:
        """Where an event waits; None without lanes."""
        return self.work.lane_of(event.data) if self.work and isinstance(event.data, WorkData) else None


class InProcessBus:
    """Implements `Bus` for `python -m services`."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        topology: Topology = TOPOLOGY,
        drain_timeout: float = 30.0,
        share: Callable[[], float] = random.random,
    ) -> None:
        """`drain_timeout` in seconds bounds how long `drain` waits for running handlers.

        `share` draws how much of its delay a retry waits.
        """
        self._share = share
        self._telemetry = telemetry
        self._topology = topology
        self._carrier = Carrier(_SYSTEM, topology.exchange)
        self._drain_timeout = drain_timeout
        self._subscribers: dict[str, _Subscriber] = {}
        self._draining = asyncio.Event()
        self._dispatches: set[asyncio.Task[None]] = set()

    async def subscribe(
        self,
        subscription: Subscription,
        handler: Handler,
        *,
        concurrency: int,
        attempts: int = MAX_DELIVERIES,
    ) -> None:
        """Register the handler of a subscription: at most `concurrency` calls at once per nesting depth."""
        handling = Handling(subscription, handler, self._telemetry, self._carrier, attempts=attempts)
        self._register(_Subscriber(handling, Slots(concurrency)))

    async def take(
        self,
        work: Work,
        handler: Handler,
        admission: Admission,
        *,
        ahead: int = 2,
        alone: Callable[[], int] = lambda: 0,
        attempts: int = MAX_DELIVERIES,
    ) -> None:
        """Register the handler of a work, which begins as `admission` says; `ahead`, `alone` mean nothing."""
        work = self._topology.work(work.queue)
        handling = Handling(work, handler, self._telemetry, self._carrier, attempts=attempts)
        self._register(_Subscriber(handling, LanedSlots(admission, handling), work))

    async def publish(self, event: Event, *, attempt: int = 1, done: set[str] | None = None) -> None:
        """Hand the event to every subscription that takes its type; return when all have handled it.

        Raises Undelivered when one gave it up and the others have finished, Unavailable while a subscription
        has no handler yet and once the bus drains, EventTooLarge.
        """
        handled = set() if done is None else done
        subscribers = [s for s in self._subscribers_of(event.type) if s.handling.queue not in handled]
        with publishing(self._telemetry, event, self._carrier):
            event.to_json()  # for its check: what RabbitMQ would not take must not pass here
            tasks = [asyncio.create_task(self._dispatch(s, event, attempt, handled)) for s in subscribers]
            if _depth.get() == 0:
                self._track(tasks)
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            except asyncio.CancelledError:
                # gather() has cancelled them; who cancels a publish may rely on no handler still running.
                await asyncio.wait(tasks)
                raise
            _raise_first([_failure(task) for task in tasks])

    async def ready(self) -> None:
        """Raise Unavailable while draining, or while a subscription of the table has no handler."""
        self._require_taking()
        missing = [s.queue for s in self._topology.consumers if s.queue not in self._subscribers]
        if missing:
            raise Unavailable(f"No handler yet for {', '.join(missing)}.")

    async def drain(self) -> None:
        """Refuse new root events; let running handlers (and what they publish) finish, then cancel them."""
        self._draining.set()
        for subscriber in self._subscribers.values():
            subscriber.places.close()
        if not self._dispatches:
            return
        _, late = await asyncio.wait(self._dispatches, timeout=self._drain_timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def close(self) -> None:
        """Nothing is held open."""

    def _register(self, subscriber: _Subscriber) -> None:
        queue = subscriber.handling.queue
        if queue in self._subscribers:
            raise ValueError(f"{queue} already has a handler")
        self._subscribers[queue] = subscriber

    def _subscribers_of(self, event_type: str) -> list[_Subscriber]:
        queues = [s.queue for s in self._topology.takers(event_type)]
        missing = [queue for queue in queues if queue not in self._subscribers]
        if missing or not queues:
            # Like an undeclared queue: dispatching to the others only would lose the event for this one.
            raise Unavailable(f"No handler yet for {', '.join(missing) or event_type}.")
        return [self._subscribers[queue] for queue in queues]

    def _require_taking(self) -> None:
        if self._draining.is_set():
            raise shutting_down()

    def _track(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            self._dispatches.add(task)
            task.add_done_callback(self._dispatches.discard)

    async def _dispatch(self, subscriber: _Subscriber, event: Event, attempt: int, handled: set[str]) -> None:
        """Call the handler until it succeeds or gives up; between attempts no slot is held."""
        depth = _depth.get()
        _depth.set(depth + 1)  # in this task's own copy of the context
        handling = subscriber.handling
        delivery = Delivery(
            event,
            attempt,
            handling.attempts,
            lane=subscriber.lane_of(event),
            redelivered=attempt > 1,
        )
        retries = 0
        while True:
            async with subscriber.places.place(delivery, depth):
                if depth == 0:
                    self._require_taking()
                decision = await handling.run(
                    delivery, traceparent=event.traceparent or current_traceparent()
                )
            match decision:
                case Ack():
                    handled.add(handling.queue)
                    return
                case Dead(reason, nested):
                    raise Undelivered(nested or handling.queue, reason)
                case Retry(counted, note, known):
                    earlier = delivery.earlier if note is None else remember(delivery.earlier, note)
                    charged = delivery.charged + counted if known is None else known
                    delivery = replace(
                        delivery,
                        attempt=delivery.attempt + counted if known is None else known + 1,
                        charged=charged,
                        earlier=earlier,
                        redelivered=delivery.redelivered and known is None,
                    )
                    delays = self._topology.delays(subscriber.work)
                    await self._pause(full_jitter(delays, retries, self._share()))
                    retries += 1
                case Move(lane):
                    delivery = replace(delivery, lane=lane)
                case Leave():
                    raise AssertionError("a cancellation is raised, not returned")

    async def _pause(self, delay: float) -> None:
        """Wait before the next attempt. Raises Unavailable as soon as the bus drains."""
        try:
            async with asyncio.timeout(delay):
                await self._draining.wait()
        except TimeoutError:
            return
        self._require_taking()


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    if task.cancelled():
        return Unavailable("The handler was cancelled by the shutdown.")
    return task.exception()


def _raise_first(failures: list[BaseException | None]) -> None:
    """Raise what the publisher must know: a give-up last, since it ends the event for the others as well."""
    real = [failure for failure in failures if failure is not None]
    for failure in sorted(real, key=lambda failure: isinstance(failure, Undelivered)):
        raise failure
