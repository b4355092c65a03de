"""What may be under way at once: slots by CPU, bytes by memory. Pure; the figures come from `machine`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from services.processor.admission.estimate import Estimate
from services.processor.admission.machine import Reading

SHORT_PRESSURE = 60.0
"""Percent of time (PSI `some avg10`) in which a machine that is short lets something of ours wait."""
NEIGHBOURS_PER_CORE = 2.0
"""Neighbours that run or want to, for each core of the machine, from which on it is short."""

LONG_SECONDS = 0.1
"""A file that takes a decoder so long hides all that happens before and after it."""

ENOUGH = 0.75
"""Part of an estimate that is worth a try where there has never been more."""

Verdict = Literal["here", "elsewhere", "nowhere"]


@dataclass(frozen=True, slots=True)
class Memory:
    """What decoders may take, in bytes above what they take idle."""

    now: int
    """All files under way together, as the machine is at this moment."""
    at_most: int
    """On a quiet machine."""


KEPT_BYTES = 64 << 20
"""Heap that a decoder may keep from files before (libs/common/memory.py)."""


def taken(resident: Iterable[int], idle: int) -> int:
    """What running files have surely taken of decoders with these resident bytes, `idle` ones of them idle.

    What a decoder may merely have kept is not counted, so a budget errs to the safe side.
    """
    return sum(max(0, held - idle - KEPT_BYTES) for held in resident)


def memory(reading: Reading, *, reserve: int, idle: int, taken: int) -> Memory:
    """The budget of a worker whose decoders take `idle` bytes together, and for their files `taken` so far.

    What running files have already taken is theirs, so it counts as free: the budget does not move while they
    grow, and the sum of the estimates of all that are under way is what is held against it.
    """
    return Memory(
        now=max(0, reading.memory_free + taken - reserve),
        at_most=max(0, reading.memory_limit - idle - reserve),
    )


def slots(configured: int, busy: int, reading: Reading) -> int:
    """How many decoders may work: those configured, within the quota, and down to half on a short machine.

    Short is a machine where something of ours has waited for most of the last ten seconds *and* neighbours
    alone, our own decoders and this process taken off, want twice its cores: before that, a database and a
    broker that are busy with our own files do not pass for strangers.
    """
    within = max(1, min(configured, math.ceil(reading.cores)))
    strangers = reading.load - busy - 1
    if reading.pressure < SHORT_PRESSURE or strangers < NEIGHBOURS_PER_CORE * reading.machine_cores:
        return within
    return max(1, math.ceil(within / 2))


def demanded(likely: int, *, own: int, attainable: int) -> int:
    """Bytes that a file waits for: its estimate, as far as this worker ever has so much for one.

    `own` does not know what else there is in the container, so a little less will do, if that was all there
    was while nothing was under way (`attainable`): nobody waits for what never comes. Much less will not.
    """
    wanted = min(likely, own)
    return attainable if ENOUGH * wanted <= attainable < wanted else wanted


def places(slots: int, most: int, mean_seconds: float) -> int:
    """How many files may be under way: some are fetched and published while others are decoded.

    `most` for each slot where a file takes a moment; two where it takes `LONG_SECONDS`, since what is begun
    ahead on a slow worker could be decoded elsewhere by then.
    """
    return slots * (most if mean_seconds < LONG_SECONDS else min(most, 2))


def verdict(estimate: Estimate, *, own: int, largest: int) -> Verdict:
    """Where a file can be decoded: `own` bytes are the most this worker has for one, `largest` any worker.

    What is only likely too much for the largest is tried there all the same: estimates err, and a decoder's
    own limit protects its neighbours.
    """
    if estimate.least > largest:
        return "nowhere"
    if estimate.likely <= own or largest <= own:
        return "here"
    return "elsewhere"
