"""What QIDO-RS has to find, said once more and simply: one header against a query, without a database.

It reads the query by itself: neither the parser nor the SQL of the service is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from services.results.folding import fold

Header = dict[str, Any]


def matches(header: Header, query: Iterable[tuple[str, str]]) -> bool:
    """Whether a study of one instance with this header is meant by `query`."""
    asked = dict(query)
    fuzzy = asked.pop("fuzzymatching", "false") == "true"
    return all(_meets(header, name, value, fuzzy=fuzzy) for name, value in asked.items())


def _meets(header: Header, name: str, wanted: str, *, fuzzy: bool) -> bool:
    *sequences, keyword = ("Modality" if name == "ModalitiesInStudy" else name).split(".")
    items = [header]
    for sequence in sequences:
        items = [inner for item in items for inner in _values(item, sequence)]
    vr = str(dictionary_VR(keyword))
    stored = [value for item in items for value in _values(item, keyword)]
    if vr == "PN":
        return _names(stored, wanted, fuzzy=fuzzy)
    lists = r"[\\,]" if vr in ("UI", "CS") else r"\\"
    alternatives = [part.strip() for part in re.split(lists, wanted) if part.strip()]
    if not alternatives or any(set(part) == {"*"} for part in alternatives):
        return True
    if vr in ("DA", "TM"):
        return any(_within(str(value), wanted.strip(), width=8 if vr == "DA" else 6) for value in stored)
    if vr == "IS":
        return any(value == int(part) for value in stored for part in alternatives)
    return any(_wild(part, str(value).strip()) for value in stored for part in alternatives)


def _values(item: Header, keyword: str) -> list[Any]:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    values: list[Any] = item.get(f"{tag:08X}", {}).get("Value", [])
    return values


def _wild(pattern: str, text: str) -> bool:
    parts = [{"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern]
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _within(text: str, wanted: str, *, width: int) -> bool:
    """Dates and times as digits: a bound that is short is filled up on either side."""
    first, dash, last = wanted.partition("-")
    if not dash:
        last = first
    value = text.ljust(width, "0")
    return (not first or value >= first.ljust(width, "0")) and (not last or value <= last.ljust(width, "9"))


def _names(stored: list[Any], wanted: str, *, fuzzy: bool) -> bool:
    if not wanted.strip("*\\ "):
        return True
    groups = [fold(group) for name in stored for group in name.values()]
    if fuzzy:
        words = "".join(f" {group}" for group in groups)
        parts = [part for part in re.split(r"[\s^=]+", wanted) if part.strip("*")]
        return all(_wild(f"* {fold_wild(part)}*", words) for part in parts) and bool(words or not parts)
    # Any run of groups, as if they were written one behind the other.
    runs = {"\n".join(groups[first:end]) for end in range(len(groups) + 1) for first in range(end)}
    asked = "\n".join(filter(None, (fold_wild(group) for group in wanted.split("="))))
    return any(_wild(asked, run) for run in runs)


def fold_wild(text: str) -> str:
    """Folded, wildcards kept, which folding leaves alone."""
    return re.sub(
        " +",
        " ",
        fold(text.replace("*", "\ue000").replace("?", "\ue001"))
        .replace("\ue000", "*")
        .replace("\ue001", "?"),
    )
