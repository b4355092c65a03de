"""Who begins next, over arbitrary interleavings: nobody waits for ever, no budget is exceeded."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.bus.lanes import LARGE, URGENT
from services.processor.admission.desk import (
    ALWAYS_BYTES,
    MIB,
    PASSES,
    SLOT_BYTES,
    Desk,
    Need,
    Room,
    memory_of,
)

LANES = ("0", "1", "2", LARGE, URGENT)
SMALL, WIDE = 32 * MIB, Room(slots=2, places=8, memory=4096 * MIB)

needs = st.tuples(
    st.sampled_from((1, 8, 32, 64, 100, 600, 1000)), st.sampled_from((0, 1, 30, 64, 2048)), st.integers(0, 40)
)
rooms = st.builds(
    lambda slots, ahead, memory: Room(slots, slots * ahead, memory * MIB),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1000, 3000),
)


def small(key: object, memory: int = SMALL, cost: int = 1 * MIB) -> Need:
    return Need(key, memory, cost)


def begun(desk: Desk, heads: dict[str, Need], room: Room = WIDE) -> list[str]:
    """Choose until nothing begins; every lane gets its head once."""
    lanes = []
    left = dict(heads)
    while (lane := desk.choose(left, room)) is not None:
        lanes.append(lane)
        del left[lane]
    return lanes


@settings(deadline=None)
@given(rooms, st.data())
def test_every_head_begins_while_no_budget_is_exceeded_and_nothing_idles(
    room: Room, data: st.DataObject
) -> None:
    """Every lane always has another file, of any size: the hardest case for those that do not fit."""
    desk, keys = Desk(), count()
    queues = data.draw(
        st.dictionaries(st.sampled_from(LANES), st.lists(needs, min_size=1, max_size=4), min_size=1)
    )

    def head(lane: str) -> Need:
        key = next(keys)
        memory, cost, odds = queues[lane][key % len(queues[lane])]
        return Need(key, memory * MIB, cost * MIB, alone=odds == 40)

    heads = {lane: head(lane) for lane in queues}
    waited = dict.fromkeys(heads, 0)
    under_way: dict[int, Need] = {}
    steps = iter(data.draw(st.lists(st.integers(0, 1000), min_size=1, max_size=60)))
    # What is not drawn any more goes on in order, until every head of now has begun.
    for step in (*steps, *[0] * 80):
        while (lane := desk.choose(heads, room)) is not None:
            need = heads[lane]
            under_way[need.key] = need  # type: ignore[index]
            held = list(under_way.values())
            assert len(held) <= room.places
            assert memory_of(held, room.slots) <= room.memory or len(held) == 1
            assert not any(other.alone for other in held) or len(held) == 1
            waited = {name: passed + 1 for name, passed in waited.items()}
            heads[lane], waited[lane] = head(lane), 0
            assert max(waited.values()) <= (PASSES + 2) * room.places * len(queues)
        assert under_way, "a worker that does nothing begins whatever waits"
        ended = sorted(under_way)[step % len(under_way)]
        desk.ended(ended)
        del under_way[ended]


@settings(deadline=None)
@given(
    rooms, st.lists(st.tuples(st.sampled_from([lane for lane in LANES if lane != LARGE]), needs), max_size=30)
)
def test_what_fits_begins_unless_room_is_kept(
    room: Room, files: list[tuple[str, tuple[int, int, int]]]
) -> None:
    """Work-conserving: but for the slot that large files leave, nothing is held back for nobody."""
    desk = Desk()
    for key, (lane, (memory, cost, _)) in enumerate(files[: PASSES - 1]):
        need = Need(key, memory * MIB, cost * MIB)
        could = desk.fits(need, room)
        assert (desk.choose({lane: need}, room) == lane) == could


def test_lanes_take_turns() -> None:
    desk, keys = Desk(), count()
    order = [desk.choose({lane: small(next(keys)) for lane in ("0", "1", "2")}, WIDE) for _ in range(6)]
    assert order == ["0", "1", "2", "0", "1", "2"]


@pytest.mark.parametrize("room", [WIDE, Room(1, 1, WIDE.memory), Room(1, 2, WIDE.memory)])
@pytest.mark.parametrize("lane", [URGENT, LARGE])
def test_files_that_go_alone_keep_nobody_waiting_for_ever(lane: str, room: Room) -> None:
    """Each waits until nothing else is under way, and the others have their turn in between."""
    desk, keys, order = Desk(), count(), ""
    heads = {lane: Need(next(keys), SMALL, MIB, alone=True), "0": small(next(keys))}
    under_way: list[object] = []
    while len(order) < 60:
        while (chosen := desk.choose(heads, room)) is not None:
            under_way.append(heads[chosen].key)
            order += chosen[0]
            heads[chosen] = Need(next(keys), SMALL, MIB, alone=chosen == lane)
        desk.ended(under_way.pop(0))
    assert lane[0] * 2 not in order
    assert "0" * (PASSES + room.places + 1) not in order


def test_urgent_files_are_first_and_take_half_while_others_wait() -> None:
    desk, keys = Desk(), count()

    def chosen(*lanes: str) -> str | None:
        return desk.choose({lane: small((lane, next(keys))) for lane in lanes}, WIDE)

    assert [chosen(URGENT, "0") for _ in range(8)] == [URGENT] * 4 + ["0"] * 4
    assert chosen(URGENT, "0") is None
    desk.ended((URGENT, 0))
    assert chosen("0", URGENT) == URGENT


def test_urgent_files_take_every_second_turn_of_a_single_place() -> None:
    desk, room, order = Desk(), Room(1, 1, 4096 * MIB), []
    for key in range(6):
        order.append(desk.choose({"0": small(("0", key)), URGENT: small((URGENT, key))}, room))
        desk.ended((order[-1], key))
    assert order == [URGENT, "0"] * 3


def test_urgent_files_alone_take_everything() -> None:
    desk = Desk()
    assert all(desk.choose({URGENT: small(key)}, WIDE) == URGENT for key in range(8))


def test_a_long_file_takes_one_slot_and_small_ones_pass() -> None:
    desk = Desk()
    giant = Need("giant", 600 * MIB, 2048 * MIB)
    assert desk.choose({LARGE: giant}, WIDE) == LARGE
    other = Need("other", 600 * MIB, 2048 * MIB)
    assert [desk.choose({LARGE: other, "0": small(key)}, WIDE) for key in range(3)] == ["0", "0", "0"]
    # Nobody else waits, but somebody may come.
    assert desk.choose({LARGE: other}, WIDE) is None
    for key in range(3):
        desk.ended(key)
    assert desk.choose({LARGE: other}, WIDE) is None


def test_large_files_take_every_slot_once_nothing_else_has_come_for_a_while() -> None:
    desk = Desk()

    def chosen(key: int, **others: Need) -> str | None:
        return desk.choose({LARGE: Need(key, 600 * MIB, 2048 * MIB), **others}, WIDE)

    assert chosen(0) == LARGE
    assert chosen(1) is None
    desk.ended(0)
    assert chosen(1) == LARGE
    assert chosen(2) == LARGE
    desk.ended(1)
    assert chosen(3, **{"0": small("small")}) == "0"
    assert chosen(3) is None


def test_only_little_is_begun_ahead() -> None:
    """What is fetched ahead waits for who was before it: long files begin when a decoder is free."""
    desk = Desk()
    assert [desk.choose({"0": small(key, cost=SLOT_BYTES)}, WIDE) for key in range(3)] == ["0", "0", None]


def test_a_head_that_does_not_fit_delays_nobody_and_gets_room_in_the_end() -> None:
    desk, room, keys = Desk(), Room(2, 8, 1000 * MIB), count()
    giant = Need("giant", 990 * MIB, 512 * MIB)
    assert desk.choose({"0": small("first")}, room) == "0"
    last: object = "first"
    for _ in range(PASSES):
        key = next(keys)
        assert desk.choose({LARGE: giant, "0": small(key)}, room) == "0"
        desk.ended(last)
        last = key
    # Now nothing begins that does not fit beside it.
    assert desk.choose({LARGE: giant, "0": small("late")}, room) is None
    assert desk.choose({LARGE: giant, "0": small("tiny", memory=5 * MIB)}, room) == "0"
    desk.ended(last)
    assert desk.choose({LARGE: giant, "0": small("late")}, room) == LARGE


def test_room_is_not_kept_for_what_this_machine_cannot_give_now() -> None:
    desk, keys = Desk(), count()
    giant = Need("giant", 3000 * MIB, 512 * MIB)
    short = Room(2, 8, 1000 * MIB)
    for _ in range(3 * PASSES):
        key = next(keys)
        assert desk.choose({LARGE: giant, "0": small(key)}, short) == "0"
        desk.ended(key)
    assert desk.choose({LARGE: giant}, short) is None
    assert desk.choose({LARGE: giant}, WIDE) == LARGE


def test_what_may_have_ended_workers_begins_alone() -> None:
    desk, keys = Desk(), count()
    suspect = Need("suspect", SMALL, MIB, alone=True)
    assert desk.choose({"0": small("first")}, WIDE) == "0"
    for _ in range(PASSES):
        key = next(keys)
        assert desk.choose({"1": suspect, "0": small(key)}, WIDE) == "0"
        desk.ended(key)
    assert desk.choose({"1": suspect, "0": small("late")}, WIDE) is None
    desk.ended("first")
    assert begun(desk, {"1": suspect, "0": small("late")}) == ["1"]
    desk.ended("suspect")
    assert begun(desk, {"0": small("late"), "2": small("later")}) == ["0", "2"]


@pytest.mark.parametrize(("memory", "begins"), [(ALWAYS_BYTES, True), (ALWAYS_BYTES + 1, False)])
def test_an_ordinary_file_begins_on_an_idle_worker_however_short_memory_is(memory: int, begins: bool) -> None:
    desk, short = Desk(), Room(2, 8, 0)
    assert (desk.choose({"0": small("a", memory)}, short) == "0") is begins
    assert desk.choose({"0": small("b")}, short) == (None if begins else "0")


def test_only_as_many_files_take_memory_as_there_are_decoders() -> None:
    desk = Desk()
    for key, size in enumerate((100, 300, 200)):
        desk.choose({"0": small(key, size * MIB)}, WIDE)
    assert (desk.under_way, desk.memory(2), desk.memory(1)) == (3, 500 * MIB, 300 * MIB)
