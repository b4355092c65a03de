"""Three ways to share files out among workers, as a simulation of events: what waits, what runs, who is lost.

The admission that is simulated is the code that runs (services/processor/admission, libs/common/bus/lanes).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import Protocol

from bench.owners import CT_SECONDS, Course, Job, Machine
from libs.common.bus.lanes import DEFAULT_LANES, DEFAULT_LARGE_BYTES, LARGE, URGENT, lane_names
from services.processor.admission.budget import places, verdict
from services.processor.admission.desk import Desk, Need, Room
from services.processor.admission.estimate import Estimate

PREFETCH = 4
"""Deliveries that a worker holds for each slot: Celery's default."""
PUT_OFF_SECONDS = 1.0
RESTART_SECONDS = 10.0
"""How long a worker is away that took more memory than it has."""
ATTEMPTS = 3
"""Lost workers after which a file is given up."""


@dataclass
class Outcome:
    """What became of a course."""

    started: dict[int, float] = field(default_factory=dict)
    """When a slot took each file for the last time."""
    ended: dict[int, float] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    """Given up: each attempt cost a worker."""
    killed: int = 0
    """Workers that took more memory than they have."""
    busy: float = 0.0
    """Slot seconds of work that counted."""


@dataclass
class Worker:
    """A machine at work."""

    machine: Machine
    begun: deque[Job] = field(default_factory=deque)
    """Taken, and waits for a slot."""
    running: dict[int, tuple[Job, float]] = field(default_factory=dict)
    up: bool = True
    life: int = 0

    @property
    def held(self) -> list[Job]:
        """All that it would lose."""
        return [*(job for job, _ in self.running.values()), *self.begun]


class Way(Protocol):
    """How waiting files reach workers."""

    def arrive(self, job: Job, *, again: bool = False) -> None:
        """A file waits now; `again`: it did before."""

    def give(self, workers: list[Worker], now: float) -> list[tuple[float, Job]]:
        """Let workers begin what they may; returns files that are to arrive again later."""

    def ended(self, worker: Worker, job: Job) -> None:
        """A file has ended, or its worker was lost."""

    def lost(self, worker: Worker) -> list[Job]:
        """What the worker held besides what had begun."""


class RoundRobin:
    """Prefetch: each worker gets the next messages in turn, whatever they are; Celery's way."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._queue: deque[Job] = deque()
        self._next = 0

    def arrive(self, job: Job, *, again: bool = False) -> None:
        """At the end; what comes again goes first."""
        (self._queue.appendleft if again else self._queue.append)(job)

    def give(self, workers: list[Worker], now: float) -> list[tuple[float, Job]]:
        """Fill every worker up to its prefetch, one message each in turn."""
        idle = 0
        while self._queue and idle < len(workers):
            worker = workers[self._next % len(workers)]
            self._next += 1
            if worker.up and len(worker.held) < PREFETCH * worker.machine.slots:
                worker.begun.append(self._queue.popleft())
                idle = 0
            else:
                idle += 1
        return []

    def ended(self, worker: Worker, job: Job) -> None:
        """The next one is sent."""

    def lost(self, worker: Worker) -> list[Job]:
        """All that it held counts as begun."""
        return []


class Budgets(RoundRobin):
    """One queue: a worker takes its head when it has a slot and the memory; the head waits until one has."""

    def give(self, workers: list[Worker], now: float) -> list[tuple[float, Job]]:
        """The head goes to who has most room."""
        while self._queue:
            job = self._queue[0]
            fit = [worker for worker in workers if worker.up and self._fits(worker, job)]
            if not fit:
                break
            fit[self._next % len(fit)].begun.append(self._queue.popleft())
            self._next += 1
        return []

    def _fits(self, worker: Worker, job: Job) -> bool:
        held = worker.held
        free = worker.machine.memory - sum(other.memory for other in held)
        return len(held) < worker.machine.slots and job.memory <= free


class Lanes:
    """Ours: lanes by owner, a few deliveries of each at hand, and each worker's desk says what begins."""

    def __init__(self, workers: list[Worker]) -> None:
        """Every worker takes from every lane."""
        self._queues: dict[str, deque[Job]] = {lane: deque() for lane in lane_names(DEFAULT_LANES)}
        self._at_hand: dict[int, dict[str, deque[Job]]] = {id(worker): {} for worker in workers}
        self._desks = {id(worker): Desk() for worker in workers}
        self._handed_on: set[int] = set()
        self._largest = max(worker.machine.memory for worker in workers)
        self._lane_of: dict[int, str] = {}
        self._next = 0

    def arrive(self, job: Job, *, again: bool = False) -> None:
        """Into its lane."""
        lane = LARGE if job.number in self._handed_on else lane_of(job)
        self._lane_of[job.number] = lane
        (self._queues[lane].appendleft if again else self._queues[lane].append)(job)

    def give(self, workers: list[Worker], now: float) -> list[tuple[float, Job]]:
        """Fill what is at hand, then let each desk choose, until nothing moves."""
        later: list[tuple[float, Job]] = []
        moved = True
        while moved:
            moved = self._fill(workers)
            for worker in workers:
                if worker.up:
                    moved |= self._choose(worker, now, later)
        return later

    def _fill(self, workers: list[Worker]) -> bool:
        moved = False
        for lane, queue in self._queues.items():
            idle = 0
            while queue and idle < len(workers):
                worker = workers[self._next % len(workers)]
                self._next += 1
                of_lane = sum(self._lane_of[job.number] == lane for job in worker.held)
                at_hand = self._at_hand[id(worker)].setdefault(lane, deque())
                if worker.up and len(at_hand) + of_lane < 2 * worker.machine.slots:
                    at_hand.append(queue.popleft())
                    moved, idle = True, 0
                else:
                    idle += 1
        return moved

    def _choose(self, worker: Worker, now: float, later: list[tuple[float, Job]]) -> bool:
        machine, at_hand, moved = worker.machine, self._at_hand[id(worker)], False
        for lane, jobs in at_hand.items():
            while jobs and self._elsewhere(jobs[0], machine):
                # From a lane to the large ones at once; from there to somebody else, after a while.
                job = jobs.popleft()
                self._handed_on.add(job.number)
                later.append((now + (PUT_OFF_SECONDS if lane == LARGE else 0.0), job))
                moved = True
        ahead = places(machine.slots, PREFETCH, CT_SECONDS / machine.speed)
        room = Room(machine.slots, ahead, machine.memory)
        while True:
            heads = {lane: _need(jobs[0]) for lane, jobs in at_hand.items() if jobs}
            begins = self._desks[id(worker)].choose(heads, room)
            if begins is None:
                return moved
            worker.begun.append(at_hand[begins].popleft())
            moved = True

    def _elsewhere(self, job: Job, machine: Machine) -> bool:
        return verdict(Estimate(0, job.memory), own=machine.memory, largest=self._largest) == "elsewhere"

    def ended(self, worker: Worker, job: Job) -> None:
        """Its room is free."""
        self._desks[id(worker)].ended(job.number)

    def lost(self, worker: Worker) -> list[Job]:
        """What was at hand, and never began."""
        at_hand, self._at_hand[id(worker)] = self._at_hand[id(worker)], {}
        self._desks[id(worker)] = Desk()
        return [job for jobs in at_hand.values() for job in jobs]


