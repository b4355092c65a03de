"""The Native DICOM Model holds what the JSON model holds (PS3.19 A.1), and is XML whatever a file holds."""

from __future__ import annotations

import io
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.dicom.parse.header import HeaderLimits, read_header
from libs.dicom.web.native import native_document
from tests import wheel
from tests.unit.libs.dicom.native_reader import read_native

LIMITS = HeaderLimits(max_bytes=16 << 20, max_elements=200_000, max_depth=32, deadline_seconds=5.0)


def told(data_set: dict[str, Any]) -> dict[str, Any]:
    """The one attribute of a document."""
    (attribute,) = read_native(native_document(data_set)).values()
    return dict(attribute)


@pytest.mark.parametrize(
    ("tag", "attribute", "expected"),
    [
        ("00080020", {"vr": "DA"}, {"keyword": "StudyDate"}),
        ("00080020", {"vr": "DA", "Value": ["20260101"]}, {"keyword": "StudyDate", "Value": ["20260101"]}),
        (
            "00080008",
            {"vr": "CS", "Value": ["A", None, "B"]},
            {"keyword": "ImageType", "Value": ["A", None, "B"]},
        ),
        ("00280010", {"vr": "US", "Value": [512]}, {"keyword": "Rows", "Value": ["512"]}),
        ("00280030", {"vr": "DS", "Value": [2.0, 0.5]}, {"keyword": "PixelSpacing", "Value": ["2", "0.5"]}),
        ("00189087", {"vr": "FD", "Value": [1e300]}, {"keyword": "DiffusionBValue", "Value": ["1e+300"]}),
        ("00281101", {"vr": "OW", "InlineBinary": "AAE="}, {"InlineBinary": "AAE="}),
        ("7FE00010", {"vr": "OW", "BulkDataURI": "http://x/a?b&c"}, {"BulkDataURI": "http://x/a?b&c"}),
        (
            "00104000",
            {"vr": "LT", "Value": ["a\r\nb <&\"'> \x1b\f"]},
            {"Value": ["a\r\nb <&\"'> \ufffd\ufffd"]},
        ),
    ],
)
def test_each_kind_of_value(tag: str, attribute: dict[str, Any], expected: dict[str, Any]) -> None:
    found = told({tag: attribute})
    assert found["vr"] == attribute["vr"]
    assert {name: found.get(name) for name in expected} == expected
    assert ("Value" in found) == ("Value" in attribute)


def test_names_fall_into_groups_and_components() -> None:
    name = {"Alphabetic": "Yamada^Tarou^M^Dr^Jr", "Ideographic": "山田^太郎", "Phonetic": "^たろう"}
    document = native_document({"00100010": {"vr": "PN", "Value": [name, None]}})
    assert read_native(document)["00100010"]["Value"] == [name, None]
    assert b"<GivenName>\xe5\xa4\xaa\xe9\x83\x8e</GivenName>" in document
    more = {"Alphabetic": "a^b^c^d^e^f"}
    assert b"<NameSuffix>e^f</NameSuffix>" in native_document({"00100010": {"vr": "PN", "Value": [more]}})


def test_private_tags_name_their_creator_and_stand_without_its_block() -> None:
    data_set = {
        "00090010": {"vr": "LO", "Value": ["SIEMENS <1>"]},
        "00090011": {"vr": "LO", "Value": ["OTHER"]},
        "00090012": {"vr": "LO", "Value": ["UNUSED"]},
        "00091010": {"vr": "LO", "Value": ["x"]},
        "00091110": {"vr": "LO", "Value": ["y"]},
        "00092020": {"vr": "LO", "Value": ["nobody's"]},
    }
    assert read_native(native_document(data_set)) == {
        "00090010SIEMENS <1>": {"vr": "LO", "Value": ["x"], "privateCreator": "SIEMENS <1>"},
        "00090010OTHER": {"vr": "LO", "Value": ["y"], "privateCreator": "OTHER"},
        "00090012": {"vr": "LO", "Value": ["UNUSED"]},
        "00092020": {"vr": "LO", "Value": ["nobody's"]},
    }


def test_sequences_nest() -> None:
    inner = {"00080100": {"vr": "SH", "Value": ["T-1"]}}
    outer = {"00540220": {"vr": "SQ", "Value": [inner, {}]}}
    found = told({"00540016": {"vr": "SQ", "Value": [outer]}})
    items = found["Value"][0]["00540220"]["Value"]
    assert items[0]["00080100"]["Value"] == ["T-1"]
    assert items[1] == {}
    assert told({"00540016": {"vr": "SQ"}}) == {
        "vr": "SQ",
        "keyword": "RadiopharmaceuticalInformationSequence",
    }


@given(st.text())
def test_any_text_is_well_formed(text: str) -> None:
    document = native_document({"00104000": {"vr": "LT", "Value": [text]}})
    found = read_native(document)["00104000"]["Value"][0] or ""
    if text.isprintable():
        assert found == text


@pytest.mark.parametrize("name", wheel.sound_names())
def test_what_the_wheel_ships(name: str) -> None:
    content = wheel.path_of(name).read_bytes()
    header = read_header(io.BytesIO(content), len(content), LIMITS)
    compare(header.dicom_json, read_native(native_document(header.dicom_json)))


def compare(ours: dict[str, Any], found: dict[str, Any]) -> None:
    """Every element is there, under the same VR, with as many values; private creators by their elements."""
    blocks = {f"{tag[:4]}00{tag[4:6]}" for tag in ours if int(tag[:4], 16) % 2 and tag[4:6] >= "10"}
    tags = [tag for tag in sorted(ours) if tag not in blocks]
    for tag, other in zip(tags, found, strict=True):
        one, two = ours[tag], found[other]
        assert tag[:4] + tag[6:] == other[:4] + other[6:8]
        assert one["vr"] == two["vr"], tag
        for name in ("InlineBinary", "BulkDataURI"):
            assert one.get(name) == two.get(name), tag
        values, others = one.get("Value", []), two.get("Value", [])
        assert len(values) == len(others), tag
        for value, seen in zip(values, others, strict=True):
            if one["vr"] == "SQ":
                compare(value, seen)
            elif isinstance(value, str) and value.isprintable():
                assert seen == value


def test_no_parser_minds_what_a_tree_cannot_hold() -> None:
    ElementTree.fromstring(native_document({"00104000": {"vr": "LT", "Value": ["\ud800\uffff\x00"]}}))
