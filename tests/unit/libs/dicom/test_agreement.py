"""Over generated data sets, what pydicom reads and what we read agree: elements, pixel place, bulk values."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.encaps import generate_fragments

from libs.dicom.parse.header import HeaderLimits, read_header
from libs.dicom.parse.layout import PixelPlace, bulk_uris
from tests.builders import CT_IMAGE_STORAGE, DEFLATED, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, RLE, part10
from tests.encoder import LITTLE, PIXEL_DATA, UNDEFINED, Encoding, Value
from tests.unit.libs.dicom.pydicom_json import differences, pydicom_json

IMPLICIT, BIG = Encoding(implicit=True), Encoding(little=False)
SEQUENCES = [0x00720080, 0x00880200, 0x30060020, 0x52009229]
PRIVATE_CREATOR, PRIVATE = 0x00730010, 0x00731001
PIXELS = f"{PIXEL_DATA:08X}"
WORDS = {"OW": "u2", "OF": "u4", "OL": "u4", "OD": "u8", "OV": "u8"}


@dataclass(frozen=True)
class Nested:
    """A sequence: for each item, whether its length is undefined, and its data set."""

    undefined: bool
    items: list[tuple[bool, dict[int, Any]]]


def encoded(data_set: Mapping[int, tuple[str, Value] | Nested], encoding: Encoding) -> bytes:
    return b"".join(element(tag, data_set[tag], encoding) for tag in sorted(data_set))


def element(tag: int, value: tuple[str, Value] | Nested, encoding: Encoding) -> bytes:
    if isinstance(value, tuple):
        return encoding.element(tag, *value)
    body = b"".join(encoding.item(encoded(item, encoding), undefined=flag) for flag, item in value.items)
    if not value.undefined:
        return encoding.element(tag, "SQ", body)
    end = struct.pack(f"{encoding.order}HHI", 0xFFFE, 0xE0DD, 0)
    return encoding.element(tag, "SQ", b"", length=UNDEFINED) + body + end


# What is generated: every VR, each in the one element that the dictionary has for it (PS3.3 C.23.1.2).

WORD = st.sampled_from(["a", "Scan 3", "x_9", "Prueba Medical", "of some length, more than others"])
CODE = st.sampled_from(["ORIGINAL", "AXIAL", "M", "Z_EFF"])


def few(one: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(one, min_size=1, max_size=3)


def ranged(bits: int, signed: bool) -> st.SearchStrategy[list[int]]:
    low = -(1 << (bits - 1)) if signed else 0
    return few(st.integers(low, low + (1 << bits) - 1))


def words(size: int) -> st.SearchStrategy[bytes]:
    """Bytes of whole words, now and then so many that they are bulk data."""
    whole = st.binary(max_size=24).map(lambda raw: raw[: len(raw) // size * size])
    return whole | st.sampled_from([1024, 1032, 4096]).map(lambda size: bytes(range(256)) * (size // 256 + 1))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("AE", "LO", "SH", "UC"), few(WORD)),
    **dict.fromkeys(("LT", "ST", "UT", "UR"), WORD),
    "AS": st.sampled_from(["054Y", "003M"]),
    "AT": few(st.integers(0, 0xFFFFFFFF)),
    "CS": few(CODE),
    "DA": st.sampled_from(["20240117", "19700101"]),
    "DS": few(st.sampled_from(["-12.5", "3", "0.001", "6e-3", "+7", "1000000"])),
    "DT": st.just("20240117101500.25"),
    "FD": few(st.floats(allow_nan=False, allow_infinity=False)),
    "FL": few(st.floats(allow_nan=False, allow_infinity=False, width=32)),
    "IS": few(st.integers(-(2**31), 2**31 - 1).map(str)),
    "PN": few(st.builds("^".join, few(WORD))),
    "TM": st.sampled_from(["101500", "101530.250", "23"]),
    "UI": st.sampled_from(["1.2.840.10008.1.1", "2.25.123456789", "1.2.3"]),
    **{vr: ranged(16, vr[0] == "S") for vr in ("US", "SS")},
    **{vr: ranged(32, vr[0] == "S") for vr in ("UL", "SL")},
    **{vr: ranged(64, vr[0] == "S") for vr in ("UV", "SV")},
    **{
        vr: words(size)
        for vr, size in {"OB": 2, "UN": 2, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.items()
    },
}


def selector(vr: str) -> int:
    tag = tag_for_keyword(f"Selector{vr}Value")
    assert tag is not None
    return tag


def typed(vr: str) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(vr), VALUES[vr] | st.just(b""))


PRIVATE_ELEMENTS: dict[int, st.SearchStrategy[Any]] = {
    PRIVATE_CREATOR: st.just(("LO", "NOBODY WE KNOW")),
    PRIVATE: words(2).map(lambda raw: ("UN", raw)),
}
PLAIN = st.fixed_dictionaries({}, optional={selector(vr): typed(vr) for vr in VALUES} | PRIVATE_ELEMENTS)


def with_sequences(inner: st.SearchStrategy[dict[int, Any]]) -> st.SearchStrategy[dict[int, Any]]:
    items = st.lists(st.tuples(st.booleans(), inner), max_size=3)
    nested = st.builds(Nested, st.booleans(), items)
    sequences = st.dictionaries(st.sampled_from(SEQUENCES), nested, max_size=2)
    return st.builds(lambda plain, deep: {**plain, **deep}, PLAIN, sequences)


DATA_SETS = st.recursive(PLAIN, with_sequences, max_leaves=4)
NATIVE = [
    (EXPLICIT_LE, LITTLE),
    (IMPLICIT_LE, IMPLICIT),
    (EXPLICIT_BE, BIG),
    (DEFLATED, LITTLE),
    (EXPLICIT_LE, IMPLICIT),  # not what the transfer syntax says
    (IMPLICIT_LE, LITTLE),
]


def described(rows: int, columns: int, bits: int, frames: int) -> dict[int, tuple[str, Value]]:
    return {
        0x00080016: ("UI", CT_IMAGE_STORAGE),
        0x00080018: ("UI", "1.2.3"),
        0x00280002: ("US", 1),
        0x00280004: ("CS", "MONOCHROME2"),
        0x00280008: ("IS", str(frames)),
        0x00280010: ("US", rows),
        0x00280011: ("US", columns),
        0x00280100: ("US", bits),
        0x00280101: ("US", bits),
        0x00280102: ("US", bits - 1),
        0x00280103: ("US", 0),
    }


def by_pydicom(data: bytes) -> pydicom.FileDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: pydicom.FileDataset = pydicom.dcmread(io.BytesIO(data))
    return found


def swapped(data_set: dict[str, Any]) -> dict[str, Any]:
    """What pydicom gives of a big endian file, its words in the order that JSON has (PS3.18 F.2.7)."""
    for attribute in data_set.values():
        if attribute["vr"] == "SQ":
            attribute["Value"] = [swapped(item) for item in attribute.get("Value", [])]
        elif "InlineBinary" in attribute and attribute["vr"] in WORDS:
            raw = np.frombuffer(base64.b64decode(attribute["InlineBinary"]), WORDS[attribute["vr"]])
            attribute["InlineBinary"] = base64.b64encode(raw.byteswap().tobytes()).decode()
    return data_set


def value_by_pydicom(data_set: pydicom.Dataset, uri: str) -> Any:
    *way, last = uri.split("/")[1:]
    for tag, number in zip(way[::2], way[1::2], strict=True):
        data_set = data_set[int(tag, 16)].value[int(number) - 1]
    return data_set[int(last, 16)].value


def as_inflated(data: bytes, data_set: bytes) -> bytes:
    """The file as its layout counts it."""
    return data[: 132 + 12 + int.from_bytes(data[140:144], "little")] + data_set


def agreed(data: bytes, plain: bytes, encoding: Encoding) -> PixelPlace | None:
    """Compare everything; `plain` is the file inflated. Gives the place of the pixels."""
    header = read_header(io.BytesIO(data), len(data), HeaderLimits())
    theirs = pydicom_json(data) if encoding.little else swapped(pydicom_json(data))
    if encoding.implicit and PIXELS in theirs:
        theirs[PIXELS]["vr"] = "OW"  # in implicit VR always (PS3.5 A.1); pydicom believes the transfer syntax
    assert list(differences("", header.dicom_json, theirs)) == []
    data_set = by_pydicom(data)
    assert header.bulk.keys() == bulk_uris(header.dicom_json)
    for uri, (offset, length, _) in header.bulk.items():
        assert plain[offset : offset + length] == value_by_pydicom(data_set, uri), uri
    return header.pixels


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(NATIVE), DATA_SETS, st.sampled_from([8, 16]), st.integers(0, 3))
def test_native_data_sets(
    written: tuple[str, Encoding], elements: dict[int, Any], bits: int, frames: int
) -> None:
    """Frames: none means no pixel data."""
    syntax, encoding = written
    pixels = bytes(range(1, 13)) * (frames * bits // 8)
    image = described(3, 4, bits, frames) | {PIXEL_DATA: ("OW", pixels)} if frames else described(3, 4, 8, 1)
    body = encoded({**image, **elements}, encoding)
    data = part10(body, transfer_syntax=syntax)
    plain = as_inflated(data, body)
    place = agreed(data, plain, encoding)
    if not frames:
        assert place is None
        return
    assert place is not None
    assert (place.tag, place.vr, place.length, place.fragments) == (PIXEL_DATA, "OW", len(pixels), None)
    assert (place.syntax.implicit, place.syntax.little) == (encoding.implicit, encoding.little)
    assert plain[place.offset : place.offset + len(pixels)] == by_pydicom(data).PixelData == pixels


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(DATA_SETS, st.lists(st.binary(min_size=2, max_size=40), min_size=1, max_size=6), st.booleans())
def test_encapsulated_data_sets(elements: dict[int, Any], parts: list[bytes], table: bool) -> None:
    parts = [part + b"\0" * (len(part) % 2) for part in parts]
    starts = [sum(8 + len(part) for part in parts[:place]) for place in range(len(parts))]
    offsets = struct.pack(f"<{len(parts)}I", *starts) if table else b""
    items = b"".join(LITTLE.item(part) for part in (offsets, *parts))
    pixels = LITTLE.element(PIXEL_DATA, "OB", b"", length=UNDEFINED) + items + b"\xfe\xff\xdd\xe0\0\0\0\0"
    body = encoded({**described(3, 4, 8, len(parts)), **elements}, LITTLE) + pixels
    data = part10(body, transfer_syntax=RLE)
    place = agreed(data, data, LITTLE)
    assert place is not None
    assert place.fragments is not None
    assert (place.tag, place.vr, place.length) == (PIXEL_DATA, "OB", None)
    value = by_pydicom(data).PixelData
    assert data[place.offset : place.offset + len(value)] == value
    theirs = list(generate_fragments(value))
    assert list(place.fragments) == [len(part) for part in theirs] == [len(offsets), *map(len, parts)]
