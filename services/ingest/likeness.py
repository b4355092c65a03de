"""Whether two data sets differ only in the VRs that they are told in.

Implicit VR tells none: bytes of eight bits become words there, and what no dictionary knows, most private
elements, is UN (PS3.5 6.2.2 and A.1). The values are the same all the same.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from libs.common.storage import ObjectReader
from libs.dicom.faults import DicomFault
from libs.dicom.parse.charset import DEFAULT, Encodings, encodings_of
from libs.dicom.parse.dataset import DataSetReader
from libs.dicom.parse.dicomjson import JsonObject, attribute
from libs.dicom.parse.header import HeaderLimits
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.source import FileFeed, Source
from libs.dicom.parse.syntax import IMPLICIT_LITTLE, IMPLICIT_LITTLE_UID
from libs.dicom.parse.values import READERS

LONGEST = 1 << 20
"""Bytes of a value that is read to be compared as another VR."""
_CHARACTER_SET = "00080005"
_SEQUENCE, _SEQUENCE_TAG = "0040A730", (0x0040, 0xA730)
"""Any sequence of the dictionary: what UN holds is read as if it were its items."""
_HEAD = struct.Struct("<HHI")
_INTEGERS = frozenset({"US", "SS"})


class DataSetSide:
    """One of two data sets: its header, and where its long values lie."""

    def __init__(self, reader: ObjectReader, header: JsonObject, bulk: Mapping[str, Any]) -> None:
        """`header` in the DICOM JSON Model, `bulk` as `libs.dicom.parse.layout` has it."""
        self.header = header
        self._reader = reader
        self._bulk = bulk
        self.compared: set[str] = set()
        """Long values that were compared with what is in the other header."""

    async def raw(self, told: JsonObject) -> bytes | None:
        """The bytes of a value; None where the header has it as values.

        Raises LookupError for one that is too long to be held, or lies nowhere.
        """
        if (inline := told.get("InlineBinary")) is not None:
            return base64.b64decode(inline)
        if (uri := told.get("BulkDataURI")) is None:
            return None
        start, length, *_ = self._bulk[uri]
        if length > LONGEST:
            raise LookupError(uri)
        self.compared.add(uri)
        return await self._reader.read(start, length)


async def are_alike(one: DataSetSide, other: DataSetSide) -> bool:
    """Whether the headers have the same values; long ones that both name alike are left to the caller."""
    try:
        return await _data_sets(one, one.header, other, other.header, DEFAULT, ())
    except LookupError:
        return False


async def _data_sets(
    one: DataSetSide,
    here: JsonObject,
    other: DataSetSide,
    there: JsonObject,
    encodings: Encodings,
    terms: tuple[Any, ...],
) -> bool:
    """`encodings` and `terms`: of the character set around, the second as it is written."""
    if here == there:
        return True
    if here.keys() != there.keys():
        return False
    if _CHARACTER_SET in here:
        terms = tuple(here[_CHARACTER_SET].get("Value", ()))
        encodings = encodings_of(terms, _unheard)
    for tag, told in here.items():
        if told != there[tag] and not await _elements(one, told, other, there[tag], encodings, terms):
            return False
    return True


async def _elements(
    one: DataSetSide,
    here: JsonObject,
    other: DataSetSide,
    there: JsonObject,
    encodings: Encodings,
    terms: tuple[Any, ...],
) -> bool:
    if here.get("BulkDataURI") is not None and here.get("BulkDataURI") == there.get("BulkDataURI"):
        return True
    if here["vr"] == there["vr"]:
        return here["vr"] == "SQ" and await _items(
            one, here.get("Value", []), other, there.get("Value", []), encodings, terms
        )
    raw, raw_there = await one.raw(here), await other.raw(there)
    if raw is not None and raw_there is not None:
        return raw == raw_there
    if raw is not None:
        return await _decoded(other, there, one, raw, encodings, terms)
    if raw_there is not None:
        return await _decoded(one, here, other, raw_there, encodings, terms)
    if {here["vr"], there["vr"]} == _INTEGERS:
        return _unsigned(here) == _unsigned(there)
    return bool(here.get("Value") == there.get("Value"))


async def _items(
    one: DataSetSide,
    here: list[Any],
    other: DataSetSide,
    there: list[Any],
    encodings: Encodings,
    terms: tuple[Any, ...],
) -> bool:
    if len(here) != len(there):
        return False
    for item, its_twin in zip(here, there, strict=True):
        if not await _data_sets(one, item or {}, other, its_twin or {}, encodings, terms):
            return False
    return True


async def _decoded(
    one: DataSetSide,
    told: JsonObject,
    other: DataSetSide,
    raw: bytes,
    encodings: Encodings,
    terms: tuple[Any, ...],
) -> bool:
    """Whether `raw`, which `other` has without knowing its VR, is what `one` is told to have."""
    if told["vr"] == "SQ":
        items = _items_of(raw, terms)
        return items is not None and await _items(one, told.get("Value", []), other, items, encodings, terms)
    read = READERS.get(told["vr"])
    if read is None:
        return not raw and not told.keys() & {"InlineBinary", "BulkDataURI", "Value"}
    return attribute(told["vr"], read(raw, True, encodings, _unheard)) == told


def _items_of(raw: bytes, terms: tuple[Any, ...]) -> list[Any] | None:
    """The items of a sequence in implicit VR; None of what is none. Their long values lie nowhere."""
    text = "\\".join(str(term or "") for term in terms).encode("latin-1", "replace")
    text += b" " * (len(text) % 2)
    before = _HEAD.pack(0x0008, 0x0005, len(text)) + text if terms else b""
    data = before + _HEAD.pack(*_SEQUENCE_TAG, len(raw)) + raw
    notes = Notes()
    source = Source(FileFeed(BytesIO(data), len(data)))
    try:
        found = DataSetReader(
            source, IMPLICIT_LITTLE_UID, IMPLICIT_LITTLE, Budget(HeaderLimits()), notes
        ).read()
    except DicomFault:
        return None
    return (
        None
        if notes.all() or found.keys() - {_CHARACTER_SET, _SEQUENCE}
        else found[_SEQUENCE].get("Value", [])
    )


def _unsigned(told: JsonObject) -> list[int]:
    return [value & 0xFFFF for value in told.get("Value", ()) if isinstance(value, int)]


def _unheard(text: str) -> None:
    """What is wrong with a value, both readings have noted."""
