"""Running tests in a throw-away copy of the tree, in which a mutant can do no harm.

Each run is a fork of this process: importing the libraries anew would take longer than most tests.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from tests.mutation.mutants import Mutant

TEST_SECONDS = 60
RUN_SECONDS = 600
WHOLE_SECONDS = 7200
"""Bounds for one test, all of one mutant, and all of all: many mistakes make a test wait for ever."""

LIBRARIES = (
    *("aio_pika", "aiohttp.test_utils", "argon2", "asyncpg", "cryptography.x509", "joserfc.jwt"),
    *("motor.motor_asyncio", "numpy", "opentelemetry.sdk.trace", "orjson", "PIL.Image", "prometheus_client"),
    *("pydantic_settings", "pydicom", "pymongo", "pytest", "_pytest.doctest"),
)
"""What most tests import; no plugin of pytest, which wants to rewrite those itself."""


class Verdict(Enum):
    """What a run of tests came to."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    """No verdict: the tests could not even be collected."""


_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)

VERDICTS = {0: Verdict.PASSED, 1: Verdict.FAILED}
"""By pytest's exit status."""


def import_libraries() -> None:
    """Do for all runs to come what each of them would do again."""
    for library in LIBRARIES:
        import_module(library)


class Copy:
    """A copy of the working tree, as git sees it: what is ignored stays behind."""

    def __init__(self, tree: Path, folder: Path) -> None:
        """Copy `tree` into `folder`, which is empty and private."""
        self.root = folder / "tree"
        self._scratch = folder / "scratch"
        self._output = folder / "output"
        self._trees = {tree.resolve(), Path.cwd()}
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
        self._own = {path.name.removesuffix(".py") for path in self.root.iterdir()}
        self._compiled = str(folder / "compiled")

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
        return self._run(["-x", *tests], RUN_SECONDS)

    def failing(self, tests: Sequence[str]) -> str:
        """What pytest prints of those that fail, also by themselves: one may have met a busy machine."""
        verdict, output = self._run(tests, WHOLE_SECONDS)
        if verdict is Verdict.FAILED and (failed := _FAILED.findall(output)):
            verdict, output = self._run(failed, WHOLE_SECONDS)
        return "" if verdict is Verdict.PASSED else output

    def _run(self, arguments: Sequence[str], seconds: float) -> tuple[Verdict, str]:
        child = os.fork()
        if child == 0:
            self._become_pytest(arguments)
        descriptor = os.pidfd_open(child)
        try:
            ended, _, _ = select.select([descriptor], [], [], seconds)
        finally:
            os.close(descriptor)
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # the servers of the tests end with it
            _, status = os.waitpid(child, 0)
        output = self._output.read_text(errors="replace")
        if not ended:
            return Verdict.FAILED, f"{output}\nno end within {seconds:g} s"
        return VERDICTS.get(os.waitstatus_to_exitcode(status), Verdict.BROKEN), output

    def _become_pytest(self, given: Sequence[str]) -> NoReturn:
        status = 3
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for number, path in ((0, os.devnull), (1, self._output), (2, self._output)):
                mode = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
                if number == 1:
                    mode |= os.O_TRUNC
                os.dup2(os.open(path, mode, 0o600), number)
            os.chdir(self.root)
            self._forget_tree()
            arguments = ["-q", "--tb=short", "--disable-warnings", "-p", "no:cacheprovider"]
            arguments += [f"--timeout={TEST_SECONDS}", "--hypothesis-seed=0", f"--basetemp={self._scratch}"]
            status = int(import_module("pytest").main([*arguments, *given]))
        finally:
            os._exit(status)

    def _forget_tree(self) -> None:
        """Import the copy from now on, compiled once for all runs; spawned processes too."""
        for name in list(sys.modules):
            if name.partition(".")[0] in self._own:
                del sys.modules[name]
        sys.modules["__main__"] = ModuleType("__main__")
        sys.path[:] = [
            str(self.root),
            *(entry for entry in sys.path if Path(entry).resolve() not in self._trees),
        ]
        sys.dont_write_bytecode, sys.pycache_prefix = False, self._compiled
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": self._compiled}
        os.environ["TEST_PATIENCE"] = "10"  # of tests that wait for what a mistake keeps from happening

    def _write(self, path: Path, source: str) -> None:
        """Write a file that no compiled one is taken for: these are told by time in seconds, and size."""
        path.write_text(source)
        now = next(self._times)
        os.utime(path, (now, now))
