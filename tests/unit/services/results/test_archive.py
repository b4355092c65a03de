"""ZIP archives: names that no system takes amiss, and bytes that others can read."""

from __future__ import annotations

import io
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.results.studies.archive import Names, ZipStream, safe_name, series_folder

MOMENT = datetime(2026, 1, 31, 12, 0, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IM0262", "IM0262"),
        ("corte 1.dcm", "corte 1.dcm"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", ""),
        (". .", ""),
        ("/abs", "_abs"),
        ("C:\\x", "C__x"),
        ("nul", "_nul"),
        ("COM1.dcm", "_COM1.dcm"),
        ("com10", "com10"),
        ("a\x00b\nc\u202etxt", "a b c txt"),
        ("tail. ", "tail"),
        ("Pulmo\u0301n", "Pulmón"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_are_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text())
def test_no_name_leads_anywhere(text: str) -> None:
    name = safe_name(text)
    if name:
        for path in (PurePosixPath(name), PureWindowsPath(name)):
            assert path.parts == (name,)
            assert not path.is_absolute()
        assert not PureWindowsPath(name).is_reserved()
        assert name not in (".", "..")
        assert safe_name(name) == name


def test_folders_tell_their_series() -> None:
    assert series_folder(4, "CT", "axial 5.0") == "004 CT axial 5.0"
    assert series_folder(None, None, None) == "series"
    assert series_folder(None, "MR", "../x") == "MR .._x"


def test_names_are_given_once() -> None:
    names = Names()
    taken = [
        names.take(name) for name in ("a/x.dcm", "a/X.DCM", "a/x.dcm", "b/x.dcm", "IM1", "im1", ".x", ".x")
    ]
    assert taken == ["a/x.dcm", "a/X (2).DCM", "a/x (3).dcm", "b/x.dcm", "IM1", "im1 (2)", ".x", ".x (2)"]


def made(entries: dict[str, bytes]) -> bytes:
    stream, out = ZipStream(), io.BytesIO()
    for name, content in entries.items():
        out.write(stream.begin(name, len(content), MOMENT))
        for start in range(0, len(content), 7):
            out.write(stream.add(content[start : start + 7]))
        out.write(stream.end())
    out.write(stream.close())
    return out.getvalue()


@pytest.mark.parametrize("limit", [None, 20])
def test_archives_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    """With a low limit, everything is written as what lies beyond 4 GiB is."""
    entries = {"001 CT/a.dcm": b"first" * 50, "001 CT/Pulmón.dcm": b"second" * 9, "empty": b"", "last": b"x"}
    with monkeypatch.context() as patched:
        if limit is not None:
            patched.setattr(zipfile, "ZIP64_LIMIT", limit)
        body = made(entries)
    assert (b"PK\x06\x06" in body) == (limit is not None)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == entries
        assert archive.infolist()[0].date_time == (2026, 1, 31, 12, 0, 6)
    path = tmp_path / "a.zip"
    path.write_bytes(body)
    done = subprocess.run(["python3", "-m", "zipfile", "-t", str(path)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_more_entries_than_a_plain_directory_holds() -> None:
    body = made({f"{number}": b"" for number in range(65_540)})
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert len(archive.namelist()) == 65_540


def test_what_is_sent_is_not_kept() -> None:
    stream = ZipStream()
    stream.begin("a", 10 << 20, None)
    for _ in range(10):
        assert len(stream.add(bytes(1 << 20))) == 1 << 20
    assert len(stream.end()) < 100
    stream.close()


def test_an_archive_may_be_broken_off() -> None:
    stream = ZipStream()
    stream.begin("a", 100, None)
    stream.close()
