"""This machine's clock against those of the servers it speaks to."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.operator.doctor.report import Finding

NAME = "clock"
TOLERATED = timedelta(seconds=2)
"""Tokens and certificates are judged by the clock; so is the order of uploads, within one machine."""
ADVICE = "Synchronise the clocks of both machines (chrony, systemd-timesyncd)."


def judge(ours: datetime, theirs: datetime, who: str, doubt: timedelta) -> Finding:
    """Compare two readings; `doubt` is how far apart they were taken, and how coarse they are."""
    apart = max(abs(ours - theirs) - doubt, timedelta())
    seconds = apart.total_seconds()
    if apart > TOLERATED:
        return Finding(NAME, "problem", f"The clock differs from that of {who} by {seconds:.1f} s.", ADVICE)
    return Finding(NAME, "ok", f"The clock agrees with that of {who}.")
