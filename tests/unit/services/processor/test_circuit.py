"""The circuit of a codec: when it pauses, whom it probes, and that nothing waits for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.processor.circuit import Circuits

CODEC, OTHER = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1"
CRASHES, PAUSE = 3, 60.0


def file(number: int) -> UUID:
    return UUID(int=number)


def crash(circuits: Circuits, number: int, now: float) -> None:
    """A file is begun, which must be allowed, and loses its decoder."""
    assert circuits.begin(CODEC, file(number), now) == 0
    circuits.crashed(CODEC, file(number), now)
    circuits.left(CODEC, file(number))


def opened() -> Circuits:
    """Paused at 0."""
    circuits = Circuits(CRASHES, PAUSE)
    for number in range(CRASHES):
        crash(circuits, number, 0.0)
    return circuits


def test_different_files_in_a_row_pause_their_codec_and_no_other() -> None:
    circuits = opened()
    assert list(circuits.paused(1.0)) == [CODEC]
    assert circuits.begin(CODEC, file(9), 10.0) == PAUSE - 10.0
    assert circuits.begin(OTHER, file(9), 10.0) == 0


def test_one_file_pauses_nothing_however_often_it_crashes() -> None:
    circuits = Circuits(CRASHES, PAUSE)
    for attempt in range(10):
        crash(circuits, attempt % (CRASHES - 1), float(attempt))
    assert list(circuits.paused(10.0)) == []


def test_an_answer_between_begins_the_row_anew() -> None:
    circuits = Circuits(CRASHES, PAUSE)
    for number in range(10):
        crash(circuits, number, 0.0)
        if number % 2:
            circuits.answered(CODEC)
    assert circuits.begin(CODEC, file(99), 0.0) == 0


def test_after_the_pause_one_file_is_tried_and_decides_for_all() -> None:
    circuits = opened()
    assert circuits.begin(CODEC, file(9), PAUSE) == 0
    assert circuits.begin(CODEC, file(10), PAUSE) > 0
    assert list(circuits.paused(PAUSE)) == [CODEC]
    circuits.crashed(CODEC, file(9), PAUSE + 5)
    circuits.left(CODEC, file(9))
    assert circuits.begin(CODEC, file(10), PAUSE + 6) == PAUSE - 1
    assert circuits.begin(CODEC, file(10), 2 * PAUSE + 5) == 0
    circuits.answered(CODEC)
    circuits.left(CODEC, file(10))
    assert circuits.begin(CODEC, file(11), 2 * PAUSE + 5) == 0
    assert list(circuits.paused(2 * PAUSE + 5)) == []


def test_a_probe_that_tells_nothing_lets_another_be_it() -> None:
    circuits = opened()
    assert circuits.begin(CODEC, file(9), PAUSE) == 0
    circuits.left(CODEC, file(9))
    assert list(circuits.paused(PAUSE)) == []
    assert circuits.begin(CODEC, file(10), PAUSE) == 0
    assert circuits.begin(CODEC, file(11), PAUSE) > 0


def test_a_file_that_crashed_is_the_probe_only_when_no_other_comes() -> None:
    circuits = opened()
    assert circuits.begin(CODEC, file(0), PAUSE + 1) == PAUSE - 1
    assert circuits.begin(CODEC, file(0), 2 * PAUSE) == 0


@dataclass
class World:
    """Files of one codec, of which some always lose their decoder, and all until the codec is mended."""

    bad: frozenset[int]
    mended_at: float
    slots: int
    waiting: dict[int, float] = field(default_factory=dict)
    under_way: list[int] = field(default_factory=list)
    attempts: dict[int, int] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)


@given(
    number=st.integers(1, 12),
    bad=st.frozensets(st.integers(0, 11)),
    mended_at=st.floats(0, 500),
    slots=st.integers(1, 4),
    choices=st.lists(st.integers(0, 50), max_size=60),
)
def test_every_file_ends_and_a_pause_lets_one_through(
    number: int, bad: frozenset[int], mended_at: float, slots: int, choices: list[int]
) -> None:
    """Begun when asked for again, ended in any order; two crashes end a file (DECODER_CRASH_ATTEMPTS)."""
    circuits, world, now = Circuits(CRASHES, PAUSE), World(bad, mended_at, slots), 0.0
    world.waiting = dict.fromkeys(range(number), 0.0)
    order = iter(choices)
    for _ in range(5000):
        if len(world.ended) == number:
            break
        for one, due in sorted(world.waiting.items(), key=lambda pair: pair[1]):
            if due > now or len(world.under_way) >= slots:
                continue
            before = set(circuits.paused(now))
            wait = circuits.begin(CODEC, file(one), now)
            if wait == 0:
                assert not before, "while it is paused nothing begins"
                del world.waiting[one]
                world.under_way.append(one)
            else:
                assert wait > 0
                world.waiting[one] = now + wait
        if world.under_way:
            one = world.under_way.pop(next(order, 0) % len(world.under_way))
            now += 1.0
            if one in bad or now < mended_at:
                circuits.crashed(CODEC, file(one), now)
                world.attempts[one] = world.attempts.get(one, 0) + 1
            else:
                circuits.answered(CODEC)
                world.ended.add(one)
            circuits.left(CODEC, file(one))
            if world.attempts.get(one, 0) >= 2:
                world.ended.add(one)
            if one not in world.ended:
                world.waiting[one] = now + 1.0
        else:
            now = max(now, min(world.waiting.values()))
    assert len(world.ended) == number
