"""How a process shares the cores of its machine with the others of the system."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def wait_for_turns() -> None:
    """Have this thread, and what it starts, interrupt nobody when it wakes (sched(7), SCHED_BATCH).

    Services, decoders and databases wake one another dozens of times a file. By default whoever wakes takes
    the core of whoever works there, who finds the caches full of other data afterwards. A core that is idle
    is had at once either way, and the share of each stays the same. Whoever started the process with another
    policy keeps it, and where the system has no such thing, or forbids it, nothing changes.
    """
    with contextlib.suppress(OSError, AttributeError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def give_way(steps: int) -> None:
    """Have this process, and what it starts, go so many steps of niceness behind others of the machine.

    Where no control group shares the cores, Linux shares them among sessions first, and niceness counts
    within one only (sched(7), autogroup): of a session that is this process's own, it is that of all. Ten
    steps are a tenth of the time beside somebody who wants it too; a core that is idle is had at once.
    """
    os.nice(steps)
    if steps and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # a kernel without it, or a container that forbids it
            Path("/proc/self/autogroup").write_text(str(steps), "ascii")
