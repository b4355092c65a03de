"""Where the one reading of a file finds pixels and bulk values, held against the bytes that were written."""

from __future__ import annotations

import io
import json
import zlib

import pytest

from libs.dicom.faults import DicomFault
from libs.dicom.parse import fragments
from libs.dicom.parse.header import Header, HeaderLimits, read_header
from libs.dicom.parse.layout import PixelPlace, bulk_uris
from tests.builders import (
    DEFLATED,
    ENCODINGS,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    RLE,
    ct_instance,
    encapsulated_instance,
    instance,
)
from tests.encoder import LITTLE, PIXEL_DATA, Value

PIXELS = bytes(range(1, 251)) * 8  # 1000 cells of 16 bits
LUT = b"lookup table" * 100


def header_of(data: bytes) -> Header:
    return read_header(io.BytesIO(data), len(data), HeaderLimits())


def as_inflated(data: bytes) -> bytes:
    """The file with its deflated data set inflated in its place."""
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    return data[:start] + zlib.decompress(data[start:], -zlib.MAX_WBITS)


def sealed(header: Header) -> dict[str, object]:
    """What comes out of a trailer."""
    found: dict[str, object] = json.loads(json.dumps(header.sealed()))
    return found


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED])
def test_the_place_of_native_pixels(syntax: str) -> None:
    data = ct_instance(20, 50, pixels=PIXELS, transfer_syntax=syntax)
    place = header_of(data).pixels
    assert place is not None
    plain = as_inflated(data) if syntax == DEFLATED else data
    assert place.length == len(PIXELS)
    assert plain[place.offset : place.offset + len(PIXELS)] == PIXELS
    assert (place.tag, place.vr, place.fragments) == (PIXEL_DATA, "OW", None)
    assert place.transfer_syntax_uid == syntax
    assert (place.syntax.implicit, place.syntax.little) == (syntax == IMPLICIT_LE, syntax != EXPLICIT_BE)


def test_the_place_of_encapsulated_pixels() -> None:
    parts = [b"first fragment", b"2nd!", b"the last"]
    data = encapsulated_instance(parts, transfer_syntax=RLE)
    header = header_of(data)
    place = header.pixels
    assert place is not None
    assert place.fragments is not None
    assert (list(place.fragments), place.length) == ([0, 14, 4, 8], None)
    at, found = place.offset, []
    for length in place.fragments:
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    assert found == [b"", *parts]
    assert data[at:] == b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert header.bulk["bulkdata/7FE00010"] == (place.offset, at - place.offset, "OB")


@pytest.mark.parametrize("pixels", [PIXELS, None])
def test_what_is_sealed_is_what_was_found(pixels: bytes | None) -> None:
    header = header_of(instance({}) if pixels is None else ct_instance(20, 50, pixels=pixels))
    trailer = sealed(header)
    assert trailer["dicom"] == header.dicom_json
    assert trailer["facts"] == {
        "sop_class_uid": header.sop_class_uid,
        "sop_instance_uid": header.sop_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "modality": header.modality,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "rows": header.rows,
        "columns": header.columns,
        "frames": header.frames,
        "decoded_bytes": header.decoded_bytes,
    }
    if pixels is None:
        assert (trailer["pixels"], trailer["bulk"]) == (None, {})
    else:
        assert isinstance(trailer["pixels"], dict)
        assert PixelPlace.from_json(trailer["pixels"]) == header.pixels
        assert trailer["bulk"] == {uri: list(place) for uri, place in header.bulk.items()}


def test_a_fragment_table_comes_back_from_the_trailer() -> None:
    place = header_of(encapsulated_instance([b"one", b"two!"], transfer_syntax=RLE)).pixels
    assert place is not None
    assert place.fragments is not None
    again = PixelPlace.from_json(json.loads(json.dumps(place.to_json())))
    assert again.fragments == list(place.fragments) == [0, 4, 4]


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED])
@pytest.mark.parametrize("undefined", [False, True])
def test_the_places_of_bulk_values_at_any_depth(syntax: str, undefined: bool) -> None:
    encoding = ENCODINGS.get(syntax, LITTLE)
    table = encoding.element(0x00283006, "OW", LUT)
    inner = encoding.sequence(0x00283010, [b"", table], undefined=undefined)
    odd = encoding.element(0x00340001, "SQ", b"no item in here at all")
    data = instance(
        {},
        encoding.sequence(0x00283000, [inner], undefined=undefined) + odd,
        transfer_syntax=syntax,
    )
    header = header_of(data)
    plain = as_inflated(data) if syntax == DEFLATED else data
    values = {uri: (plain[offset : offset + length], vr) for uri, (offset, length, vr) in header.bulk.items()}
    assert values == {
        "bulkdata/00283000/1/00283010/2/00283006": (LUT, "OW"),
        "bulkdata/00340001": (b"no item in here at all", "UN"),
    }
    assert values.keys() == bulk_uris(header.dicom_json)


def test_an_encapsulated_value_inside_a_sequence_has_its_place() -> None:
    icon = LITTLE.sequence(0x00880200, [LITTLE.encapsulated([b"abcd"])], undefined=True)
    data = instance({}, icon)
    header = header_of(data)
    offset, length, vr = header.bulk["bulkdata/00880200/1/7FE00010"]
    assert data[offset : offset + length] == LITTLE.item(b"") + LITTLE.item(b"abcd")
    assert (vr, header.pixels) == ("OB", None)


def test_a_value_that_another_replaces_has_no_place() -> None:
    long, short = LITTLE.element(0x00081030, "UT", "x" * 70_000), LITTLE.element(0x00081030, "LO", "short")
    assert header_of(instance({}, long)).bulk.keys() == {"bulkdata/00081030"}
    assert header_of(instance({}, long + short)).bulk == {}
    again = header_of(instance({}, short + long))
    assert again.bulk.keys() == bulk_uris(again.dicom_json) == {"bulkdata/00081030"}


def test_the_first_of_several_pixel_data_counts() -> None:
    floats = LITTLE.element(0x7FE00008, "OF", b"8 bytes.")
    elements: dict[str, Value | None] = {"Rows": 1, "Columns": 2, "BitsAllocated": 8}
    place = header_of(instance(elements, floats + LITTLE.element(PIXEL_DATA, "OB", b"ab"))).pixels
    assert place is not None
    assert (place.tag, place.vr, place.length) == (0x7FE00008, "OF", 8)


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [b"ab"] * 8
    monkeypatch.setattr(fragments, "MOST_ITEMS", 9)
    assert header_of(encapsulated_instance(parts, transfer_syntax=RLE)).has_pixel_data
    with pytest.raises(DicomFault) as refused:
        header_of(encapsulated_instance([*parts, b"ab"], transfer_syntax=RLE))
    assert refused.value.code == "too-many-fragments"
    items = [LITTLE.element(0x00283006, "OW", LUT)] * 300
    data = instance({}, LITTLE.sequence(0x00283000, items))
    limits = HeaderLimits(max_bytes=5000)  # 300 URIs of 30 bytes
    with pytest.raises(DicomFault) as refused:
        read_header(io.BytesIO(data), len(data), limits)
    assert refused.value.code == "header-too-large"
