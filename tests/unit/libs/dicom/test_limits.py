"""The caps on one header, each exactly where it says."""

from __future__ import annotations

import time

import pytest

from libs.dicom.faults import DicomFault
from libs.dicom.parse.limits import Budget, HeaderLimits


def code_of(refused: pytest.ExceptionInfo[DicomFault]) -> str:
    return refused.value.code


def test_as_many_elements_as_allowed() -> None:
    budget = Budget(HeaderLimits(max_elements=3))
    for _ in range(3):
        budget.element()
    with pytest.raises(DicomFault) as refused:
        budget.element()
    assert code_of(refused) == "too-many-elements"


def test_as_many_bytes_and_values_as_allowed() -> None:
    budget = Budget(HeaderLimits(max_bytes=10, max_values=5))
    budget.element(9, 4)
    budget.size(1, 1)
    with pytest.raises(DicomFault) as refused:
        budget.size(1)
    assert code_of(refused) == "header-too-large"
    budget = Budget(HeaderLimits(max_bytes=10, max_values=5))
    budget.element(1, 5)
    with pytest.raises(DicomFault) as refused:
        budget.size(0, 1)
    assert code_of(refused) == "header-too-large"


def test_as_deep_as_allowed() -> None:
    budget = Budget(HeaderLimits(max_depth=2))
    budget.depth(2)
    with pytest.raises(DicomFault) as refused:
        budget.depth(3)
    assert code_of(refused) == "header-too-deep"


@pytest.mark.parametrize(("elements", "size"), [(64, 0), (1, 5000)])
def test_the_clock_is_looked_at_every_so_often_and_after_a_long_value(
    monkeypatch: pytest.MonkeyPatch, elements: int, size: int
) -> None:
    budget = Budget(HeaderLimits())
    monkeypatch.setattr(time, "thread_time", lambda: float("inf"))
    for _ in range(elements - 1):
        budget.element(size)
    with pytest.raises(DicomFault) as refused:
        budget.element(size)
    assert code_of(refused) == "header-deadline"
