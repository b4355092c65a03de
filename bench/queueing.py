"""One queue of files and a pool of replicas that an autoscaler grows and shrinks, second by second.

One queue stands for all lanes: they change whose file comes next, not how much there is to do.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.autoscaler import SYNC_SECONDS, Autoscaler, Metric, Reading, Scaling

RATE_SECONDS = 120.0
"""Window over which the rate of accepted files is taken."""
EXPECTED_SECONDS = 30.0
"""Demand is what waits and what will come in this time: a queue that is kept short shows no load itself."""
FIRST_GUESS_SECONDS = 0.1
"""Slot time of a file as long as nothing was measured."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What one replica is: decoder slots, CPU request in cores, seconds until it is ready."""

    slots: int
    cpu_request: float
    start_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """Files that are queued together and taken by one slot: `service` slot seconds for all of them."""

    at: float
    service: float
    files: int = 1


@dataclass(frozen=True, slots=True)
class Outage:
    """Broker away from `start` to `stop`: nothing is delivered or known; files wait in the outbox."""

    start: float
    stop: float


@dataclass(frozen=True, slots=True)
class History:
    """One value per simulated second, and each file's wait for a slot."""

    replicas: list[int]
    ready: list[int]
    messages: list[int]
    backlog_seconds: list[float]
    """Work that waits, divided by the slots at work (or by one)."""
    waits: list[tuple[float, float]]
    """Arrival time and seconds until a slot took the file."""
    unfinished: int

    @property
    def changes(self) -> list[int]:
        """Every change of the replica count, in order."""
        return [after - before for before, after in pairwise(self.replicas) if after != before]

    @property
    def turns(self) -> int:
        """How often growing turned into shrinking or the reverse: the measure of flapping."""
        signs = [change > 0 for change in self.changes]
        return sum(a != b for a, b in pairwise(signs))


class _Pool:
    """Replicas as slots: each slot is the time at which it is free; a replica that starts is free later."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._free: list[tuple[float, int]] = []
        self._replicas: list[tuple[int, float]] = []
        self._gone: set[int] = set()
        self._serial = 0

    def resize(self, now: float, replicas: int) -> None:
        """New replicas are ready later; the youngest go first and end what they hold (graceful shutdown)."""
        while len(self._replicas) < replicas:
            self._serial += 1
            ready = now + self._worker.start_seconds
            self._replicas.append((self._serial, ready))
            for _ in range(self._worker.slots):
                heapq.heappush(self._free, (ready, self._serial))
        while len(self._replicas) > replicas:
            self._gone.add(self._replicas.pop()[0])

    def take(self, now: float, service: float, until: float) -> float | None:
        """Start one file on the slot that is free first, before `until`; its start, or None."""
        while self._free:
            free, replica = self._free[0]
            if replica in self._gone:
                heapq.heappop(self._free)
                continue
            start = max(free, now)
            if start >= until:
                return None
            heapq.heapreplace(self._free, (start + service, replica))
            return start
        return None

    def ready(self, now: float) -> int:
        """Replicas that are up."""
        return sum(ready <= now for _, ready in self._replicas)

    def busy(self, now: float) -> int:
        """Slots at work, those of replicas on their way out left aside."""
        if not self._free:
            return 0
        held = sum(free > now and serial not in self._gone for free, serial in self._free)
        # A replica that is not up yet holds all its slots until it is.
        return held - self._worker.slots * (len(self._replicas) - self.ready(now))

    def stop(self, now: float, until: float) -> None:
        """No slot takes a file before `until`."""
        self._free = [(max(free, until), serial) for free, serial in self._free]
        heapq.heapify(self._free)


def simulate(
    arrivals: Sequence[Arrival],
    scaling: Scaling,
    worker: Worker,
    *,
    seconds: int,
    replicas: int,
    outage: Outage | None = None,
) -> History:
    """Run for `seconds`, starting with `replicas` that are up. Arrivals are sorted by time."""
    scaler, pool = Autoscaler(scaling), _Pool(worker)
    pool.resize(-worker.start_seconds, replicas)
    coming, waiting = deque(arrivals), deque[Arrival]()
    history = History([], [], [], [], [], 0)
    gauges = _Gauges(worker)
    for second in range(seconds):
        now, until = float(second), second + 1.0
        away = outage is not None and outage.start <= now < outage.stop
        if outage is not None and away and now - outage.start < 1.0:
            pool.stop(now, outage.stop)
        while coming and coming[0].at < until:
            arrival = coming.popleft()
            waiting.append(arrival)
            gauges.arrived(arrival)
        while waiting and not away:
            start = pool.take(max(now, waiting[0].at), waiting[0].service, until)
            if start is None:
                break
            taken = waiting.popleft()
            gauges.taken(taken)
            history.waits.append((taken.at, start - taken.at))
        ready = pool.ready(until)
        gauges.tick(0 if away else pool.busy(until), ready)
        reading = gauges.reading(scaling, ready, away=away)
        if second % max(1, round(scaling.polling)) == 0:
            replicas = scaler.poll(now, reading, replicas)
        if second % round(SYNC_SECONDS) == 0:
            replicas = scaler.sync(now, reading, replicas)
        pool.resize(now, replicas)
        history.replicas.append(replicas)
        history.ready.append(ready)
        history.messages.append(gauges.waiting)
        history.backlog_seconds.append(gauges.work / max(1, ready * worker.slots))
    return History(
        history.replicas,
        history.ready,
        history.messages,
        history.backlog_seconds,
        history.waits,
        len(waiting) + len(coming),
    )


class _Gauges:
    """What metrics show of queue and pool: means over windows as Prometheus and metrics-server take them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._arrived: deque[int] = deque([0], maxlen=round(RATE_SECONDS))
        self._busy: deque[int] = deque(maxlen=round(SYNC_SECONDS))
        self._last: deque[tuple[float, int]] = deque(maxlen=500)
        self._seconds, self._files = 0.0, 0
        self.waiting = 0
        """Files in the queue, not yet in a slot."""
        self.work = 0.0
        """Their slot seconds."""

    def arrived(self, arrival: Arrival) -> None:
        self._arrived[-1] += arrival.files
        self.waiting += arrival.files
        self.work += arrival.service

    def taken(self, arrival: Arrival) -> None:
        self.waiting -= arrival.files
        self.work = max(0.0, self.work - arrival.service)
        if len(self._last) == self._last.maxlen:
            seconds, files = self._last[0]
            self._seconds, self._files = self._seconds - seconds, self._files - files
        self._last.append((arrival.service, arrival.files))
        self._seconds, self._files = self._seconds + arrival.service, self._files + arrival.files

    def tick(self, busy: int, ready: int) -> None:
        self._busy.append(busy)
        self._arrived.append(0)

    def reading(self, scaling: Scaling, ready: int, *, away: bool) -> Reading:
        busy = sum(self._busy) / len(self._busy)
        mean = self._seconds / self._files if self._files else FIRST_GUESS_SECONDS
        rate = sum(self._arrived) / RATE_SECONDS
        values: dict[Metric, float | None] = {
            # Unacknowledged messages count too.
            "messages": None if away else self.waiting + busy,
            # Computed from the queue's length: without the broker there is no such number either.
            "work_seconds": None if away else (self.waiting + busy) * mean,
            "demand_seconds": None if away else (self.waiting + busy + rate * EXPECTED_SECONDS) * mean,
            "cpu": busy / (ready * self._worker.cpu_request) if ready else None,
        }
        return {trigger.metric: values[trigger.metric] for trigger in scaling.triggers}
