"""Which of a machine's interpreters the virtual environment is made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "infra/machine/interpreter.py"


def python(folder: Path, name: str, *, minor: int = 11, seconds: float = 1.0, fails: bool = False) -> str:
    """An interpreter that says this of itself."""
    path = folder / name
    said = "exit 1" if fails else f'printf "3\\t{minor}\\t{path}\\t{seconds}\\n"'
    path.write_text(f"#!/bin/sh\n{said}\n")
    path.chmod(0o755)
    return str(path)


def chosen(*pythons: str) -> str:
    told = subprocess.run([sys.executable, str(SCRIPT), *pythons], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_the_fastest_of_the_first_ones_version_is_taken(tmp_path: Path) -> None:
    plain = python(tmp_path, "plain", seconds=1.0)
    optimised = python(tmp_path, "optimised", seconds=0.6)
    newer = python(tmp_path, "newer", minor=13, seconds=0.1)
    assert chosen(plain, newer, optimised) == optimised
    assert chosen(newer, plain, optimised) == newer


def test_the_first_one_stays_where_none_is_clearly_faster(tmp_path: Path) -> None:
    first = python(tmp_path, "first", seconds=1.0)
    other = python(tmp_path, "other", seconds=0.95)
    assert chosen(first, other) == first


def test_what_does_not_run_is_passed_over(tmp_path: Path) -> None:
    broken, sound = python(tmp_path, "broken", fails=True), python(tmp_path, "sound")
    assert chosen(broken, sound) == sound
    none = subprocess.run([sys.executable, str(SCRIPT), broken], capture_output=True, check=False)
    assert none.returncode == 1


def test_a_real_one_is_measured() -> None:
    assert Path(chosen(sys.executable)).samefile(sys.executable)
