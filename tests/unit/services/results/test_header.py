"""What a header tells in columns; strange ones tell less, and never raise."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.results.write.header import (
    SEARCH_CHARACTERS,
    SERIES,
    STUDY,
    TEXT_CHARACTERS,
    TYPES,
    columns_of,
)

HEADER: dict[str, Any] = {
    "00080020": {"vr": "DA", "Value": ["20260131"]},
    "00080030": {"vr": "TM", "Value": ["123456.5"]},
    "00080050": {"vr": "SH", "Value": ["ACC-1"]},
    "00080070": {"vr": "LO", "Value": ["ACME"]},
    "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Weiß^Änne"}]},
    "00081010": {"vr": "SH", "Value": ["ROOM 3"]},
    "00081030": {"vr": "LO", "Value": ["Tórax"]},
    "0008103E": {"vr": "LO", "Value": ["axial 5.0"]},
    "00081090": {"vr": "LO", "Value": ["Scanner 3000"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    "00100020": {"vr": "LO", "Value": [" P1 "]},
    "00100030": {"vr": "DA", "Value": ["1980.02.29"]},
    "00100040": {"vr": "CS", "Value": ["F"]},
    "00180015": {"vr": "CS", "Value": ["CHEST"]},
    "00200010": {"vr": "SH", "Value": ["S1"]},
    "00200011": {"vr": "IS", "Value": [4]},
    "00200013": {"vr": "IS", "Value": ["12"]},
    "00200032": {"vr": "DS", "Value": [1, 2.5, "-3e1"]},
    "00200037": {"vr": "DS", "Value": [1, 0, 0, 0, 1, 0]},
}


def text(value: object, vr: str = "LO") -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def test_every_column_is_taken_from_its_element() -> None:
    assert columns_of(HEADER, "Imagen.DCM") == {
        "patient_name": "Yamada^Tarou",
        "patient_id": "P1",
        "patient_birth_date": "1980-02-29",
        "patient_sex": "F",
        "study_date": "2026-01-31",
        "study_time": "12:34:56.500000",
        "accession_number": "ACC-1",
        "study_id": "S1",
        "study_description": "Tórax",
        "referring_physician_name": "Weiß^Änne",
        "series_description": "axial 5.0",
        "series_number": 4,
        "body_part_examined": "CHEST",
        "instance_number": 12,
        "image_position": [1.0, 2.5, -30.0],
        "image_orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "search": "yamada tarou 山田 太郎 weiß anne p1 acc-1 s1 torax axial 5.0 acme scanner 3000 room 3 "
        "imagen.dcm",
        "device": "ACME Scanner 3000",
        "patient": "yamada tarou p1",
        "patient_names": "\nyamada tarou\n山田 太郎\n",
        "physician_names": "\nweiß anne\n",
        "procedure_step_date": None,
        "procedure_step_time": None,
        "scheduled_step_ids": None,
        "requested_procedure_ids": None,
    }


def test_the_tables_of_studies_and_series_name_columns_that_are() -> None:
    assert {*STUDY, *SERIES} < TYPES.keys()


@pytest.mark.parametrize(
    ("tag", "column", "value", "expected"),
    [
        ("00100030", "patient_birth_date", "00000000", None),
        ("00100030", "patient_birth_date", "19800230", None),
        ("00100030", "patient_birth_date", "1980", None),
        ("00100030", "patient_birth_date", "19800229-19800301", None),
        ("00080030", "study_time", "12", "12:00:00"),
        ("00080030", "study_time", "1234", "12:34:00"),
        ("00080030", "study_time", "12:34:56", "12:34:56"),
        ("00080030", "study_time", "235960", "23:59:59"),
        ("00080030", "study_time", "240000", None),
        ("00080030", "study_time", "1", None),
        ("00200013", "instance_number", 3.0, 3),
        ("00200013", "instance_number", 3.5, None),
        ("00200013", "instance_number", True, None),
        ("00200013", "instance_number", "1e3", None),
        ("00200013", "instance_number", 2**63, None),
        ("00200013", "instance_number", 2**63 - 1, 2**63 - 1),
        ("00100020", "patient_id", "a\x00b\ud800c\x1b", "abc"),
        ("00100020", "patient_id", "  ", None),
        ("00100020", "patient_id", 7, None),
        ("00100010", "patient_name", "Plain^Text", "Plain^Text"),
        ("00100010", "patient_name", {"Phonetic": "やまだ"}, "やまだ"),
        ("00100010", "patient_name", {"Alphabetic": None}, None),
        ("00200032", "image_position", 1.0, None),
    ],
)
def test_strange_values(tag: str, column: str, value: object, expected: object) -> None:
    assert columns_of({tag: text(value)}, None)[column] == expected


@pytest.mark.parametrize(
    "values", [[1, 2], [1, 2, 3, 4], [1, 2, "x"], [1, 2, None], [1, 2, float("nan")], [1, 2, 10**400]]
)
def test_a_position_is_three_finite_numbers(values: list[Any]) -> None:
    assert columns_of({"00200032": {"vr": "DS", "Value": values}}, None)["image_position"] is None


def test_texts_are_bounded() -> None:
    columns = columns_of({tag: text("x" * 5000) for tag in HEADER}, "y" * 5000)
    assert len(columns["patient_id"]) == TEXT_CHARACTERS
    assert len(columns["search"]) == SEARCH_CHARACTERS


@pytest.mark.parametrize("dicom", [None, [], "x", 3, {}, {"00100020": None}, {"00100020": {"Value": {}}}])
def test_no_header_tells_nothing(dicom: object) -> None:
    columns = columns_of(dicom, None)
    assert columns.keys() == TYPES.keys()
    assert set(columns.values()) == {None, ""}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
values = anything | st.sampled_from(["20260131", "1234", "2026.01.31", "\x00", "\ud800", "-5"])
elements = st.fixed_dictionaries(
    {"vr": st.just("LO")}, optional={"Value": st.lists(values, max_size=6) | values}
)
headers = st.dictionaries(st.sampled_from(list(HEADER)), elements | anything)


@given(headers | anything, st.none() | st.text(st.characters(), max_size=20))
def test_whatever_it_is_it_never_raises_and_can_be_stored(dicom: object, file_name: str | None) -> None:
    columns = columns_of(dicom, file_name)
    assert columns.keys() == TYPES.keys()
    said = orjson.dumps(columns)
    assert b"\\u0000" not in said
    for name, type_ in TYPES.items():
        value = columns[name]
        if value is None:
            continue
        if type_ == "date":
            date.fromisoformat(value)
        elif type_ == "time":
            time.fromisoformat(value)
        elif type_ == "bigint":
            assert abs(value) < 2**63
        elif type_ == "text":
            assert len(value) <= SEARCH_CHARACTERS
