"""The header elements that measuring and rendering ask for, from the DICOM JSON Model and the bulk values.

Whatever is absent or faulty reads as None or empty: it was reported when the header was read.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any, BinaryIO

from pydicom.datadict import keyword_dict

from libs.dicom.parse.charset import DEFAULT
from libs.dicom.parse.dicomjson import JsonObject, key, little_endian
from libs.dicom.parse.layout import Bulk
from libs.dicom.parse.values import READERS
from libs.dicom.pixels.bytes_at import read_at

_WORDS = {"OW": "US", "OB": "US", "OF": "FL", "OL": "UL", "OD": "FD", "OV": "UV"}
"""VRs to read binary ones as when their numbers are asked for."""
_LARGEST_VALUE = 32 << 20


class BulkValues:
    """Gives values that are not in the header, as they lie in a stream; words in little endian order."""

    def __init__(self, stream: BinaryIO, places: Bulk, *, little: bool) -> None:
        self._stream = stream
        self._places = places
        self._little = little

    def __call__(self, uri: str) -> bytes:
        """Read one; nothing when it is longer than any lookup or offset table."""
        offset, length, vr = self._places[uri]
        if length > _LARGEST_VALUE:
            return b""
        raw = read_at(self._stream, offset, length)
        return raw if self._little else little_endian(vr, raw)


class Attributes:
    """Elements of a data set or of an item, by keyword."""

    __slots__ = ("_bulk", "_data_set")

    def __init__(self, data_set: JsonObject, bulk: Callable[[str], bytes]) -> None:
        """`bulk` gives what lies outside of the data set: BulkValues, for one."""
        self._data_set = data_set
        self._bulk = bulk

    def number(self, keyword: str) -> float | None:
        """First value as a finite number; integers stay integers."""
        values = self._find(keyword).get("Value")
        return _finite(values[0]) if values else None

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """All values as finite numbers; none at all when one is faulty."""
        attribute = self._find(keyword)
        values = attribute.get("Value")
        if values is None:
            raw, vr = self._raw(attribute), str(attribute.get("vr"))
            read = READERS.get(_WORDS.get(vr, vr)) if raw else None
            values = read(raw, True, DEFAULT, _ignore) if read else ()
        found = tuple(number for value in values if (number := _finite(value)) is not None)
        return found if len(found) == len(values) else ()

    def each_number(self, keyword: str) -> list[float | None]:
        """All values, None for each that is no finite number."""
        return [_finite(value) for value in self._find(keyword).get("Value", ())]

    def texts(self, keyword: str) -> list[str | None]:
        """All values as text without the padding, None for each that is empty or no text."""
        values = self._find(keyword).get("Value", ())
        return [value.strip() or None if isinstance(value, str) else None for value in values]

    def raw(self, keyword: str) -> bytes:
        """Give the value field in little endian order, of short lists of numbers too; else nothing."""
        return self._raw(self._find(keyword))

    def address(self, keyword: str) -> str | None:
        """Where the value lies, if that is outside of the data set."""
        return self._find(keyword).get("BulkDataURI")

    def text(self, keyword: str) -> str:
        """First value as text without the padding, if it is of any usual length."""
        values = self._find(keyword).get("Value")
        return values[0].strip() if values and isinstance(values[0], str) else ""

    def has(self, keyword: str) -> bool:
        """Whether the element is there and not empty."""
        return self._find(keyword).keys() > {"vr"}

    def items(self, keyword: str) -> list[Attributes]:
        """Items of a sequence."""
        attribute = self._find(keyword)
        items = attribute.get("Value", ()) if attribute.get("vr") == "SQ" else ()
        return [Attributes(item, self._bulk) for item in items]

    def item(self, keyword: str) -> Attributes | None:
        """First item of a sequence."""
        items = self.items(keyword)
        return items[0] if items else None

    def _find(self, keyword: str) -> JsonObject:
        found: JsonObject = self._data_set.get(key(keyword_dict[keyword]), {})
        return found

    def _raw(self, attribute: JsonObject) -> bytes:
        if "InlineBinary" in attribute:
            return base64.b64decode(attribute["InlineBinary"])
        if "BulkDataURI" in attribute:
            return self._bulk(attribute["BulkDataURI"])
        if attribute.get("vr") in ("US", "SS"):
            return b"".join((value & 0xFFFF).to_bytes(2, "little") for value in attribute.get("Value", ()))
        return b""


def _finite(value: Any) -> float | None:
    """None also for whole numbers that no VR holds (PS3.5 6.2)."""
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _ignore(note: str) -> None:
    """What is odd about a value was noted when the header was read."""
