"""A QIDO-RS query string as conditions; pure (PS3.18 8.3.4 and 10.6.1, PS3.4 C.2.2.2).

Values come decoded: whether `*`, `,` or a backslash was percent-encoded makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from typing import NamedTuple

from libs.dicom.web.searching import LEVEL_OF, LEVELS, AttributePath, QueryLevel, keyword_of, path_of, vr_of

VALUES_MOST = 100
"""Alternatives of one attribute, but for UIDs: each is compared with every row that is looked at."""
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_UID = re.compile(r"[!-+\--\[\]-~]{1,64}")
"""Visible, no comma and no backslash: some files break the rules of PS3.5 9.1."""
_COUNT = re.compile(r"\d{1,18}", re.ASCII)
# Of this level only, and named by themselves: what other parameters mean.
_OTHERS = frozenset({"collection", "accept", "charset", "_"})


class UnreadableQuery(ValueError):
    """What is wrong with a query string, in a sentence for its sender."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """One of these values; `*` stands for any characters, `?` for one (PS3.4 C.2.2.2.1, C.2.2.2.4)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A person's name, whatever the case and accents, as `Texts` has values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameWordsMatch:
    """Each of these begins a part of the name, in any order (`fuzzymatching`)."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UidMatch:
    """One of these UIDs (PS3.4 C.2.2.2.2)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberMatch:
    """One of these whole numbers."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DateMatch:
    """Within these days, both included; None: without end (PS3.4 C.2.2.2.5)."""

    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class TimeMatch:
    """Within these times of a day, both included; a time without minutes or seconds spans all of them."""

    first: time | None
    last: time | None


Matching = TextMatch | NameMatch | NameWordsMatch | UidMatch | NumberMatch | DateMatch | TimeMatch


class WantedAttribute(NamedTuple):
    """An attribute that a query names; without a `condition` any value will do (PS3.4 C.2.2.2.3)."""

    path: AttributePath
    condition: Matching | None


@dataclass(frozen=True, slots=True)
class AttributeSearch:
    """All that a query string says."""

    wanted: tuple[WantedAttribute, ...] = ()
    included: frozenset[str] = frozenset()
    """Tags, beside those that every answer holds."""
    everything: bool = False
    """`includefield=all`."""
    limit: int | None = None
    offset: int = 0
    ignored: tuple[str, ...] = ()
    """What it says that changes nothing here, as it says it."""

    @property
    def named(self) -> frozenset[str]:
        """Tags that it searches by or asks for."""
        return self.included | {wanted.path[0] for wanted in self.wanted}


def parse_search(parameters: Iterable[tuple[str, str]], level: QueryLevel) -> AttributeSearch:
    """Read the parameters of a search for `level`, in the order of the URL. Raises UnreadableQuery."""
    single: dict[str, str] = {}
    attributes: dict[AttributePath, list[str]] = {}
    included: list[str] = []
    ignored: list[str] = []
    for name, value in parameters:
        if name == "includefield":
            included += value.split(",")
        elif name in ("limit", "offset", "fuzzymatching"):
            if name in single:
                raise UnreadableQuery(f"{name} is given more than once.")
            single[name] = value
        elif (path := path_of(name)) is not None:
            attributes.setdefault(path, []).append(value)
        elif name[:1].isupper() or name[:1].isdigit():
            raise UnreadableQuery(
                f"{_told(name)} is no attribute: give its keyword or its tag as eight hexadecimal digits."
            )
        elif name not in _OTHERS:
            ignored.append(_told(name))
    fuzzy = _switch(single.get("fuzzymatching", "false"))
    wanted = []
    for path, values in attributes.items():
        if not _is_searched(path, level):
            ignored.append(keyword_of(path))
            continue
        wanted.append(WantedAttribute(path, _condition(path, values, fuzzy=fuzzy)))
    everything, tags, unknown = _included(included)
    return AttributeSearch(
        tuple(wanted),
        tags,
        everything,
        None if "limit" not in single else _count("limit", single["limit"]),
        _count("offset", single.get("offset", "0")),
        (*ignored, *unknown),
    )


def _is_searched(path: AttributePath, level: QueryLevel) -> bool:
    of = LEVEL_OF.get(path)
    return of is not None and LEVELS.index(of) <= LEVELS.index(level)


def _told(text: str) -> str:
    """What a stranger wrote, fit for a header or a sentence."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "?" for c in text[:64])


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UnreadableQuery("fuzzymatching is true or false.")
    return text.lower() == "true"


