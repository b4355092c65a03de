"""Kills the process right after a commit, for those with this folder on their PYTHONPATH.

`KILLED` is a file that says how many were killed so far; `KILL_AFTER` after how many files each is.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from services.ingest.accepting import Accepting
from services.results.write.handlers import Recorder

KILLED, AFTER = Path(os.environ["KILLED"]), [int(number) for number in os.environ["KILL_AFTER"].split(",")]

_committed = [0]
_accept, _commit = Accepting._accept, Recorder._commit


def _killed_when_due(files: int) -> None:
    """After the commit: nothing was published, nothing acknowledged."""
    _committed[0] += files
    killed = len(KILLED.read_bytes()) if KILLED.exists() else 0
    if killed < len(AFTER) and _committed[0] >= AFTER[killed]:
        with KILLED.open("ab") as counted:
            counted.write(b".")
        os.kill(os.getpid(), signal.SIGKILL)


async def _accepted(self: Accepting, connection: Any, given: Sequence[Any], places: Any) -> dict[Any, int]:
    rows = await _accept(self, connection, given, places)
    _killed_when_due(len(rows))
    return rows


async def _recorded(self: Recorder, reports: Sequence[Any]) -> None:
    await _commit(self, reports)
    _killed_when_due(len(reports))


setattr(Accepting, "_accept", _accepted)  # noqa: B010  mypy knows that it is a method
setattr(Recorder, "_commit", _recorded)  # noqa: B010  as above
