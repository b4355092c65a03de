"""Names and relative paths of files, as senders give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.names import FOLDER_CHARACTERS, clean_file_name, clean_folder


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


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        (None, None),
        ("", None),
        ("a.dcm", None),
        ("CD 3/SERIES01/IM1", "CD 3/SERIES01"),
        ("CD 3\\SERIES01\\IM1", "CD 3/SERIES01"),
        ("folder/sub/", "folder"),
        ("./a//b/../c/IM1", "a/b/c"),
        ("../../etc/passwd", "etc"),
        (" año /\r\n/\u202eb\0/x", "año/b"),
        # Where on the sender's machine it lay is nobody's business.
        ("/home/maria/a.dcm", None),
        ("\\\\server\\share\\a.dcm", None),
        ("C:\\scans\\a.dcm", None),
    ],
)
def test_the_relative_path_before_the_name(given_name: str | None, kept: str | None) -> None:
    assert clean_folder(given_name) == kept


@given(st.lists(st.text(max_size=60) | st.sampled_from(["..", ".", ""]), max_size=40).map("/".join))
def test_any_path_becomes_harmless(name: str) -> None:
    kept = clean_folder(name)
    if kept is not None:
        assert 0 < len(kept) <= FOLDER_CHARACTERS
        assert kept.isprintable()
        assert not {"", ".", ".."} & set(kept.split("/"))
        assert clean_folder(f"{kept}/x") == kept
