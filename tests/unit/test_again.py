"""What failed beside others is run once more, and only what passes then is forgiven."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import run_again

ONCE = """
from pathlib import Path

def test_depends_on_load():
    flag = Path("tried")
    tried = flag.exists()
    flag.touch()
    assert tried

def test_passes():
    assert not Path("passed").exists()
    Path("passed").touch()
"""
ALWAYS = "def test_broken():\n    raise AssertionError\n"


def first_run(folder: Path) -> int:
    """How pytest ends in `folder`, which becomes the current one's cache."""
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take seconds to import
    return tmp_path


def test_what_passes_alone_is_named_and_forgiven(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "test_once.py").write_text(ONCE)
    assert run_again(first_run(folder), ["--rootdir", str(folder)]) == 0
    told = capfd.readouterr().out
    assert told.rstrip().endswith("test_once.py::test_depends_on_load")
    assert "test_passes" not in told


def test_what_fails_twice_fails(folder: Path) -> None:
    (folder / "test_once.py").write_text(ONCE)
    (folder / "test_always.py").write_text(ALWAYS)
    assert run_again(first_run(folder), ["--rootdir", str(folder)]) == 1


def test_many_failures_are_no_accident(folder: Path) -> None:
    names = [f"a{number}" for number in range(4)]
    (folder / "test_once.py").write_text("\n".join(ALWAYS.replace("broken", name) for name in names))
    status = first_run(folder)
    for name in names:
        (folder / "test_once.py").write_text(f"def test_{name}(): pass\n")
    assert run_again(status, ["--rootdir", str(folder)]) == 1


@pytest.mark.parametrize("status", [2, 3, 4, 5])
def test_other_endings_are_not_tried_again(folder: Path, status: int) -> None:
    (folder / "test_once.py").write_text(ONCE)
    first_run(folder)
    assert run_again(status, ["--rootdir", str(folder)]) == status
    assert run_again(1, ["--rootdir", str(folder)]) == 0


def test_where_nothing_is_known_nothing_is_tried(folder: Path) -> None:
    assert run_again(1, ["--rootdir", str(folder)]) == 1
