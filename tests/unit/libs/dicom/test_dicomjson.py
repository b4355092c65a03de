"""The DICOM JSON Model: value by value, against pydicom's, and over a corpus of real files."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from libs.dicom.faults import DicomFault
from libs.dicom.parse.dicomjson import device_name
from libs.dicom.parse.header import Header, HeaderLimits, read_header
from tests import wheel
from tests.builders import CT_IMAGE_STORAGE, EXPLICIT_BE, IMPLICIT_LE, ct_instance, instance
from tests.encoder import LITTLE, Encoding, Value
from tests.unit.libs.dicom.pydicom_json import differences, pydicom_json

BIG = Encoding(little=False)
IMPLICIT = Encoding(implicit=True)
TAG = 0x00091010
KEY = "00091010"


def header_of(data: bytes) -> Header:
    return read_header(io.BytesIO(data), len(data), HeaderLimits())


def json_of(vr: str, value: Value, charset: str | None = None) -> dict[str, Any]:
    """Give the attribute that one private element becomes."""
    data = instance({"SpecificCharacterSet": charset}, LITTLE.element(TAG, vr, value))
    attribute: dict[str, Any] = header_of(data).dicom_json[KEY]
    return attribute


# Value by value.


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("AE", b" STATION ", ["STATION"]),
        ("AS", b"054Y", ["054Y"]),
        ("AT", [0x00280010, 0x7FE00010], ["00280010", "7FE00010"]),
        ("CS", b"ORIGINAL \\ PRIMARY\\\\AXIAL", ["ORIGINAL", "PRIMARY", None, "AXIAL"]),
        ("DA", b"20240117", ["20240117"]),
        ("DS", b"1.5\\-2e3 \\.5\\7.\\\\+0", [1.5, -2000.0, 0.5, 7.0, None, 0.0]),
        ("DT", b"20240117101500.25+0100", ["20240117101500.25+0100"]),
        ("FD", [0.1, -2.5], [0.1, -2.5]),
        ("FL", [0.5], [0.5]),
        ("IS", b"12\\-7 \\+3\\1.0\\", [12, -7, 3, 1, None]),
        ("LO", b" first \\second ", [" first", "second"]),
        ("LT", b" one\\text \r\n ", [" one\\text \r\n"]),
        ("PN", b"A^B=C^D=E^F\\G ", [
            {"Alphabetic": "A^B", "Ideographic": "C^D", "Phonetic": "E^F"}, {"Alphabetic": "G"}]),
        ("PN", b"==E^F", [{"Phonetic": "E^F"}]),
        ("PN", b"\\A", [None, {"Alphabetic": "A"}]),
        ("SH", b"a\\b", ["a", "b"]),
        ("SL", [-(2**31)], [-(2**31)]),
        ("SS", [-32768, 32767], [-32768, 32767]),
        ("ST", b"a\\b", ["a\\b"]),
        ("SV", [-(2**63)], [-(2**63)]),
        ("TM", b"101500.5 ", ["101500.5"]),
        ("UC", b"long\\text", ["long", "text"]),
        ("UI", b"1.2.3\0", ["1.2.3"]),
        ("UL", [2**32 - 1], [2**32 - 1]),
        ("UR", b"https://example.org/a\\b ", ["https://example.org/a\\b"]),
        ("US", [0, 65535], [0, 65535]),
        ("UT", b"a\\b  ", ["a\\b"]),
        ("UV", [2**64 - 1], [2**64 - 1]),
    ],
)  # fmt: skip
def test_every_vr(vr: str, value: Value, expected: list[Any]) -> None:
    assert json_of(vr, value) == {"vr": vr, "Value": expected}


@pytest.mark.parametrize(
    "vr",
    [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "OB",
        "OW",
        "PN",
        "SH",
        "SL",
        "SQ",
        "SS",
        "ST",
        "TM",
        "UC",
        "UI",
        "UL",
        "UN",
        "UR",
        "US",
        "UT",
    ],
)
def test_an_empty_element_has_no_value(vr: str) -> None:
    assert json_of(vr, b"") == {"vr": vr}


@pytest.mark.parametrize("vr", ["CS", "LO", "PN", "UI", "DS", "IS", "LT", "UR"])
def test_padding_alone_is_no_value(vr: str) -> None:
    assert json_of(vr, b"  ") == {"vr": vr}


@pytest.mark.parametrize("vr", ["CS", "LO", "LT", "PN", "UR", "UI", "DS", "IS"])
def test_nul_characters_are_removed(vr: str) -> None:
    assert b"\\u0000" not in orjson.dumps(json_of(vr, b"a\0b\0"))


@pytest.mark.parametrize(
    ("vr", "value", "kept"),
    [
        ("IS", b"1A", ["1A"]),
        ("IS", b"99999999999999999999999", ["99999999999999999999999"]),
        ("IS", b"9223372036854775808", ["9223372036854775808"]),
        ("IS", b"1_000", ["1_000"]),
        ("DS", b"1,5", ["1,5"]),
        ("DS", b"nan\\1", [None, 1.0]),
        ("DS", b"1e999\\1", [None, 1.0]),
        ("FD", [float("nan"), 1.0], [None, 1.0]),
        ("FL", [float("inf"), 1.0], [None, 1.0]),
        ("US", b"\1\0\2\0\3\0\4\0"[:6] + b"\5\0", [1, 2, 3, 5]),
        ("UL", b"\1\0\0\0\2\0", [1]),
        ("AT", b"\x28\0\x10\0\x28\0", ["00280010"]),
        ("LO", b"caf\xc3\xa9 \xff", ["caf\u00e9 \ufffd"]),
    ],
)
def test_a_faulty_value_is_kept_as_far_as_possible_and_noted(vr: str, value: Value, kept: list[Any]) -> None:
    data = instance({"SpecificCharacterSet": "ISO_IR 192"}, LITTLE.element(TAG, vr, value))
    header = header_of(data)
    assert header.dicom_json[KEY] == {"vr": vr, "Value": kept}
    orjson.dumps(header.dicom_json)
    noted = [warning for warning in header.warnings if warning.startswith("(0009,1010)")]
    assert bool(noted) == (vr != "US")


def test_warnings_quote_no_value_and_are_bounded() -> None:
    faulty = b"".join(LITTLE.element(0x00291000 + n, "IS", "secret") for n in range(300))
    found = header_of(instance({}, faulty)).warnings
    assert len(found) == 101
    assert found[-1] == "200 more warnings"
    assert not any("secret" in warning for warning in found)


# Bulk data.


def test_short_binary_is_inline_and_long_is_bulk() -> None:
    assert json_of("OB", bytes(range(4))) == {"vr": "OB", "InlineBinary": "AAECAw=="}
    assert "InlineBinary" in json_of("UN", bytes(1024))
    assert json_of("OB", bytes(1026)) == {"vr": "OB", "BulkDataURI": f"bulkdata/{KEY}"}


def test_long_lists_of_numbers_and_very_long_texts_are_bulk() -> None:
    assert len(json_of("US", [1] * 2048)["Value"]) == 2048
    assert json_of("US", [1] * 2049) == {"vr": "US", "BulkDataURI": f"bulkdata/{KEY}"}
    assert len(json_of("UT", b"x" * 65536)["Value"][0]) == 65536
    assert "BulkDataURI" in json_of("UT", b"x" * 65538)


def test_inline_words_are_little_endian_whatever_the_file_is() -> None:
    tail = BIG.element(TAG, "OW", b"\1\2\3\4") + BIG.element(TAG + 1, "OD", bytes(range(8)))
    found = header_of(instance({}, tail, transfer_syntax=EXPLICIT_BE)).dicom_json
    assert found[KEY]["InlineBinary"] == "AgEEAw=="
    assert found["00091011"]["InlineBinary"] == "BwYFBAMCAQA="


# What the dictionary decides.


@pytest.mark.parametrize(
    ("representation", "expected"), [(0, ("US", 63536)), (1, ("SS", -2000)), (None, ("US", 63536))]
)
def test_pixel_representation_settles_us_or_ss(representation: int | None, expected: tuple[str, int]) -> None:
    raw = b"\x30\xf8"
    early = IMPLICIT.sequence(0x00081140, [IMPLICIT.element(0x00280120, "US", raw)])
    late = IMPLICIT.element(0x00280106, "US", raw)
    data = instance(
        {"PixelRepresentation": representation, "SOPInstanceUID": "1.2"}, late, transfer_syntax=IMPLICIT_LE
    )
    header = 132 + 12 + int.from_bytes(data[140:144], "little")
    found = header_of(data[:header] + early + data[header:]).dicom_json
    vr, value = expected
    assert found["00280106"] == {"vr": vr, "Value": [value]}
    assert found["00081140"]["Value"][0]["00280120"] == {"vr": vr, "Value": [value]}


def test_implicit_private_elements_by_their_creator() -> None:
    known = IMPLICIT.element(0x00190010, "LO", "SIEMENS MR HEADER") + IMPLICIT.element(
        0x0019100C, "IS", "1000"
    )
    unknown = IMPLICIT.element(0x00210010, "LO", "NOBODY") + IMPLICIT.element(0x00211001, "LO", "abcd")
    found = header_of(instance({"StudyInstanceUID": None, "SeriesInstanceUID": None}, known + unknown,
                               transfer_syntax=IMPLICIT_LE)).dicom_json  # fmt: skip
    assert found["0019100C"] == {"vr": "IS", "Value": [1000]}
    assert found["00211001"] == {"vr": "UN", "InlineBinary": "YWJjZA=="}


def test_un_is_read_as_what_the_dictionary_knows() -> None:
    tail = LITTLE.element(0x00280010, "UN", b"\x40\0") + LITTLE.element(0x00280FFF, "UN", b"\1\2")
    found = header_of(instance({}, tail)).dicom_json
    assert found["00280010"] == {"vr": "US", "Value": [64]}
    assert found["00280FFF"]["vr"] == "UN"


def test_a_vr_of_a_later_standard_is_un() -> None:
    raw = b"\x09\0\x10\x10ZZ\0\0\4\0\0\0abcd"
    header = header_of(instance({}, raw))
    assert header.dicom_json[KEY] == {"vr": "UN", "InlineBinary": "YWJjZA=="}
    assert "unknown value representation" in header.warnings[0]


def test_an_element_without_vr_inside_explicit_vr() -> None:
    tail = IMPLICIT.element(0x00281050, "DS", "40") + LITTLE.element(0x00281051, "DS", "400")
    found = header_of(instance({}, tail)).dicom_json
    assert found["00281050"] == {"vr": "DS", "Value": [40.0]}
    assert found["00281051"] == {"vr": "DS", "Value": [400.0]}


def test_group_lengths_are_left_out() -> None:
    assert "00280000" not in header_of(instance({}, LITTLE.element(0x00280000, "UL", 4))).dicom_json


# Character sets.


@pytest.mark.parametrize(
    ("charset", "raw", "expected"),
    [
        (None, b"caf\xe9", "café"),
        ("ISO_IR 100", b"caf\xe9", "café"),
        ("ISO_IR 192", "Привет 世界".encode(), "Привет 世界"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("GBK", "誠\\乗".encode("gbk"), "誠"),
        ("ISO_IR 13", b"\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ"),
        ("\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xfb\xf3", "洪"),
        ("\\ISO 2022 IR 58", b"\x1b$)A\xd5\xc5", "张"),
        ("ISO 2022 IR 6\\ISO 2022 IR 126", b"\x1b-F\xc4\xe9\xef\r\n\xe9", "Διο\r\né"),
        ("ISO-IR 100", b"caf\xe9", "café"),
        ("idna", b"caf\xe9", "café"),
        ("zlib_codec", b"caf\xe9", "café"),
    ],
)
def test_character_sets(charset: str | None, raw: bytes, expected: str) -> None:
    assert json_of("LO", raw, charset)["Value"][0] == expected


def test_every_component_group_in_its_own_character_set() -> None:
    raw = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
    assert json_of("PN", raw, "\\ISO 2022 IR 87")["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    ]


def test_a_caret_ends_an_escape_in_a_name_but_not_in_a_text() -> None:
    raw = b"\x1b-F\xe1^\xe9"
    assert json_of("PN", raw, "ISO 2022 IR 100\\ISO 2022 IR 126")["Value"] == [{"Alphabetic": "α^é"}]
    assert json_of("LO", raw, "ISO 2022 IR 100\\ISO 2022 IR 126")["Value"] == ["α^ι"]


def test_items_inherit_the_character_set_and_may_have_their_own() -> None:
    plain = LITTLE.element(0x00080100, "SH", b"caf\xe9")
    own = LITTLE.element(0x00080005, "CS", "ISO_IR 144") + LITTLE.element(0x00080100, "SH", b"\xbf")
    found = header_of(
        instance({"SpecificCharacterSet": "ISO_IR 100"}, LITTLE.sequence(0x00400275, [plain, own, plain]))
    )
    texts = [item["00080100"]["Value"][0] for item in found.dicom_json["00400275"]["Value"]]
    assert texts == ["café", "П", "café"]


@pytest.mark.parametrize("vr", ["PN", "IS", "US", "FD", "SQ", "UN", "AT"])
def test_a_character_set_of_the_wrong_vr_does_no_harm(vr: str) -> None:
    odd = LITTLE.element(0x00080005, vr, b"12345678") + LITTLE.element(TAG, "LO", b"caf\xe9")
    header = header_of(instance({}, odd))
    assert header.dicom_json[KEY] == {"vr": "LO", "Value": ["caf\xe9"]}, "in ISO 8859-1, as without any"
    assert header.dicom_json["00080005"]["vr"] == {"UN": "CS", "SQ": "UN"}.get(vr, vr)
    assert header.sop_class_uid == CT_IMAGE_STORAGE


# The device.


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"Manufacturer": "ACME ", "ManufacturerModelName": " Scan 3 "}, "ACME Scan 3"),
        ({"Manufacturer": "ACME", "ManufacturerModelName": None, "StationName": "CT01"}, "ACME"),
        ({"Manufacturer": None, "ManufacturerModelName": "Scan 3", "StationName": "CT01"}, "Scan 3"),
        ({"Manufacturer": "", "ManufacturerModelName": " ", "StationName": "CT01"}, "CT01"),
        ({"Manufacturer": None, "ManufacturerModelName": None, "StationName": None}, "unknown"),
    ],
)
def test_device_name(elements: dict[str, Value | None], expected: str) -> None:
    assert device_name(header_of(instance(elements)).dicom_json) == expected


def test_device_name_of_a_built_slice() -> None:
    assert device_name(header_of(ct_instance()).dicom_json) == "Prueba Medical Tomo 64"


# Against pydicom.

REASONS_PYDICOM_FAILS = {"test_files/badVR.dcm": "Number of Frames is 1A, for which it raises"}


@pytest.mark.parametrize("name", wheel.sound_names())
def test_the_same_json_as_pydicom(name: str) -> None:
    data = wheel.path_of(name).read_bytes()
    if name in REASONS_PYDICOM_FAILS:
        with pytest.raises(ValueError, match="invalid literal"):
            pydicom_json(data)
        return
    assert list(differences("", header_of(data).dicom_json, pydicom_json(data))) == []


# A corpus of real files, where there is one.

CORPUS = os.environ.get("CORPUS_DIR")
REFUSED_IN_CORPUS = {
    "pydicom__pydicom/test_files/dicomdirtests/DICOMDIR": "dicomdir",
    "pydicom__pydicom/test_files/ExplVR_LitEndNoMeta.dcm": "not-dicom",
    "pydicom__pydicom/test_files/no_meta.dcm": "not-dicom",
    "pydicom__pydicom/test_files/MR_truncated.dcm": "truncated",
    "pydicom__pydicom/test_files/rtplan_truncated.dcm": "length-beyond-file",
    "pydicom__pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm": "truncated",
    "derived/malformed/dicm_then_garbage.dcm": "no-transfer-syntax",
    "pydicom__deid/examples/deid/deid.dicom": "not-dicom",
    "microsoft__InnerEye-Gateway/Images/1ValidSmall/1.dcm": "too-short",
    "open-dicom__dicom_parser/rsfmri_mime/not_dcm.dcm": "empty-file",
    "derived/lookalike/html_error.dcm": "not-dicom",
    "derived/lookalike/gzip_of_dicom.dcm": "not-dicom",
}


def corpus_rows() -> list[dict[str, str]]:
    if CORPUS is None:
        return []
    with (Path(CORPUS) / "manifest.tsv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter="\t"))


@pytest.mark.parametrize("row", corpus_rows(), ids=lambda row: row["path"])
def test_the_corpus_as_its_manifest_says(row: dict[str, str]) -> None:
    assert CORPUS is not None
    data = (Path(CORPUS) / row["path"]).read_bytes()
    if row["path"] in REFUSED_IN_CORPUS:
        with pytest.raises(DicomFault) as caught:
            header_of(data)
        assert caught.value.code == REFUSED_IN_CORPUS[row["path"]]
        return
    header = header_of(data)
    charset = header.dicom_json.get("00080005", {}).get("Value", [])
    found = {
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "modality": header.modality,
        "rows": header.rows,
        "cols": header.columns,
        "bits_allocated": header.bits_allocated,
        "bits_stored": header.bits_stored,
        "pixel_representation": header.pixel_representation,
        "photometric_interpretation": header.photometric_interpretation,
        "charset": "\\".join(term or "" for term in charset),
        "has_pixel_data": "y" if header.has_pixel_data else "n",
    }
    assert {name: "" if value is None else str(value) for name, value in found.items()} == {
        name: row[name] for name in found
    }
    if row["frames"].isdecimal():
        assert header.frames == int(row["frames"])
