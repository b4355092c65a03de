"""Value fields to JSON values, one function per family of VRs (PS3.5 6.2, PS3.18 F.2).

A value that breaks its VR's rules is kept as text where that is possible, else null, and noted; none raises.
No value holds NUL characters, lone surrogates, NaN, infinities or integers beyond 64 bits.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from libs.dicom.parse.charset import NAME_DELIMITERS, TEXT_DELIMITERS, Encodings, Note, decode

Values = list[Any]
Reader = Callable[[bytes, bool, Encodings, Note], Values]
"""(value field, little endian?, encodings, note) -> JSON values, None for an empty one; [None]: nothing."""

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_64_BITS = range(-(1 << 63), 1 << 63)
_PADDING = " \0"
_NOT_FINITE = "a value that is not finite is given as null"


def _code_strings(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """AE AS CS DA DT TM UI: default repertoire, spaces around each value mean nothing."""
    text = raw.decode("latin-1").strip(_PADDING)
    if "\0" in text:
        text = text.replace("\0", "")
    if "\\" not in text:
        return [text or None]
    return [part.strip(" ") or None for part in text.split("\\")]


def _uri(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """UR: default repertoire, a backslash is no delimiter."""
    return [raw.decode("latin-1").rstrip(_PADDING).replace("\0", "") or None]


def _texts(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """LO SH UC: decoded before it is split, as a multi-byte character may hold the byte of a backslash."""
    text = decode(raw, encodings, TEXT_DELIMITERS, note).rstrip(_PADDING)
    if "\0" in text:
        text = text.replace("\0", "")
    if "\\" not in text:
        return [text or None]
    return [part.rstrip(" ") or None for part in text.split("\\")]


def _text(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """LT ST UT: one value, leading spaces count."""
    return [decode(raw, encodings, TEXT_DELIMITERS, note).rstrip(_PADDING).replace("\0", "") or None]


def _person_names(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """PN: up to three component groups, empty ones left out (PS3.18 F.2.2)."""
    text = decode(raw, encodings, NAME_DELIMITERS, note).replace("\0", "").rstrip(" ")
    return [_person_name(part, note) for part in text.split("\\")]


def _person_name(text: str, note: Note) -> dict[str, str] | None:
    groups = text.split("=")
    if len(groups) > 3:
        note("a person name has more than three component groups")
    named = zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False)
    return {name: group.rstrip(" ") for name, group in named if group.strip(" ")} or None


def _decimal_strings(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """DS: numbers; what is none stays text."""
    return [_decimal(part.strip(_PADDING), note) for part in raw.decode("latin-1").split("\\")]


def _decimal(text: str, note: Note) -> float | str | None:
    if _DECIMAL.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
        note(_NOT_FINITE)
        return None
    return _no_number(text, "decimal", note)


def _integer_strings(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """IS: integers; what is none stays text."""
    return [_integer(part.strip(_PADDING), note) for part in raw.decode("latin-1").split("\\")]


def _integer(text: str, note: Note) -> int | str | None:
    # Twenty digits are beyond 64 bits and far beyond the twelve that IS allows.
    if len(text) <= 20 and _INTEGER.fullmatch(text):
        number = int(text)
        if number in _64_BITS:
            return number
    elif (
        len(text) <= 20 and _DECIMAL.fullmatch(text) and float(text).is_integer() and abs(float(text)) < 1e15
    ):
        return int(float(text))
    return _no_number(text, "integer", note)


def _no_number(text: str, kind: str, note: Note) -> str | None:
    text = text.replace("\0", "")
    if not text:
        return None
    if text.strip("+-").lower() in ("nan", "inf", "infinity"):
        note(_NOT_FINITE)
        return None
    note(f"a value is no {kind} number and is kept as text")
    return text


def _tags(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
    """AT: tags as eight hexadecimal digits."""
    halves = _unpacked("H", raw, little, note)
    if len(halves) % 2:
        note("the length is no multiple of the size of a value; the rest is ignored")
    pairs = zip(halves[::2], halves[1::2], strict=False)
    return [f"{group:04X}{element:04X}" for group, element in pairs] or [None]


def _unpacked(code: str, raw: bytes, little: bool, note: Note) -> tuple[Any, ...]:
    count, rest = divmod(len(raw), struct.calcsize("=" + code))
    if rest:
        note("the length is no multiple of the size of a value; the rest is ignored")
        raw = raw[: len(raw) - rest]
    return struct.unpack(f"{'<' if little else '>'}{count}{code}", raw)


def _numbers(code: str) -> Reader:
    """US SS UL SL UV SV: binary integers."""

    def read(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
        return list(_unpacked(code, raw, little, note)) or [None]

    return read


def _floats(code: str) -> Reader:
    """FL FD: binary floating point, null when not finite (JSON has no such number)."""

    def read(raw: bytes, little: bool, encodings: Encodings, note: Note) -> Values:
        numbers = _unpacked(code, raw, little, note)
        if not all(map(math.isfinite, numbers)):
            note(_NOT_FINITE)
            return [number if math.isfinite(number) else None for number in numbers]
        return list(numbers) or [None]

    return read


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM", "UI"), _code_strings),
        **dict.fromkeys(("LO", "SH", "UC"), _texts),
        **dict.fromkeys(("LT", "ST", "UT"), _text),
        "AT": _tags,
        "DS": _decimal_strings,
        "FD": _floats("d"),
        "FL": _floats("f"),
        "IS": _integer_strings,
        "PN": _person_names,
        "SL": _numbers("i"),
        "SS": _numbers("h"),
        "SV": _numbers("q"),
        "UL": _numbers("I"),
        "UR": _uri,
        "US": _numbers("H"),
        "UV": _numbers("Q"),
    }
)
