"""Which waiting file begins next: lanes in turn, within what memory and slots allow. Pure.

A head that does not fit is passed over, so that it delays nobody. Once that has happened often, room is kept
for it: only what fits beside it is begun until it is. So nobody waits for ever, and nothing stands still for
somebody who cannot begin (backfilling, as batch systems do; ADR 0032). Large files, which nothing interrupts,
leave a slot free as long as others come.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from libs.common.bus.lanes import LARGE, URGENT

MIB = 1 << 20
SLOT_BYTES = 64 * MIB
"""Decoded bytes that keep a slot busy for a while: so much is begun ahead for each slot, and no more."""
ALWAYS_BYTES = 64 * MIB
"""A file that takes no more than this begins on a worker that does nothing else, however short memory is."""
PASSES = 8
"""How often others begin before room is kept for a head that does not fit."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a waiting file asks for: bytes of memory, and decoded bytes as a measure of time."""

    key: Hashable
    memory: int
    cost: int
    alone: bool = False
    """It may have ended workers before, and takes nobody along the next time."""

    @property
    def load(self) -> int:
        """Its part of a slot; the longest file fills one."""
        return min(self.cost, SLOT_BYTES)


@dataclass(frozen=True, slots=True)
class Room:
    """What may be under way together: `slots` decoders, files fetched ahead up to `places`, and memory."""

    slots: int
    places: int
    memory: int


class Desk:
    """Knows what is under way, whose turn it is, and who has been passed over."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._under_way: dict[Hashable, tuple[str, Need]] = {}
        self._turn: list[str] = []
        """Lanes, who began last at the end."""
        self._latest: str | None = None
        self._only_large = 0
        """How many large files have begun since anything else waited."""
        self._passed: dict[Hashable, int] = {}
        self._kept: Hashable | None = None
        self._since: set[Hashable] = set()
        """What began while room was being kept."""

    @property
    def under_way(self) -> int:
        """How many files."""
        return len(self._under_way)

    def memory(self, slots: int) -> int:
        """What all that is under way may take: so many are decoded at once, whichever they are."""
        return memory_of(self._needs(), slots)

    def choose(self, heads: Mapping[str, Need], room: Room) -> str | None:
        """The lane whose head begins now, counted as under way by this call; None: nothing fits."""
        if any(lane != LARGE for lane in heads):
            self._only_large = 0
        if len(self._under_way) >= room.places:
            return None  # as below, sooner: this is the answer most of the time
        kept = self._keep(heads, room)
        beside = self._needs()
        unfit = {lane for lane, need in heads.items() if not _fits(need, beside, room)}
        fitting = [
            lane
            for lane in self._in_turn(heads)
            if lane not in unfit and self._leaves(heads[lane], kept, room) and self._leaves_a_slot(lane, room)
        ]
        lane = next((lane for lane in fitting if self._within_share(lane, heads, room)), None)
        if lane is None:
            # Work goes on beyond a share where nobody else can make use of what is left.
            lane = next(iter(fitting), None)
        if lane is not None:
            self._begin(lane, heads, unfit)
        return lane

    def fits(self, need: Need, room: Room) -> bool:
        """Whether it could begin now, whoever else waits."""
        return _fits(need, self._needs(), room)

    def ended(self, key: Hashable) -> None:
        """A file is under way no more."""
        self._under_way.pop(key, None)
        self._since.discard(key)

    def _keep(self, heads: Mapping[str, Need], room: Room) -> Need | None:
        """For whom room is kept: who was passed over most, and could begin were nothing else under way."""
        if not self._passed:
            self._kept = None
            return None
        waiting = {need.key: need for need in heads.values()}
        self._passed = {key: passed for key, passed in self._passed.items() if key in waiting}
        late = [
            need
            for need in waiting.values()
            if self._passed.get(need.key, 0) >= PASSES and _fits(need, [], room)
        ]
        kept = max(late, key=lambda need: (need.key == self._kept, self._passed[need.key]), default=None)
        if kept is None or kept.key != self._kept:
            self._kept = None if kept is None else kept.key
            self._since = set()
        return kept

    def _leaves(self, need: Need, kept: Need | None, room: Room) -> bool:
        """Whether what is kept would fit beside it, and beside what began since."""
        if kept is None or need.key == kept.key:
            return True
        since = [self._under_way[key][1] for key in self._since]
        return _fits(kept, [*since, need], room)

    def _in_turn(self, heads: Mapping[str, Need]) -> list[str]:
        """Whom room is kept for, then urgent ones, then who began longest ago."""
        self._turn += sorted(lane for lane in heads if lane not in self._turn)
        return sorted(
            heads,
            key=lambda lane: (heads[lane].key != self._kept, lane != URGENT, self._turn.index(lane)),
        )

    def _leaves_a_slot(self, lane: str, room: Room) -> bool:
        """Large files leave one slot to whoever comes, until nothing else has come for a while."""
        if lane != LARGE or room.slots == 1 or self._only_large >= room.slots:
            return True
        return 1 + sum(name == LARGE for name, _ in self._under_way.values()) < room.slots

    def _within_share(self, lane: str, heads: Mapping[str, Need], room: Room) -> bool:
        """Urgent and large files take half of everything while others wait, or every second turn."""
        need = heads[lane]
        if lane not in (URGENT, LARGE) or len(heads) == 1 or need.key == self._kept:
            return True
        same = [need, *(other for name, other in self._under_way.values() if name == lane)]
        if (
            not need.alone  # which has everything to itself
            and 2 * len(same) <= room.places
            and 2 * sum(other.load for other in same) <= room.slots * SLOT_BYTES
            and 2 * memory_of(same, room.slots) <= room.memory
        ):
            return True
        return len(same) == 1 and self._latest != lane

    def _begin(self, lane: str, heads: Mapping[str, Need], unfit: Iterable[str]) -> None:
        need = heads[lane]
        for passed in unfit:
            key = heads[passed].key
            self._passed[key] = self._passed.get(key, 0) + 1
        self._passed.pop(need.key, None)
        if self._kept == need.key:
            self._kept, self._since = None, set()
        elif self._kept is not None:
            self._since.add(need.key)
        self._under_way[need.key] = (lane, need)
        self._turn.remove(lane)
        self._turn.append(lane)
        self._latest = lane
        self._only_large += lane == LARGE

    def _needs(self) -> list[Need]:
        return [need for _, need in self._under_way.values()]


def memory_of(needs: Iterable[Need], slots: int) -> int:
    """The most that `slots` decoders take of these files at once."""
    return sum(sorted((need.memory for need in needs), reverse=True)[:slots])


def _fits(need: Need, beside: list[Need], room: Room) -> bool:
    if not beside:
        return need.memory <= max(room.memory, ALWAYS_BYTES)
    if need.alone or any(other.alone for other in beside) or len(beside) >= room.places:
        return False
    if memory_of([need, *beside], room.slots) > room.memory:
        return False
    load = sum(other.load for other in beside) + need.load
    return len(beside) < room.slots or load <= room.slots * SLOT_BYTES
