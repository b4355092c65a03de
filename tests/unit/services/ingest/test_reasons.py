"""Failure Reasons: each fault that refuses a file has one of the standard's numbers."""

from __future__ import annotations

import pytest

from libs.common.errors import (
    Conflict,
    DicomSystemError,
    InvalidContent,
    InvalidRequest,
    ObjectCorrupt,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from libs.dicom.web.store import FAILURES
from services.ingest.stow.reasons import _REASONS, failure_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Conflict("x"), 0x0111),
        (TooLarge("x"), 0xA700),
        (Unavailable("x"), 0xA700),
        (ObjectCorrupt("x"), 0xA700),
        (UnsupportedType("x"), 0x0110),
        (InvalidRequest("x"), 0x0110),
        (InvalidContent("x", code="not-dicom"), 0xC000),
        (InvalidContent("x", code="truncated"), 0xC000),
        (InvalidContent("x", code="missing-uid"), 0xA900),
        (InvalidContent("x", code="another-study"), 0xA901),
        (InvalidContent("x", code="unknown-transfer-syntax"), 0xC122),
        (InvalidContent("x", code="too-large-when-decoded"), 0xA700),
        (InvalidContent("x", code="dicomdir"), 0x0122),
    ],
)
def test_reasons(error: DicomSystemError, reason: int) -> None:
    assert failure_reason(error) == reason
    assert reason in FAILURES


def test_all_of_them_are_explained() -> None:
    assert set(_REASONS.values()) <= set(FAILURES)