def lane_of(job: Job) -> str:
    """As `libs.common.bus.lanes` says; owners stand for collections."""
    if job.urgent:
        return URGENT
    if job.cost >= DEFAULT_LARGE_BYTES:
        return LARGE
    digest = blake2b(job.owner.encode(), digest_size=8).digest()
    return str(int.from_bytes(digest, "big") % DEFAULT_LANES)


def _need(job: Job) -> Need:
    return Need(job.number, job.memory, job.cost)


def run(course: Course, way_of: type[RoundRobin] | type[Lanes]) -> Outcome:
    """Play a course to its end."""
    return _Run(course, way_of).play()


class _Run:
    """Events in the order of their time: arrivals, ends, losses."""

    def __init__(self, course: Course, way_of: type[RoundRobin] | type[Lanes]) -> None:
        self._workers = [Worker(machine) for machine in course.workers]
        self._way: Way = Lanes(self._workers) if way_of is Lanes else way_of()  # type: ignore[call-arg]
        self._serial = count()
        self._events: list[tuple[float, int, str, object]] = []
        self._losses: dict[int, int] = {}
        self.outcome = Outcome()
        for job in course.jobs:
            self._at(job.at, "arrive", job)
        for worker in self._workers:
            if worker.machine.lost is not None:
                self._at(worker.machine.lost, "lose", worker)
                self._at(worker.machine.back, "back", worker)

    def play(self) -> Outcome:
        while self._events:
            now, _, what, about = heapq.heappop(self._events)
            if what in ("arrive", "again") and isinstance(about, Job):
                self._way.arrive(about, again=what == "again")
            elif what == "end" and isinstance(about, tuple):
                self._end(now, *about)
            elif isinstance(about, Worker):
                if what == "back":
                    about.up = True
                else:
                    self._lose(now, about)
            for at, job in self._way.give(self._workers, now):
                self._at(at, "arrive", job)
            for worker in self._workers:
                self._start(now, worker)
        return self.outcome

    def _at(self, at: float, what: str, about: object) -> None:
        heapq.heappush(self._events, (at, next(self._serial), what, about))

    def _start(self, now: float, worker: Worker) -> None:
        while worker.up and worker.begun and len(worker.running) < worker.machine.slots:
            job = worker.begun.popleft()
            worker.running[job.number] = (job, now)
            self.outcome.started[job.number] = now
            self._at(now + job.service / worker.machine.speed, "end", (worker, job, worker.life))
            if sum(other.memory for other, _ in worker.running.values()) > worker.machine.memory:
                self.outcome.killed += 1
                self._at(now + RESTART_SECONDS, "back", worker)
                self._lose(now, worker)

    def _end(self, now: float, worker: Worker, job: Job, life: int) -> None:
        if life != worker.life:
            return  # that worker was lost
        del worker.running[job.number]
        self.outcome.ended[job.number] = now
        self.outcome.busy += job.service
        self._way.ended(worker, job)

    def _lose(self, now: float, worker: Worker) -> None:
        worker.up, worker.life = False, worker.life + 1
        running = [job for job, _ in worker.running.values()]
        for job in reversed([*running, *worker.begun, *self._way.lost(worker)]):
            self._losses[job.number] = self._losses.get(job.number, 0) + (job in running)
            if self._losses[job.number] >= ATTEMPTS:
                self.outcome.failed.add(job.number)
            else:
                self._at(now, "again", job)
        worker.running.clear()
        worker.begun.clear()
