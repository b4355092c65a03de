"""From a file's header to columns: one pure function. A new fact is a line here and a column in a migration.

Rows of before get it with `python -m services fill-results`, which looks for a lower HEADER_VERSION.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from types import MappingProxyType
from typing import Any

from libs.dicom.parse.eventtext import event_text
from services.results.folding import fold, fold_name

HEADER_VERSION = 3
"""To be raised with what `columns_of` tells; the index upload_dicomresult_unqueried names it too."""

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "patient_name": "text",
        "patient_id": "text",
        "patient_birth_date": "date",
        "patient_sex": "text",
        "study_date": "date",
        "study_time": "time",
        "accession_number": "text",
        "study_id": "text",
        "study_description": "text",
        "referring_physician_name": "text",
        "series_description": "text",
        "series_number": "bigint",
        "body_part_examined": "text",
        "instance_number": "bigint",
        "image_position": "float8[]",
        "image_orientation": "float8[]",
        "search": "text",
        "device": "text",
        "patient": "text",
        "patient_names": "text",
        "physician_names": "text",
        "procedure_step_date": "date",
        "procedure_step_time": "time",
        "scheduled_step_ids": "text",
        "requested_procedure_ids": "text",
    }
)
"""The columns, and their types as SQL names them."""
STUDY = (
    "patient_name",
    "patient_id",
    "patient_birth_date",
    "patient_sex",
    "study_date",
    "study_time",
    "accession_number",
    "study_id",
    "study_description",
    "referring_physician_name",
    "patient_names",
    "physician_names",
)
"""Which of them results.study has as well."""
SERIES = (
    "series_number",
    "series_description",
    "body_part_examined",
    "procedure_step_date",
    "procedure_step_time",
    "scheduled_step_ids",
    "requested_procedure_ids",
)
"""Which of them results.series has as well."""

TEXT_CHARACTERS = 256
"""Most of one text; PS3.5 6.2 allows 64 a value, and 64 a component group of a name."""
SEARCH_CHARACTERS = 1024
ITEMS = 16
"""Most items of a sequence that are searched for."""
ALSO_CHARACTERS = 2048
_MOST = 2**63 - 1
_BAD = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d):?(?:(\d\d):?(?:(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def columns_of(dicom: object, file_name: str | None) -> dict[str, Any]:
    """The columns of TYPES, as JSON, from a data set in the DICOM JSON Model (PS3.18 annex F).

    Whatever `dicom` is, it tells something: what is missing, strange or impossible becomes None.
    """
    header: dict[str, Any] = dicom if isinstance(dicom, dict) else {}
    columns: dict[str, Any] = {
        "patient_name": _name(header, "00100010"),
        "patient_id": _text(header, "00100020"),
        "patient_birth_date": _date(header, "00100030"),
        "patient_sex": _text(header, "00100040"),
        "study_date": _date(header, "00080020"),
        "study_time": _time(header, "00080030"),
        "accession_number": _text(header, "00080050"),
        "study_id": _text(header, "00200010"),
        "study_description": _text(header, "00081030"),
        "referring_physician_name": _name(header, "00080090"),
        "series_description": _text(header, "0008103E"),
        "series_number": _integer(header, "00200011"),
        "body_part_examined": _text(header, "00180015"),
        "instance_number": _integer(header, "00200013"),
        "image_position": _numbers(header, "00200032", 3),
        "image_orientation": _numbers(header, "00200037", 6),
        "patient_names": _lines(fold_name(group) for group in _groups(header, "00100010")),
        "physician_names": _lines(fold_name(group) for group in _groups(header, "00080090")),
        "procedure_step_date": _date(header, "00400244"),
        "procedure_step_time": _time(header, "00400245"),
        "scheduled_step_ids": _lines(_items(header, "00400275", "00400009")),
        "requested_procedure_ids": _lines(_items(header, "00400275", "00401001")),
    }
    columns["search"] = _search(header, columns, file_name)
    columns["device"] = _device(header)
    columns["patient"] = patient_of(columns) or None
    return columns


def study_search(columns: Mapping[str, Any]) -> str | None:
    """What searches for a study compare, of its columns as far as they are known; None where none is."""
    names = ("patient_name", "patient_id", "accession_number", "study_id", "study_description")
    return _folded([columns.get(name) for name in (*names, "referring_physician_name")]) or None


def patient_of(columns: Mapping[str, Any]) -> str:
    """What lists are sorted by, and searches for a patient compare: name and id, folded.

    An entry of a B-tree has 2704 bytes at most.
    """
    return _folded([columns.get("patient_name"), columns.get("patient_id")])[:TEXT_CHARACTERS].rstrip()


def study_also(columns: Mapping[str, Any]) -> list[str]:
    """What one file tells searches beside `study_search`: its name, then its device and description."""
    told = (columns.get(name) for name in ("file_name", "device", "series_description"))
    name, *more = (fold(text or "")[:TEXT_CHARACTERS] for text in told)
    return [name, *(text for text in more if text)]


def clean(text: str) -> str:
    """`text` without control characters and lone surrogates, which PostgreSQL or JSON cannot say."""
    return text if text.isprintable() else _BAD.sub("", text)


def _search(header: dict[str, Any], columns: Mapping[str, Any], file_name: str | None) -> str:
    device = [_text(header, tag) for tag in ("00080070", "00081090", "00081010")]
    names = [*_groups(header, "00100010"), *_groups(header, "00080090")]
    told = ("patient_id", "accession_number", "study_id", "study_description", "series_description")
    return _folded([*names, *(columns[name] for name in told), *device, file_name])


def _device(header: dict[str, Any]) -> str | None:
    """As the measurement names it (libs.dicom.parse.dicomjson), but None for `unknown`."""
    maker, model, station = (
        event_text(_text(header, tag) or "") for tag in ("00080070", "00081090", "00081010")
    )
    return event_text(f"{maker} {model}") or station or None


def _folded(texts: list[str | None]) -> str:
    return fold(" ".join(text for text in texts if text))[:SEARCH_CHARACTERS].rstrip()


def _first(header: dict[str, Any], tag: str) -> object:
    if tag not in header:
        return None
    element = header[tag]
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if values and isinstance(values, list) else None


def _cleaned(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    if not value.isprintable() or len(value) > TEXT_CHARACTERS:
        value = clean(value[:TEXT_CHARACTERS])
    return value.strip() or None


def _text(header: dict[str, Any], tag: str) -> str | None:
    return _cleaned(_first(header, tag))


def _groups(header: dict[str, Any], tag: str) -> list[str]:
    """The component groups of a person's name (PS3.18 F.2.2); some writers give plain text."""
    value = _first(header, tag)
    if isinstance(value, dict):
        found = [_cleaned(value.get(group)) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    else:
        found = [_cleaned(value)]
    return [text for text in found if text]


def _name(header: dict[str, Any], tag: str) -> str | None:
    """The first group that is there, which is the alphabetic one unless there is none."""
    return next(iter(_groups(header, tag)), None)


def _items(header: dict[str, Any], sequence: str, tag: str) -> list[str]:
    """The texts of the items of a sequence."""
    element = header.get(sequence)
    items = element.get("Value") if isinstance(element, dict) else None
    found = (
        [_text(item, tag) for item in items[:ITEMS] if isinstance(item, dict)]
        if isinstance(items, list)
        else []
    )
    return [text for text in found if text]


def _lines(texts: Iterable[str]) -> str | None:
    """Each on a line of its own, with a break before the first and behind the last; None without any."""
    lines = "\n".join(dict.fromkeys(filter(None, texts)))
    return f"\n{lines}\n" if lines else None


def _date(header: dict[str, Any], tag: str) -> str | None:
    """A DA, with the dots that old writers put in (PS3.5 6.2)."""
    match = _DATE.fullmatch(_text(header, tag) or "")
    try:
        return date(*map(int, match.groups())).isoformat() if match else None
    except ValueError:
        return None


def _time(header: dict[str, Any], tag: str) -> str | None:
    """A TM, whole or shortened; a leap second counts as the one before."""
    match = _TIME.fullmatch(_text(header, tag) or "")
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    try:
        return time(hour, minute, min(second, 59), int((match[4] or "0").ljust(6, "0"))).isoformat()
    except ValueError:
        return None


def _integer(header: dict[str, Any], tag: str) -> int | None:
    value = _first(header, tag)
    if isinstance(value, str):
        value = int(value) if _INTEGER.fullmatch(value.strip()) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_MOST <= value <= _MOST else None


def _numbers(header: dict[str, Any], tag: str, count: int) -> list[float] | None:
    """Exactly `count` finite numbers, else None."""
    element = header.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    if not isinstance(values, list) or len(values) != count:
        return None
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
