"""Traces of arriving files: service times drawn from a measured mix; the same every time.

All times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.queueing import Arrival, Outage


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file: its share of all files, and the slot seconds that one takes."""

    name: str
    share: float
    seconds: float


Mix = Sequence[Kind]


def mean_seconds(mix: Mix) -> float:
    """Slot seconds of the average file."""
    return sum(kind.share * kind.seconds for kind in mix)


@dataclass(frozen=True, slots=True)
class Trace:
    """A named course of events, long enough to come to rest at the end."""

    name: str
    arrivals: list[Arrival]
    seconds: int
    replicas: int
    outage: Outage | None = None

    @property
    def files(self) -> int:
        """How many come, bundles counted by what is in them."""
        return sum(arrival.files for arrival in self.arrivals)


def poisson(rate: float, mix: Mix, seconds: float, generator: np.random.Generator) -> list[Arrival]:
    """Independent arrivals, `rate` a second."""
    count = int(generator.poisson(rate * seconds))
    return _draw(np.sort(generator.uniform(0.0, seconds, count)), mix, generator)


def steady(mix: Mix, *, load: float, seed: int = 1) -> Trace:
    """Three hours at a rate that keeps `load` slots busy."""
    rate = load / mean_seconds(mix)
    return Trace("steady", poisson(rate, mix, 10800, np.random.default_rng(seed)), 12000, 1)


def burst(mix: Mix, *, files: int = 10_000, per_second: float = 100.0, seed: int = 2) -> Trace:
    """A whole archive at once, as fast as the gateway takes it, onto a system scaled to zero."""
    generator = np.random.default_rng(seed)
    return Trace("burst", _draw(300.0 + np.arange(files) / per_second, mix, generator), 5400, 0)


def night_and_day(mix: Mix, *, peak_load: float, bundle: int = 50, seed: int = 3) -> Trace:
    """Two days: nothing at night, a clinic's bell curve by day, with a busy hour in the morning.

    Files come in bundles, as the slices of a series do, which also keeps the simulation short.
    """
    generator = np.random.default_rng(seed)
    rate = peak_load / mean_seconds(mix) / bundle
    found: list[float] = []
    for minute in range(2 * 1440):
        expected = 60.0 * rate * _share_of_peak((minute % 1440) / 60.0)
        found.extend(60.0 * minute + generator.uniform(0.0, 60.0, int(generator.poisson(expected))))
    return Trace("night-day", _draw(np.sort(np.array(found)), mix, generator, bundle), 2 * 86400, 0)


def broker_outage(mix: Mix, *, load: float, seed: int = 4) -> Trace:
    """Steady load, and ten minutes without the broker."""
    rate = load / mean_seconds(mix)
    arrivals = poisson(rate, mix, 5400, np.random.default_rng(seed))
    return Trace("broker-outage", arrivals, 7200, 3, Outage(1800.0, 2400.0))


def _share_of_peak(hour: float) -> float:
    morning = math.exp(-(((hour - 10.0) / 1.5) ** 2))
    day = 0.6 * math.exp(-(((hour - 14.0) / 3.0) ** 2))
    return 0.0 if hour < 6.0 or hour > 21.0 else min(1.0, morning + day)


def _draw(
    times: Sequence[float] | np.ndarray, mix: Mix, generator: np.random.Generator, bundle: int = 1
) -> list[Arrival]:
    return list(_arrivals(times, mix, generator, bundle))


def _arrivals(
    times: Sequence[float] | np.ndarray, mix: Mix, generator: np.random.Generator, bundle: int
) -> Iterator[Arrival]:
    shares = np.array([kind.share for kind in mix])
    chosen = generator.choice(len(mix), size=len(times), p=shares / shares.sum())
    # Files of one kind differ too; a log-normal factor with mean 1.
    spread = generator.lognormal(-0.125, 0.5, len(times))
    for at, index, factor in zip(times, chosen, spread, strict=True):
        yield Arrival(float(at), bundle * mix[int(index)].seconds * float(factor), bundle)
