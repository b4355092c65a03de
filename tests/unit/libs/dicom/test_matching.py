"""Query strings of QIDO-RS as conditions."""

from __future__ import annotations

import contextlib
from datetime import date, time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.dicom.web.matching import (
    AttributeSearch,
    DateMatch,
    Matching,
    NameMatch,
    NameWordsMatch,
    NumberMatch,
    TextMatch,
    TimeMatch,
    UidMatch,
    UnreadableQuery,
    parse_search,
)
from libs.dicom.web.searching import LEVELS, RETURNED, SEARCHED, keyword_of, path_of, vr_of

LAST = 999_999


def parse(query: str, level: str = "instance") -> AttributeSearch:
    assert level in LEVELS
    return parse_search(parse_qsl(query, keep_blank_values=True), level)


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("PatientID=P-1", TextMatch(("P-1",))),
        ("00100020=P-1", TextMatch(("P-1",))),
        ("00100020= P%2A%3F ", TextMatch(("P*?",))),
        ("PatientID=A%5CB", TextMatch(("A", "B"))),
        ("PatientID=A,B", TextMatch(("A,B",))),
        ("PatientID=", None),
        ("PatientID=*", None),
        ("PatientID=**", None),
        ("PatientName=*doe*", NameMatch(("*doe*",))),
        ("PatientName=Doe^J%C3%B6rg", NameMatch(("Doe^Jörg",))),
        ("PatientName=doe+j&fuzzymatching=true", NameWordsMatch(("doe", "j"))),
        ("PatientName=doe^j*&fuzzymatching=TRUE", NameWordsMatch(("doe", "j*"))),
        ("PatientName=*&fuzzymatching=true", None),
        ("PatientName=^&fuzzymatching=true", None),
        ("ModalitiesInStudy=CT,MR", TextMatch(("CT", "MR"))),
        ("ModalitiesInStudy=CT%2CMR", TextMatch(("CT", "MR"))),
        ("ModalitiesInStudy=CT%5CMR", TextMatch(("CT", "MR"))),
        ("ModalitiesInStudy=CT&ModalitiesInStudy=MR", TextMatch(("CT", "MR"))),
        ("00080061=CT", TextMatch(("CT",))),
        ("StudyInstanceUID=1.2,1.3%5C1.4", UidMatch(("1.2", "1.3", "1.4"))),
        ("0020000d=1.2", UidMatch(("1.2",))),
        ("StudyInstanceUID=", None),
        ("SeriesNumber=3", NumberMatch((3,))),
        ("SeriesNumber=-3%5C007", NumberMatch((-3, 7))),
        ("StudyDate=20260131", DateMatch(date(2026, 1, 31), date(2026, 1, 31))),
        ("StudyDate=2026.01.31", DateMatch(date(2026, 1, 31), date(2026, 1, 31))),
        ("StudyDate=20260101-20260131", DateMatch(date(2026, 1, 1), date(2026, 1, 31))),
        ("StudyDate=20260101-", DateMatch(date(2026, 1, 1), None)),
        ("StudyDate=-20260131", DateMatch(None, date(2026, 1, 31))),
        ("StudyDate=", None),
        ("StudyDate=*", None),
        ("StudyTime=10", TimeMatch(time(10), time(10, 59, 59, LAST))),
        ("StudyTime=1030-11", TimeMatch(time(10, 30), time(11, 59, 59, LAST))),
        ("StudyTime=10:30:15", TimeMatch(time(10, 30, 15), time(10, 30, 15, LAST))),
        ("StudyTime=103015.25", TimeMatch(time(10, 30, 15, 250_000), time(10, 30, 15, 259_999))),
        ("StudyTime=-235960", TimeMatch(None, time(23, 59, 59, LAST))),
        ("RequestAttributesSequence.ScheduledProcedureStepID=A", TextMatch(("A",))),
        ("00400275.00400009=A", TextMatch(("A",))),
    ],
)
def test_values_become_conditions(query: str, condition: Matching | None) -> None:
    (wanted,) = parse(query).wanted
    assert wanted.condition == condition


@pytest.mark.parametrize(
    "query",
    [
        "PatientNam=x",
        "0010002=x",
        "0010002G=x",
        "PatientID=a&PatientID=b",
        "PatientID=a%00",
        "StudyDate=2026",
        "StudyDate=20261331",
        "StudyDate=-",
        "StudyDate=20260101-20260131-",
        "StudyTime=25",
        "StudyTime=1",
        "StudyTime=-",
        "SeriesNumber=x",
        "PatientID=" + "%5C".join(map(str, range(101))),
        "SeriesNumber=1*",
        "StudyInstanceUID=1.2*",
        "StudyInstanceUID=" + "1" * 65,
        "limit=-1",
        "limit=x",
        "limit=1&limit=2",
        "offset=1.5",
        "fuzzymatching=yes",
    ],
)
def test_what_cannot_be_read_says_so(query: str) -> None:
    with pytest.raises(UnreadableQuery) as caught:
        parse(query)
    assert str(caught.value).endswith(".")


def test_paging_and_further_attributes() -> None:
    search = parse("limit=5&offset=10&includefield=00081030,PatientAge&includefield=Rows", "study")
    assert (search.limit, search.offset, search.everything) == (5, 10, False)
    assert search.included == {"00081030", "00101010", "00280010"}
    assert parse("").limit is None
    assert parse("includefield=all").everything
    assert parse("includefield=RequestAttributesSequence.ScheduledProcedureStepID").included == {"00400275"}


def test_what_is_not_supported_is_told_and_changes_nothing() -> None:
    search = parse("Modality=CT&PatientAge=7&orderby=x&includefield=Unheard&_=17&accept=a/b", "study")
    assert search.wanted == ()
    assert search.ignored == ("orderby", "Modality", "PatientAge", "includefield Unheard")
    assert parse('so"\r\nX=1').ignored == ("so???X",)


def test_a_search_takes_the_keys_of_the_levels_above() -> None:
    for level, names in (("study", {"PatientID"}), ("series", {"PatientID", "Modality"})):
        found = parse("PatientID=1&Modality=CT&SOPInstanceUID=1.2", level).wanted
        assert {keyword_of(wanted.path) for wanted in found} == names


def test_attributes_are_in_the_dictionary() -> None:
    for level in LEVELS:
        for path in SEARCHED[level]:
            assert path_of(keyword_of(path)) == path
        assert all(vr_of(tag) != "UN" for tag in RETURNED[level])
    assert path_of("PatientName.Nothing") is None
    assert vr_of("00091001") == "UN"
    assert keyword_of(("00091001",)) == "00091001"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([keyword_of(path) for level in LEVELS for path in SEARCHED[level]])
            | st.sampled_from(["limit", "offset", "includefield", "fuzzymatching"])
            | st.text(max_size=12),
            st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
            | st.from_regex(r"[0-9*?,\\.-]{0,20}"),
        ),
        max_size=6,
    )
)
def test_anything_is_read_or_refused(parameters: list[tuple[str, str]]) -> None:
    for level in LEVELS:
        with contextlib.suppress(UnreadableQuery):
            search = parse_search(parameters, level)
            assert all(text.isascii() and text.isprintable() for text in search.ignored)
