"""Services wait for their turns, and so does what they start; whoever chose another policy keeps it."""

from __future__ import annotations

import os
import subprocess
import sys

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
