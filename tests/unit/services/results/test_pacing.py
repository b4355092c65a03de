"""How many files jobs may ask for: never too many, never fewer than there is room for, none left out."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.results.jobs.pacing import Paced, allot

moments = st.none() | st.integers(0, 5).map(lambda n: datetime(2026, 1, 1, n, tzinfo=UTC))


@st.composite
def several(draw: st.DrawFn) -> list[Paced]:
    count, idle = draw(st.integers(0, 6)), st.floats(0, 100)
    return [
        Paced(UUID(int=n), draw(st.integers(0, 20)), draw(st.booleans()), draw(moments), draw(idle))
        for n in range(count)
    ]


@given(several(), st.integers(1, 64))
def test_all_room_is_given_and_no_more(jobs: list[Paced], at_once: int) -> None:
    given_ = allot(jobs, at_once)
    room = at_once - sum(job.under_way for job in jobs)
    hungry = {job.id for job in jobs if job.hungry}
    assert given_.keys() <= hungry
    assert all(number > 0 for number in given_.values())
    assert sum(given_.values()) == (max(room, 0) if hungry else 0)


@given(several(), st.integers(1, 64))
def test_the_job_that_was_raised_last_is_served_alone(jobs: list[Paced], at_once: int) -> None:
    raised = [job.raised_at for job in jobs if job.hungry and job.raised_at is not None]
    given_ = allot(jobs, at_once)
    if raised and given_:
        (one,) = given_
        assert {job.raised_at for job in jobs if job.id == one} == {max(raised)}


@given(several(), st.integers(1, 64))
def test_the_others_share_evenly(jobs: list[Paced], at_once: int) -> None:
    """Whoever is given a place has, with it, no more than one beyond each hungry one."""
    if any(job.raised_at for job in jobs):
        return
    given_ = allot(jobs, at_once)
    then = {job.id: job.under_way + given_.get(job.id, 0) for job in jobs if job.hungry}
    assert all(then[one] <= min(then.values()) + 1 for one in given_)


def test_no_job_waits_for_ever() -> None:
    """Rounds in which one file of each ends: whoever is hungry is served while others go on and on."""
    jobs = [Paced(UUID(int=n), 0, True, None, 0.0) for n in range(5)]
    served: set[UUID] = set()
    for _ in range(20):
        given_ = allot(jobs, 3)
        served |= given_.keys()
        jobs = [
            job._replace(
                under_way=max(job.under_way + given_.get(job.id, 0) - 1, 0),
                idle_seconds=0.0 if job.id in given_ else job.idle_seconds + 1,
            )
            for job in jobs
        ]
    assert served == {job.id for job in jobs}
