"""How many files each job may ask for now; pure.

All jobs together have so many files under way at most. A raised job is given all the room that there is; the
others share theirs evenly, whatever their age and size, and where there are fewer places than jobs, who has
waited longest is first: none of them waits for another to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Paced(NamedTuple):
    """A job, as far as its pace goes."""

    id: UUID
    under_way: int
    hungry: bool
    """Whether it has more to ask for."""
    raised_at: datetime | None
    idle_seconds: float
    """Since it asked for something last, or something of it ended."""


def allot(jobs: Sequence[Paced], at_once: int) -> dict[UUID, int]:
    """Places for each job that gets any, within `at_once` for all; which is first comes first."""
    room = at_once - sum(job.under_way for job in jobs)
    hungry = [job for job in jobs if job.hungry]
    if room <= 0 or not hungry:
        return {}
    raised = [(job.raised_at, job.id) for job in hungry if job.raised_at is not None]
    if raised:
        return {max(raised)[1]: room}
    places = {job.id: job.under_way for job in hungry}
    idle = {job.id: job.idle_seconds for job in hungry}
    given = dict.fromkeys(places, 0)
    for _ in range(room):
        least = min(places, key=lambda job_id: (places[job_id], -idle[job_id], job_id))
        places[least] += 1
        given[least] += 1
    return {job_id: number for job_id, number in given.items() if number}
