"""In which order the frames of a series are looked through; pure.

Frames of parallel planes with pixels of one size are a group, scrolled along their normal. What lies alone
in its direction, as scouts and rotating projections do, is one group without a normal; so is what has no
place in space, but for multi-frame objects, each of which is one. What is no image comes at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Literal, NamedTuple, get_args

from libs.dicom.stack.geometry import (
    Orientation,
    Spacing,
    Vector,
    normal_of,
    place_along,
    same_direction,
    same_spacing,
)
from libs.dicom.stack.instances import FrameFacts, StackedInstance

StackOrder = Literal["position", "acquisition", "instance"]
STACK_ORDERS: tuple[StackOrder, ...] = get_args(StackOrder)
MOST_DIRECTIONS = 64
"""Of one series: what is in more of them is in no stack of planes."""
_UNEVEN = 0.01
"""By how much of the distance between planes, and by how many mm, distances may differ."""


class Entry(NamedTuple):
    """One frame that is scrolled to."""

    instance: int
    """Place among the instances, from 0."""
    number: int
    """From 1."""
    instance_number: int | None
    facts: FrameFacts


class _Geometry(NamedTuple):
    """What the frames of a group have in common."""

    rows: int
    columns: int
    frame_of_reference: str
    orientation: Orientation
    spacing: Spacing | None

    def holds(self, other: _Geometry) -> bool:
        return (
            self[:3] == other[:3]
            and same_direction(self.orientation, other.orientation)
            and same_spacing(self.spacing, other.spacing)
        )


def grouped(instances: Sequence[StackedInstance], asked: StackOrder | None = None) -> list[dict[str, Any]]:
    """The groups, as the API tells of them, in `asked` order where that can be, else in the best one."""
    planes: list[tuple[_Geometry, list[Entry]]] = []
    placeless: list[Entry] = []
    clips: list[list[Entry]] = []
    others: list[Entry] = []
    for index, instance in enumerate(instances):
        entries = [
            Entry(index, number, instance.instance_number, facts)
            for number, facts in enumerate(instance.frames, 1)
        ]
        if instance.kind != "image":
            others.append(entries[0])
        elif len({facts.position for facts in instance.frames}) < 2 and len(entries) > 1:
            clips.append(entries)
        else:
            for entry in entries:
                _put(planes, placeless, _geometry(instance, entry.facts), entry)
    alone = [entries for _, entries in planes if len(entries) == 1]
    if len(alone) > 1:
        planes = [one for one in planes if len(one[1]) > 1]
        clips.append([entry for entries in alone for entry in entries])
    found = [
        _told(entries, geometry.orientation, asked)
        for geometry, entries in sorted(planes, key=lambda one: -len(one[1]))
    ]
    if placeless:
        clips.append(placeless)
    rest = [*sorted(clips, key=lambda entries: _by_number(entries[0])), *([entry] for entry in others)]
    return [*found, *(_told(entries, None, asked) for entries in rest)]


def _geometry(instance: StackedInstance, facts: FrameFacts) -> _Geometry | None:
    if facts.position is None or facts.orientation is None:
        return None
    return _Geometry(
        instance.rows, instance.columns, instance.frame_of_reference, facts.orientation, facts.spacing
    )


def _put(
    planes: list[tuple[_Geometry, list[Entry]]],
    placeless: list[Entry],
    geometry: _Geometry | None,
    entry: Entry,
) -> None:
    if geometry is None:
        placeless.append(entry)
        return
    # Neighbours are mostly of one group: the latest first.
    for known, entries in reversed(planes):
        if known.holds(geometry):
            entries.append(entry)
            return
    if len(planes) >= MOST_DIRECTIONS:
        placeless.append(entry)
    else:
        planes.append((geometry, [entry]))


def _told(entries: list[Entry], orientation: Orientation | None, asked: StackOrder | None) -> dict[str, Any]:
    normal = None if orientation is None else normal_of(orientation)
    places = {} if normal is None else _places(entries, normal)
    orders = _orders(entries, places)
    order = asked if asked in orders else _best(orders, entries, places)
    frames = sorted(entries, key=lambda entry: _key(order, entry, places))
    return {
        "order": order,
        "orders": orders,
        "normal": None if normal is None else list(normal),
        "spacing_between": _between(places),
        "frames": [[entry.instance, entry.number] for entry in frames],
    }


def _places(entries: Sequence[Entry], normal: Vector) -> dict[tuple[int, int], float]:
    return {
        (entry.instance, entry.number): place_along(normal, entry.facts.position)
        for entry in entries
        if entry.facts.position is not None
    }


def _orders(entries: Sequence[Entry], places: dict[tuple[int, int], float]) -> list[StackOrder]:
    moments = {entry.facts.acquired for entry in entries}
    can = {
        "position": len(set(places.values())) > 1,
        "acquisition": None not in moments and len(moments) > 1,
        "instance": True,
    }
    return [order for order in STACK_ORDERS if can[order]]


def _best(
    orders: list[StackOrder], entries: Sequence[Entry], places: dict[tuple[int, int], float]
) -> StackOrder:
    """Along the normal, unless planes lie on each other: then the series is one of times."""
    if "position" in orders and len(set(places.values())) * 2 > len(entries):
        return "position"
    moments = {entry.facts.acquired for entry in entries}
    if "acquisition" in orders and len(moments) * 2 > len(entries):
        return "acquisition"
    return "instance"


def _key(order: StackOrder, entry: Entry, places: dict[tuple[int, int], float]) -> tuple[Any, ...]:
    moment = entry.facts.acquired or ""
    if order == "position":
        return places[entry.instance, entry.number], moment, *_by_number(entry)
    return (moment, *_by_number(entry)) if order == "acquisition" else _by_number(entry)


def _by_number(entry: Entry) -> tuple[bool, int, int, int]:
    return entry.instance_number is None, entry.instance_number or 0, entry.instance, entry.number


def _between(places: dict[tuple[int, int], float]) -> float | None:
    """Millimetres from plane to plane; None where that differs."""
    along = sorted(set(places.values()))
    gaps = [after - before for before, after in pairwise(along)]
    if not gaps:
        return None
    usual = median(gaps)
    even = max(abs(gap - usual) for gap in gaps) <= max(usual * _UNEVEN, _UNEVEN)
    return round(usual, 4) if even else None
