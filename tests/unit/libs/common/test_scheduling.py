"""Services wait for their turns, and so does what they start; whoever chose another policy keeps it.

Workers go behind them, by the niceness of the process and of a session that is its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, subprocess, sys, threading
policy = os.sched_getscheduler
os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
{before}
from libs.common.scheduling import wait_for_turns
wait_for_turns()
told = [policy(0)]
thread = threading.Thread(target=lambda: told.append(policy(0)))
thread.start()
thread.join()
ask = "import os; print(os.sched_getscheduler(0))"
print(*told, int(subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True).stdout))
"""


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", os.SCHED_BATCH),
        ("os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))", os.SCHED_IDLE),
        ("del os.SCHED_BATCH", os.SCHED_OTHER),
    ],
)
def test_policy_of_the_process_its_threads_and_children(before: str, expected: int) -> None:
    script = SCRIPT.format(before=before)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(expected)] * 3


WAY = """
import os
from pathlib import Path
from libs.common.scheduling import give_way
give_way({steps})
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text().split()[-1] if group.exists() else "none")
"""


@pytest.mark.parametrize(("steps", "leads", "of_session"), [(5, True, "5"), (5, False, "0"), (0, True, "0")])
def test_whoever_gives_way_does_so_as_a_session_of_its_own_too(
    steps: int, leads: bool, of_session: str
) -> None:
    alone = [sys.executable, "-c", WAY.format(steps=steps)]
    # Of a session whose leader is somebody else, nothing but the process is changed.
    led = [sys.executable, "-c", f"import subprocess; subprocess.run({alone!r}, check=True)"]
    ran = subprocess.run(
        alone if leads else led, capture_output=True, text=True, check=True, start_new_session=True
    )
    nice, session = ran.stdout.split()
    assert int(nice) == min(os.nice(0) + steps, 19)
    assert session == (of_session if Path("/proc/self/autogroup").exists() else "none")