def _count(name: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise UnreadableQuery(f"{name} is a whole number from 0.")
    return int(text)


def _included(names: Iterable[str]) -> tuple[bool, frozenset[str], list[str]]:
    """Whether all is wanted, the tags, and what is no attribute: that is no reason to answer nothing."""
    everything, tags, unknown = False, set(), []
    for name in (name.strip() for name in names):
        if name.lower() == "all":
            everything = True
        elif (path := path_of(name)) is not None:
            tags.add(path[0])
        elif name:
            unknown.append(f"includefield {_told(name)}")
    return everything, frozenset(tags), unknown


def _condition(path: AttributePath, given: list[str], *, fuzzy: bool) -> Matching | None:
    name, vr = keyword_of(path), vr_of(path[-1])
    if len(given) > 1 and vr not in ("UI", "CS"):
        raise UnreadableQuery(f"{name} is given more than once.")
    if any(_CONTROL.search(value) for value in given):
        raise UnreadableQuery(f"{name} holds a control character.")
    if vr == "DA":
        return _dates(name, given[0].strip())
    if vr == "TM":
        return _times(name, given[0].strip())
    # No code string holds a comma (PS3.5 6.2): ModalitiesInStudy=CT,MR is a list.
    text = "\\".join(value.replace(",", "\\") if vr in ("UI", "CS") else value for value in given)
    values = tuple(dict.fromkeys(part for value in text.split("\\") if (part := value.strip())))
    if not values or (vr != "UI" and any(not value.strip("*") for value in values)):
        return None
    if vr == "UI":
        return _uids(name, values)
    if len(values) > VALUES_MOST:
        raise UnreadableQuery(f"{name} takes {VALUES_MOST} values at most.")
    if vr == "IS":
        return _numbers(name, values)
    if vr != "PN":
        return TextMatch(values)
    if not fuzzy:
        return NameMatch(values)
    words = re.split(r"[\s^=]+", " ".join(values))
    told = tuple(word for word in dict.fromkeys(words) if word.strip("*"))
    return NameWordsMatch(told) if told else None


def _uids(name: str, values: tuple[str, ...]) -> UidMatch | None:
    if values == ("*",):
        return None
    for value in values:
        if "*" in value or "?" in value:
            raise UnreadableQuery(f"{name} takes whole UIDs, several joined by commas, and no wildcards.")
        if not _UID.fullmatch(value):
            raise UnreadableQuery(f"{name} takes UIDs of at most 64 characters.")
    return UidMatch(values)


def _numbers(name: str, values: tuple[str, ...]) -> NumberMatch:
    if not all(_NUMBER.fullmatch(value) for value in values):
        raise UnreadableQuery(f"{name} is a whole number.")
    return NumberMatch(tuple(int(value) for value in values))


def _split(text: str) -> tuple[str, str] | None:
    """The ends of a range; None of what is none."""
    first, dash, last = text.partition("-")
    return (first.strip(), last.strip()) if dash else None


def _dates(name: str, text: str) -> DateMatch | None:
    if not text.strip("*"):
        return None
    first, last = _split(text) or (text, text)
    if not (first or last):
        raise UnreadableQuery(f"{name}: a range has one end at least.")
    return DateMatch(_day(name, first), _day(name, last))


def _day(name: str, text: str) -> date | None:
    if not text:
        return None
    match = _DATE.fullmatch(text)
    try:
        if match is not None:
            return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        pass
    raise UnreadableQuery(f"{name} is a day like 20260131, or a range: 20260101-20260131, 20260101-.")


def _times(name: str, text: str) -> TimeMatch | None:
    if not text.strip("*"):
        return None
    first, last = _split(text) or (text, text)
    if not (first or last):
        raise UnreadableQuery(f"{name}: a range has one end at least.")
    begin, end = _moment(name, first), _moment(name, last)
    return TimeMatch(begin and begin[0], end and end[1])


def _moment(name: str, text: str) -> tuple[time, time] | None:
    """The first and the last moment that a time, perhaps shortened, may mean."""
    if not text:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match is not None:
            hour, minute, second, part = match.groups()
            seconds = None if second is None else min(int(second), 59)
            first = time(int(hour), int(minute or 0), seconds or 0, int((part or "").ljust(6, "0")))
            last = time(
                int(hour),
                59 if minute is None else int(minute),
                59 if seconds is None else seconds,
                int((part or "").ljust(6, "9")),
            )
            return first, last
    except ValueError:
        pass
    raise UnreadableQuery(f"{name} is a time like 0830 or 083000, or a range: 0800-0959, 0800-.")
