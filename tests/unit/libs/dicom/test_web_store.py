"""The Store Instances Response: its sequences, statuses and reasons; what the beginning of a file tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.dicom.web.identify import BEGINNING, identify
from libs.dicom.web.store import (
    CANNOT_UNDERSTAND,
    FAILURES,
    NOT_OF_ITS_CLASS,
    OTHER_STUDY,
    WARNINGS,
    FailedInstance,
    StoredInstance,
    store_response,
    store_status,
)
from tests.builders import CT_IMAGE_STORAGE, UID_ROOT, ct_instance, without_preamble

STORED = StoredInstance(CT_IMAGE_STORAGE, "1.2.3", "1.2", "https://x/1.2.3")
WARNED = StoredInstance(CT_IMAGE_STORAGE, "1.2.4", "1.2", "https://x/1.2.4", NOT_OF_ITS_CLASS)
KNOWN = FailedInstance(CT_IMAGE_STORAGE, "1.2.5", OTHER_STUDY)
UNKNOWN = FailedInstance(None, None, CANNOT_UNDERSTAND)


@pytest.mark.parametrize(
    ("stored", "failed", "status"),
    [
        ([STORED], [], 200),
        ([STORED, WARNED], [], 202),
        ([STORED], [KNOWN], 202),
        ([], [KNOWN], 409),
        ([], [UNKNOWN, KNOWN], 409),
    ],
)
def test_the_status_says_all_some_or_none(
    stored: list[StoredInstance], failed: list[FailedInstance], status: int
) -> None:
    assert store_status(stored, failed) == status


def test_sequences_are_there_when_they_hold_something() -> None:
    assert store_response([STORED], [], None).keys() == {"00081190", "00081199"}
    assert store_response([], [KNOWN], None).keys() == {"00081190", "00081198"}
    response = store_response([STORED, WARNED], [UNKNOWN, KNOWN], "https://x/studies/1.2")
    assert response.keys() == {"00081190", "00081198", "00081199", "0008119A"}
    assert response["00081190"]["Value"] == ["https://x/studies/1.2"]
    plain, warned = response["00081199"]["Value"]
    assert "00081196" not in plain
    assert warned["00081196"] == {"vr": "US", "Value": [0xB007]}
    assert response["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    (known,) = response["00081198"]["Value"]
    assert known["00081155"]["Value"] == ["1.2.5"]
    assert known["00081197"]["Value"] == [0xA901]


def test_a_class_that_could_not_be_read_is_an_empty_attribute() -> None:
    response = store_response([], [FailedInstance(None, "1.2.5", OTHER_STUDY)], None)
    assert response["00081198"]["Value"][0]["00081150"] == {"vr": "UI"}


def test_every_reason_is_of_a_class_that_the_standard_has() -> None:
    for reason in FAILURES:
        assert reason >> 12 in (0xA, 0xC) or reason in (0x0110, 0x0111, 0x0122)
    assert all(reason >> 12 == 0xB for reason in WARNINGS)


def test_the_beginning_names_the_instance() -> None:
    named = (CT_IMAGE_STORAGE, f"{UID_ROOT}.4.7")
    assert identify(ct_instance(seed=7)[:BEGINNING]) == named
    assert identify(without_preamble(ct_instance(seed=7))[:BEGINNING]) == named
    # Cut inside the UID: half of one is none.
    assert identify(ct_instance(seed=7)[:200])[1] is None


@given(st.binary(max_size=400))
def test_whatever_a_beginning_holds(content: bytes) -> None:
    identify(content)
    found = identify(ct_instance()[:132] + content)
    assert all(uid is None or len(uid) <= 64 for uid in found)
