"""Run what failed once more, alone: `python -m tests.again STATUS -m "…"`, STATUS being how pytest ended.

A few tests that fail beside five hundred seconds of others and pass alone say that they depend on load, which
is worth mending and no reason to refuse a change. They are named at the end. What fails twice fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")
TESTS_FAILED = 1
"""pytest's exit code; all others mean that it could not do its work (pytest's reference, Exit codes)."""
MOST = 3
"""More than these are no accident."""


def failed_before(cache: Path = FAILED) -> list[str]:
    """Node ids of the tests that failed at the last run; none where there was no run."""
    try:
        return sorted(json.loads(cache.read_text()))
    except FileNotFoundError:
        return []


def run_again(status: int, arguments: Sequence[str]) -> int:
    """The exit code of all: `status` where trying again has no meaning, else that of those that failed."""
    failed = failed_before()
    if status != TESTS_FAILED or not 0 < len(failed) <= MOST:
        return status
    command = [sys.executable, "-m", "pytest", "--last-failed", "--last-failed-no-failures=none", *arguments]
    done = subprocess.run(command, check=False)
    if done.returncode == 0:
        print("Failed beside other tests, passed alone; mend what makes them depend on load:")
        print("".join(f"  {name}\n" for name in failed), end="", flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(run_again(int(sys.argv[1]), sys.argv[2:]))
