"""Filters and orders of lists of studies as SQL over the columns of results.study."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from libs.common.database.bounded import Parameters
from libs.common.database.frequency import like
from libs.common.database.patterns import contains
from services.results.cursors import StudyPlace
from services.results.folding import fold
from services.results.read.search import parse_search
from services.results.studies.models import StudyFilter, StudySort, StudyState

AFTER_ASCII = "\x7f"
"""Greater than whatever can follow in a UID."""
STATES: dict[StudyState, str] = {
    "received": "files_received > 0",
    "failed": "files_failed > 0",
    "processed": "files_received = 0 AND files_failed = 0",
}
FACETS = ("state", "modality", "device", "owner", "collection", "shared")
"""Filters whose values are counted."""

# As the index study_words says it.
_TEXT = "(coalesce(search, '') || chr(10) || also)"
_DEVICE = "lower(array_to_string(devices, chr(10)))"
_DATE_AND_TIME = "study_date + coalesce(study_time, '00:00'::time)"
# As the indexes study_by_… say it, and the types of what is compared with them.
_KEYS = {
    "received": ("coalesce(first_received_at, '-infinity'::timestamptz)", "timestamptz"),
    "study_date": (f"coalesce({_DATE_AND_TIME}, '-infinity'::timestamp)", "timestamp"),
    "patient": ("patient", 'text COLLATE "C"'),
}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?([+-]\d\d(:\d\d){1,2})?", re.ASCII)


class Order(NamedTuple):
    """An order of studies: what they are sorted by, and its name among the columns."""

    sort: StudySort

    @property
    def key(self) -> str:
        """What they are sorted by."""
        return _KEYS[self.sort.removeprefix("-")][0]

    @property
    def by(self) -> str:
        """What comes behind ORDER BY; the key is called sort_key."""
        way = "DESC" if self.sort.startswith("-") else "ASC"
        return f"sort_key {way}, study_instance_uid {way}, collection {way}"

    def knows(self, place: StudyPlace) -> bool:
        """Whether `place` can be one of this order."""
        if place.sort != self.sort:
            return False
        if self.key == "patient" or place.key == "-infinity":
            return True
        try:
            return _TIME.fullmatch(place.key) is not None and bool(datetime.fromisoformat(place.key))
        except ValueError:
            return False

    def after(self, place: StudyPlace, parameters: Parameters) -> str:
        """The condition for what follows `place`."""
        sign, type_ = "<" if self.sort.startswith("-") else ">", _KEYS[self.sort.removeprefix("-")][1]
        key, uid, collection = (parameters.add(value) for value in place[1:])
        return (
            f"({self.key}, study_instance_uid, collection) {sign} ({key}::text::{type_}, {uid}, {collection})"
        )


def filters_of(wanted: StudyFilter, parameters: Parameters) -> list[str]:
    """Conditions for every study of a list but those of `q` and of where it lies."""
    found = ["instances > 0"]
    if wanted.patient is not None:
        found += [f"patient LIKE {parameters.add(contains(word))}" for word in fold(wanted.patient).split()]
    date = _KEYS["study_date"][0]
    if wanted.study_from is not None:
        found.append(f"{date} >= {parameters.add(wanted.study_from)}::date")
    if wanted.study_to is not None:
        found.append(f"{date} < {parameters.add(wanted.study_to)}::date + interval '1 day'")
        found.append("study_date IS NOT NULL")
    if wanted.received is not None:
        received = _KEYS["received"][0]
        first, end = wanted.received
        found += [f"{received} >= {parameters.add(first)}"] if first is not None else []
        found += [f"{received} < {parameters.add(end)}"] if end is not None else []
    found += [
        condition
        for name in ("state", "modality", "device", "owner")
        if (condition := faceted(wanted, name, parameters)) is not None
    ]
    return found


def faceted(wanted: StudyFilter, name: str, parameters: Parameters) -> str | None:
    """The condition of one of FACETS; None where it is not asked for."""
    if name == "state" and wanted.state is not None:
        return STATES[wanted.state]
    if name == "modality" and wanted.modality is not None:
        return f"modalities && {parameters.add(wanted.modality)}::text[]"
    if name == "device" and wanted.device is not None:
        # The planner knows nothing of it: in a CASE it takes half of the rows to be so, and not nearly none.
        is_so = f"{_DEVICE} LIKE lower({parameters.add(contains(wanted.device))})"
        return f"CASE WHEN {is_so} THEN true ELSE false END"
    if name == "owner" and wanted.owner is not None:
        return f"owners @> ARRAY[{parameters.add(wanted.owner)}::bigint]"
    if name == "collection" and wanted.collection is not None:
        return f"collection = {parameters.add(wanted.collection)}"
    if name == "shared" and wanted.shared is not None:
        return "given" if wanted.shared else "NOT given"
    return None


def nearer(wanted: StudyFilter, parameters: Parameters) -> list[str]:
    """What holds as well, and is found by an index: words of a patient or device are words of the study."""
    words = fold(wanted.patient or "").split()
    if wanted.device is not None and (device := fold(wanted.device)):
        words.append(device)
    return [f"{_TEXT} LIKE {parameters.add(contains(word))}" for word in words]


def meanings_of(q: str, parameters: Parameters, frequent: Collection[str] = ()) -> list[list[str]]:
    """What `q` may mean of a study itself, as the conditions of a branch each.

    `frequent` are patterns of its words that no index looks for.
    """
    search = parse_search(q)
    words = [(word, parameters.add(word)) for word in search.words]
    meanings = [[like(_TEXT, given, by_index=word not in frequent) for word, given in words]]
    if search.uid is not None:
        first, end = parameters.add(search.uid), parameters.add(search.uid + AFTER_ASCII)
        meanings.append([f"study_instance_uid ~>=~ {first}", f"study_instance_uid ~<~ {end}"])
    return meanings
