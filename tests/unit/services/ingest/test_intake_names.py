"""File names as senders give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.intake import clean_file_name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        (None, ""),
        ("", ""),
        ("slice 1.dcm", "slice 1.dcm"),
        ("C:\\scans\\a.dcm", "a.dcm"),
        ("../../etc/passwd", "passwd"),
        ("folder/", "folder"),
        ("bad\r\nname\0.dcm", "badname.dcm"),
        ("año.dcm", "año.dcm"),
    ],
)
def test_the_last_component_without_control_characters(given_name: str | None, kept: str) -> None:
    assert clean_file_name(given_name) == kept


@given(st.text(max_size=600))
def test_any_name_becomes_harmless(name: str) -> None:
    kept = clean_file_name(name)
    assert len(kept) <= 255
    assert "/" not in kept
    assert kept.isprintable()
