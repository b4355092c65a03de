"""`make mutation`: see that the tests notice each mistake of a list (ARGS="outbox dicom/parse" for some).

Prints one line per mutant and a summary. Exit status 1 if one survived, if one that is listed as equivalent
was noticed, or if the list does not fit the code any more.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from libs.postgresql.embedded import EmbeddedPostgres
from tests.mutation import mutants
from tests.mutation.mutants import Mutant, TextNotFound
from tests.mutation.running import Copy, Verdict, import_libraries

ROOT = Path(__file__).resolve().parents[2]
NICENESS = 10
HASTY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "300"}
"""Settings of PostgreSQL, which nobody needs after a power cut."""

KILLED, EQUIVALENT = "killed", "equivalent"
SURVIVED, NOT_EQUIVALENT = "SURVIVED", "NOT EQUIVALENT"
LOST, BROKEN = "TEXT NOT FOUND", "BROKEN"
SOUND = (KILLED, EQUIVALENT)


def run(tree: Path, found: Sequence[Mutant]) -> int:
    """Try each mutant in a copy of `tree`; the exit status."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Copy(tree, Path(folder))
        # A test that fails anyway would "notice" every mutant.
        if output := copy.failing(list(dict.fromkeys(test for mutant in found for test in mutant.tests))):
            print(output, "Mend the tests first: they do not pass without any mutant.", sep="\n")
            return 1
        for mutant in found:
            began = time.monotonic()
            outcome = judge(copy, mutant)
            outcomes[outcome] += 1
            took = time.monotonic() - began
            print(f"{outcome:15} {took:5.1f} s  {mutant.path}: {mutant.name}", flush=True)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    print(f"{len(found)} mutants: {told}")
    return 0 if set(outcomes) <= set(SOUND) else 1


def judge(copy: Copy, mutant: Mutant) -> str:
    """Run a mutant's tests on it, and say what became of it."""
    try:
        with copy.mutated(mutant):
            verdict, output = copy.test(mutant.tests)
    except TextNotFound:
        return LOST
    if verdict is Verdict.BROKEN:
        print(output)
        return BROKEN
    noticed = verdict is Verdict.FAILED
    if mutant.equivalent is not None:
        return NOT_EQUIVALENT if noticed else EQUIVALENT
    return KILLED if noticed else SURVIVED


def main(words: Sequence[str]) -> int:
    """Try the mutants that the words choose."""
    found = mutants.chosen(mutants.read(), words)
    if not found:
        print(f"No mutant is about {' or '.join(words)}.")
        return 1
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing stays behind
    import_libraries()
    with one_server():
        return run(ROOT, found)


@contextmanager
def one_server() -> Iterator[None]:
    """One PostgreSQL for all runs, unless TEST_DATABASE_URL names one: making it takes as long as a test."""
    if os.environ.get("TEST_DATABASE_URL"):
        yield
        return
    with (
        tempfile.TemporaryDirectory(prefix="mutation-") as folder,
        EmbeddedPostgres(Path(folder), HASTY) as server,
    ):
        os.environ["TEST_DATABASE_URL"] = server.url("postgres")
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
