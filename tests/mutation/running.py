"""Running tests in a throw-away copy of the tree, in which a mutant can do no harm."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from itertools import count
from pathlib import Path

from tests.mutation.mutants import Mutant

TEST_SECONDS = 60
RUN_SECONDS = 600
"""Bounds for one test, and for all of one mutant: many mistakes make a test wait for ever."""


class Verdict(Enum):
    """What a run of tests came to."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    """No verdict: the tests could not even be collected."""


class Copy:
    """A copy of the working tree, as git sees it: what is ignored stays behind."""

    def __init__(self, tree: Path, folder: Path) -> None:
        """Copy `tree` into `folder`, which is empty and private."""
        self.root = folder / "tree"
        self._scratch = folder / "scratch"
        self._times = count(1_000_000_000)
        listed = subprocess.run(
            ["git", "-C", tree, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (tree / name).is_file():  # neither deleted nor a linked folder
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, self.root / name)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The mutant's file is wrong within the block. Raises TextNotFound."""
        path = self.root / mutant.path
        source = path.read_text()
        self._write(path, mutant.applied_to(source))
        try:
            yield
        finally:
            self._write(path, source)

    def test(self, tests: Sequence[str]) -> tuple[Verdict, str]:
        """Run tests up to the first failure: the verdict, and what pytest printed."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "--disable-warnings"]
        command += ["-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}", "--hypothesis-seed=0"]
        process = subprocess.Popen(
            [*command, f"--basetemp={self._scratch}", *tests],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            return Verdict.FAILED, f"no end within {RUN_SECONDS} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the servers of the tests end with it
                process.communicate()
        return {0: Verdict.PASSED, 1: Verdict.FAILED}.get(process.returncode, Verdict.BROKEN), output

    def _write(self, path: Path, source: str) -> None:
        """Write a file that no compiled one is taken for: these are told by time in seconds, and size."""
        path.write_text(source)
        now = next(self._times)
        os.utime(path, (now, now))
