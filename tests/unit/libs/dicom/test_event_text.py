"""All text that measuring gives for events: bounded, clean, and of the header only what may travel."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.dicom.parse.dicomjson import device_name
from libs.dicom.parse.eventtext import LONGEST, event_text
from libs.dicom.parse.header import HeaderLimits, read_header
from tests.builders import ct_elements, ct_instance, instance
from tests.encoder import LITTLE, PIXEL_DATA, Value
from tests.unit.libs.dicom.pixel_support import measured, sealed

UNCLEAN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
ANYTHING = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
MIB = 1 << 20


def strings(value: Any) -> list[str]:
    """Every string in a JSON value."""
    if isinstance(value, dict):
        return [*value, *(text for one in value.values() for text in strings(one))]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


def unit_of(value: Value) -> str | None:
    modality = measured(ct_instance(8, 8, RescaleType=value)).statistics["modality"]
    unit: str | None = modality["unit"]
    return unit


@given(ANYTHING)
def test_event_text_is_bounded_and_clean(text: str) -> None:
    found = event_text(text)
    assert len(found) <= LONGEST
    assert not UNCLEAN.search(found)
    assert found == found.strip()
    found.encode("utf-8")


@given(ANYTHING.map(lambda text: UNCLEAN.sub("", text).strip()[:LONGEST].strip()))
def test_event_text_that_may_travel_stays_as_it_is(text: str) -> None:
    assert event_text(text) == text


@given(ANYTHING, ANYTHING, ANYTHING)
def test_the_device_name_is_bounded_and_clean(manufacturer: str, model: str, station: str) -> None:
    tags = ("00080070", "00081090", "00081010")
    values = zip(tags, (manufacturer, model, station), strict=True)
    name = device_name({tag: {"vr": "LO", "Value": [value]} for tag, value in values})
    assert 0 < len(name) <= LONGEST
    assert not UNCLEAN.search(name)


@pytest.mark.parametrize("unit", ["OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"])
def test_a_defined_unit_is_told(unit: str) -> None:
    assert unit_of(unit) == unit


@pytest.mark.parametrize("named", ["hu", "SUV", "Patient^Name", "HU HU", "HU\x07", "x" * 64])
def test_what_is_no_defined_unit_is_none(named: str) -> None:
    assert unit_of(named) is None


def test_a_unit_with_a_nul() -> None:
    assert unit_of(b"H\0U") in ("HU", None)
    assert unit_of(b"S\0UV") is None


@pytest.mark.parametrize("encoding", ["UT", "UC"])
def test_a_unit_of_twenty_mebibytes(encoding: str) -> None:
    elements: dict[str, Value | None] = {**ct_elements(8, 8, 16, None, 0), "RescaleType": None}
    tail = LITTLE.element(0x00281054, encoding, b"U" * (20 * MIB))
    pixels = LITTLE.element(PIXEL_DATA, "OW", bytes(128))
    analysis = measured(instance(elements, tail + pixels))
    assert analysis.statistics["modality"]["unit"] is None
    assert len(json.dumps(analysis.statistics)) < 8192


def test_the_unit_of_a_lookup_table_is_a_defined_one() -> None:
    for named, unit in (("OD", "OD"), ("Patient^Name", None)):
        table = LITTLE.element(0x00283002, "US", [3, 10, 16]) + LITTLE.element(0x00283004, "LO", named)
        table += LITTLE.element(0x00283006, "US", [1, 2, 3])
        tail = LITTLE.sequence(0x00283000, [table]) + LITTLE.element(PIXEL_DATA, "OW", bytes(128))
        elements: dict[str, Value | None] = {**ct_elements(8, 8, 16, None, 0), "RescaleSlope": None}
        assert measured(instance(elements, tail)).statistics["modality"]["unit"] == unit


def test_every_text_of_the_measures_and_facts_is_short_and_clean() -> None:
    """A marked string in every text element of the header: none comes out."""
    marked: dict[str, Any] = {
        keyword: "SECRET\x01" + "M" * 200
        for keyword, value in ct_elements(8, 8, 16, None, 0).items()
        if isinstance(value, str) and not value.strip("-").replace(".", "").isdigit()
    }
    data = ct_instance(8, 8, **{**marked, "SpecificCharacterSet": "ISO_IR 100"})
    header = read_header(io.BytesIO(data), len(data), HeaderLimits())
    found = [*strings(measured(data).statistics), *strings(header.sealed()["facts"])]
    found += [device_name(sealed(data).data_set), header.photometric_interpretation or ""]
    for text in found:
        assert len(text) <= LONGEST
        assert not UNCLEAN.search(text)
    assert "SECRET" not in json.dumps(found[:-2]), "the device name and what is coded travel, nothing else"
