"""What changes of files make of studies, series and counters: differences, summed over a batch; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.results.write.facts import State
from services.results.write.header import SERIES, STUDY, study_search
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
    columns: Mapping[str, Any] | None
    """Of its header, if that became known."""
    received_at: datetime | None
    cover: bool
    """Whether it can stand for its study: processed, with a thumbnail."""


Key = tuple[str, ...]
"""Collection and UIDs: what rows are locked in the order of."""


@dataclass
class Tally:
    """The difference to one study or series; `facts` hold what files say of it, the first known each."""

    files: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    cover: UUID | None = None
    modalities: set[str] = field(default_factory=set)

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

    @property
    def nothing(self) -> bool:
        """Whether no row changes."""
        return not (self.studies or any(self.counters.values()))


def moved(change: StateChange) -> Moved:
    """What `change` means to studies, series and counters."""
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
        None if change.header is None else change.header.columns,
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
        if moved.filed is not None and moved.filed.state == "processed" and not moved.cover:
            accounts.uncovered.append(moved.file_id)
    return accounts


def _count(accounts: Accounts, place: Place | None, difference: int) -> None:
    if place is not None and place.state is not None:
        key = (place.collection, place.state)
        accounts.counters[key] = accounts.counters.get(key, 0) + difference


def _tallies(accounts: Accounts, place: Place | None) -> list[Tally]:
    if place is None or place.study is None:
        return []
    found = [accounts.studies.setdefault((place.collection, place.study), Tally())]
    if place.series is not None:
        key = (place.collection, place.study, place.series)
        found.append(accounts.series.setdefault(key, Tally()))
    return found


def _describe(tally: Tally, moved: Moved) -> None:
    if moved.cover and tally.cover is None:
        tally.cover = moved.file_id
    if moved.received_at is not None:
        tally.first = min(filter(None, (tally.first, moved.received_at)))
        tally.last = max(filter(None, (tally.last, moved.received_at)))
    columns = moved.columns
    if columns is None:
        return
    facts = tally.facts
    for name in (*STUDY, *SERIES, "modality"):
        if facts.get(name) is None:
            facts[name] = columns.get(name)
    if not facts.get("search"):
        facts["search"] = study_search(columns)
    if columns.get("modality"):
        tally.modalities.add(columns["modality"])
