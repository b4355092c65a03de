"""Which deadline a child has passed, as its parent counts: nothing that runs inside it can lift them."""

from __future__ import annotations

from libs.isolation.calls import ChildTimedOut
from libs.isolation.limits import ChildLimits
from libs.isolation.process import Child

START_SECONDS = 120.0
"""How long a child may take until it is ready."""


def overdue(child: Child, limits: ChildLimits, now: float) -> Exception | None:
    """Why it is to be ended. Asked again and again: CPU time is counted from the first look at a call."""
    if not child.started:
        return ChildTimedOut("a child was not ready in time") if now - child.since > START_SECONDS else None
    if not child.calls:
        child.watched = -1
        return None
    if child.watched != child.answered:
        child.watched, child.cpu = child.answered, child.cpu_seconds()
    elif child.cpu_seconds() - child.cpu > limits.cpu_seconds:
        return ChildTimedOut(f"the decoder took {limits.cpu_seconds:g} s of CPU time")
    if now - child.since > limits.wall_seconds:
        return ChildTimedOut(f"the decoder did not answer for {limits.wall_seconds:g} s")
    return None
