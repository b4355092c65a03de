"""Traces of files with owners: who sends what and when, and what it takes of a worker; always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

MIB = 1 << 20
CT_SECONDS = 0.03
GIANT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """One file: seconds and bytes of a decoder, decoded bytes, and whether it is urgent."""

    number: int
    at: float
    owner: str
    service: float
    memory: int = 40 * MIB
    cost: int = MIB // 2
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """One worker: `speed` 0.5 takes twice as long; `memory` for its files; lost from `lost` until `back`."""

    slots: int = 2
    speed: float = 1.0
    memory: int = 2048 * MIB
    lost: float | None = None
    back: float = 0.0


@dataclass(frozen=True)
class Course:
    """A named trace, and the workers it meets."""

    name: str
    what: str
    jobs: list[Job]
    workers: tuple[Machine, ...] = (Machine(), Machine())
    watched: tuple[str, ...] = field(default=())
    """Owners whose waits are told one by one."""


def courses() -> list[Course]:
    """The six of the decision record."""
    return [steady(), burst(), giants(), slow_worker(), worker_lost(), urgent()]


def steady() -> Course:
    """Six owners, none more than another, and workers that are two thirds busy."""
    return Course("steady", "six owners send evenly", _made(_even(6, load=2.7, seconds=60)), watched=("o1",))


def burst() -> Course:
    """An archive of one owner among others who send a few files."""
    return Course(
        "burst",
        "one owner sends 4000 files at once, one ten",
        _made(_archive(4000, at=5.0), _few(10, at=10.0), _even(4, load=0.4, seconds=60)),
        watched=("archive", "few", "o1"),
    )


def giants() -> Course:
    """Files that fit only one of the workers, and hold a decoder for long, among small ones."""
    made = _made(
        lambda draw: (
            (2.0 + 0.5 * n, "giants", GIANT_SECONDS, 1400 * MIB, 2048 * MIB, False) for n in range(8)
        ),
        _even(4, load=1.2, seconds=60),
    )
    return Course(
        "giants",
        "eight files of 1.4 GiB and 15 s among small ones; one worker has 1 GiB",
        made,
        (Machine(memory=1024 * MIB), Machine(memory=4096 * MIB)),
        watched=("giants", "o1"),
    )


def slow_worker() -> Course:
    """One of the workers takes eight times as long."""
    return Course(
        "slow worker",
        "one of two workers is eight times slower",
        _made(_even(6, load=1.6, seconds=60)),
        (Machine(), Machine(speed=0.125)),
        watched=("o1",),
    )


def worker_lost() -> Course:
    """A worker vanishes with what it holds, and another takes its place later."""
    return Course(
        "worker lost",
        "one of two workers is lost for 15 s in a burst",
        _made(_archive(1500, at=5.0), _even(4, load=1.0, seconds=60)),
        (Machine(), Machine(lost=10.0, back=25.0)),
        watched=("archive", "o1"),
    )


def urgent() -> Course:
    """Two files that cannot wait, in the middle of an archive."""
    two = ((12.0, "urgent", CT_SECONDS, 40 * MIB, MIB // 2, True) for _ in range(2))
    return Course(
        "urgent",
        "two urgent files in the burst of 4000",
        _made(_archive(4000, at=5.0), lambda draw: two, _even(4, load=0.4, seconds=60)),
        watched=("archive", "urgent", "o1"),
    )


_Line = tuple[float, str, float, int, int, bool]
_Source = Callable[[np.random.Generator], Iterator[_Line]]


def _made(*sources: _Source) -> list[Job]:
    draw = np.random.default_rng(9)
    lines = sorted(line for source in sources for line in source(draw))
    return [Job(number, *line) for number, line in enumerate(lines)]


def _even(owners: int, *, load: float, seconds: float) -> _Source:
    """Independent arrivals of CT slices that keep `load` slots busy."""

    def source(draw: np.random.Generator) -> Iterator[_Line]:
        count = int(load * seconds / CT_SECONDS)
        for at in draw.uniform(0.0, seconds, count):
            yield float(at), f"o{draw.integers(1, owners + 1)}", _ct(draw), 40 * MIB, MIB // 2, False

    return source


def _archive(files: int, *, at: float) -> _Source:
    def source(draw: np.random.Generator) -> Iterator[_Line]:
        for n in range(files):
            yield at + n / 1000, "archive", _ct(draw), 40 * MIB, MIB // 2, False

    return source


def _few(files: int, *, at: float) -> _Source:
    def source(draw: np.random.Generator) -> Iterator[_Line]:
        for n in range(files):
            yield at + n / 1000, "few", _ct(draw), 40 * MIB, MIB // 2, False

    return source


def _ct(draw: np.random.Generator) -> float:
    return CT_SECONDS * float(draw.lognormal(-0.125, 0.5))
