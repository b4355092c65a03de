"""What changes of files make of studies, series and counters: differences, summed over a batch; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.results.write.facts import State
from services.results.write.header import SERIES, STUDY, study_also
from services.results.write.outcomes import StateChange

FILES = ("files_received", "files_processed", "files_failed", "files_superseded")
"""Columns of results.study and results.series that count files; erased ones are counted nowhere else."""


class Place(NamedTuple):
    """Where a file lies and its state there; `study` and `series` None where it names none."""

    collection: str
    study: str | None
    series: str | None
    state: State | None
    """None: not counted there."""


class Moved(NamedTuple):
    """One file before and after. The release before neither counted nor filed what it wrote."""

    file_id: UUID
    counted: Place | None
    filed: Place | None
    now: Place
    owner_id: int
    """Who sent it."""
    columns: Mapping[str, Any] | None
    """Of its header, if that became known."""
    received_at: datetime | None
    cover: bool
    """Whether it can stand for its study: processed, with a thumbnail."""


_SERIES = ("modality", "device", *SERIES)

Key = tuple[str, ...]
"""Collection and UIDs: what rows are locked in the order of."""


@dataclass(slots=True)
class Tally:
    """The difference to one study or series; `facts` hold what files say of it, the first known each."""

    unknown: Sequence[str] = ()
    """Names of `facts` that no file has told yet."""
    files: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    cover: UUID | None = None
    modalities: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    owners: set[int] = field(default_factory=set)
    also: dict[str, None] = field(default_factory=dict)
    """What searches compare beside the facts, folded, in order; the first is the name of a file."""

    def count(self, state: State | None, difference: int) -> None:
        """Move `difference` files into `state`."""
        name = f"files_{state}"
        if name in FILES:
            self.files[name] = self.files.get(name, 0) + difference


@dataclass
class Accounts:
    """All differences of a batch."""

    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    studies: dict[Key, Tally] = field(default_factory=dict)
    series: dict[Key, Tally] = field(default_factory=dict)
    uncovered: list[UUID] = field(default_factory=list)
    """Files that can stand for their study no longer."""
    left: set[tuple[str, str, str | None]] = field(default_factory=set)
    """Collection, study and series that files have left for another collection."""

    @property
    def nothing(self) -> bool:
        """Whether no row changes."""
        return not (self.studies or any(self.counters.values()))


def moved(change: StateChange, columns: Mapping[str, Any] | None = None) -> Moved:
    """What `change` means to studies, series and counters; `columns` are of a header known before."""
    held = change.held
    counted = filed = None
    if held is not None:
        here = Place(held.collection, held.study_instance_uid, held.series_instance_uid, None)
        counted, filed = here._replace(state=held.counted), here._replace(state=held.filed)
    thumbnail = held is not None and held.thumbnail
    if change.outcome is not None:
        thumbnail = change.outcome.thumbnail_key is not None
    return Moved(
        change.file_id,
        counted,
        filed,
        Place(change.collection, change.study_instance_uid, change.series_instance_uid, change.state),
        change.owner_id,
        columns if change.header is None else change.header.columns,
        change.received_at,
        change.state == "processed" and thumbnail,
    )


def account(moves: Iterable[Moved]) -> Accounts:
    """Sum up."""
    accounts = Accounts()
    for moved in moves:
        _count(accounts, moved.counted, -1)
        _count(accounts, moved.now, 1)
        if moved.filed == moved.now and moved.columns is None:
            continue
        for of in _tallies(accounts, moved.filed):
            of.count(moved.filed and moved.filed.state, -1)
        for of in _tallies(accounts, moved.now):
            of.count(moved.now.state, 1)
            _describe(of, moved)
        left = moved.filed
        if left is not None and left.study is not None and left.collection != moved.now.collection:
            accounts.left.add((left.collection, left.study, left.series))
        elif moved.filed is not None and moved.filed.state == "processed" and not moved.cover:
            accounts.uncovered.append(moved.file_id)
    return accounts


def _count(accounts: Accounts, place: Place | None, difference: int) -> None:
    if place is not None and place.state is not None:
        key = (place.collection, place.state)
        accounts.counters[key] = accounts.counters.get(key, 0) + difference


def _tallies(accounts: Accounts, place: Place | None) -> list[Tally]:
    if place is None or place.study is None:
        return []
    key: Key = (place.collection, place.study)
    study = accounts.studies.get(key)
    if study is None:
        study = accounts.studies[key] = Tally(STUDY)
    if place.series is None:
        return [study]
    key = (*key, place.series)
    series = accounts.series.get(key)
    if series is None:
        series = accounts.series[key] = Tally(_SERIES)
    return [study, series]


def _describe(tally: Tally, moved: Moved) -> None:
    if moved.cover and tally.cover is None:
        tally.cover = moved.file_id
    if (at := moved.received_at) is not None:
        tally.first = at if tally.first is None else min(tally.first, at)
        tally.last = at if tally.last is None else max(tally.last, at)
    columns = moved.columns
    if columns is None:
        return
    told = {name: columns[name] for name in tally.unknown if columns[name] is not None}
    if told:
        tally.facts |= told
        tally.unknown = [name for name in tally.unknown if name not in told]
    tally.owners.add(moved.owner_id)
    if columns["modality"]:
        tally.modalities.add(columns["modality"])
    if columns["device"]:
        tally.devices.add(columns["device"])
    name, *more = study_also(columns)
    tally.also.update(dict.fromkeys(more if tally.also else (name, *more)))
