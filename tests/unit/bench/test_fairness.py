"""What the three ways of sharing files out make of the same traces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.dispatch import Budgets, Lanes, Outcome, RoundRobin, run
from bench.fairness import waits_of
from bench.ideal import equal_shares, fairness, jain
from bench.owners import MIB, Course, Job, Machine, giants, urgent, worker_lost
from bench.report import percentile

WAYS = [RoundRobin, Budgets, Lanes]


def part(course: Course, files: int) -> Course:
    """Its first files."""
    return replace(course, jobs=course.jobs[:files])


def p99(course: Course, outcome: Outcome, owner: str) -> float:
    return percentile(waits_of(course, outcome, owner), 0.99)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("course", [part(worker_lost(), 1200), part(giants(), 900)], ids=lambda c: c.name)
def test_no_file_is_lost(course: Course, way: type[RoundRobin] | type[Lanes]) -> None:
    outcome = run(course, way)
    assert outcome.ended.keys() | outcome.failed == {job.number for job in course.jobs}


def test_lanes_let_small_owners_and_urgent_files_pass_a_burst() -> None:
    whole = urgent()
    course = replace(whole, jobs=[job for job in whole.jobs if job.urgent or job.number % 3 == 0])
    outcomes = {way: run(course, way) for way in WAYS}
    for owner in ("o1", "urgent"):
        assert 20 * p99(course, outcomes[Lanes], owner) < min(
            p99(course, outcomes[way], owner) for way in (RoundRobin, Budgets)
        )
    # Nobody pays for it: the whole is done as soon.
    assert max(outcomes[Lanes].ended.values()) < 1.01 * max(outcomes[RoundRobin].ended.values())


def test_admission_loses_no_worker_to_giants_and_lets_small_files_pass() -> None:
    course = part(giants(), 1500)
    celery, ours = run(course, RoundRobin), run(course, Lanes)
    assert celery.killed > 0 == ours.killed
    assert not ours.failed
    assert 10 * p99(course, ours, "o1") < p99(course, celery, "o1")


def test_equal_shares_serve_two_owners_at_half_speed() -> None:
    jobs = [Job(0, 0.0, "a", 4.0), Job(1, 0.0, "a", 4.0), Job(2, 0.0, "b", 2.0)]
    assert equal_shares(jobs, 1.0) == {0: 6.0, 1: 10.0, 2: 4.0}
    assert equal_shares(jobs, 2.0) == {0: 4.0, 1: 6.0, 2: 2.0}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.sampled_from("abc"), st.floats(0.01, 5.0)), min_size=1, max_size=25
    ),
    st.integers(1, 4),
)
def test_equal_shares_end_everything_and_no_sooner_than_it_takes(
    drawn: list[tuple[float, str, float]], slots: int
) -> None:
    jobs = [Job(number, at, owner, service) for number, (at, owner, service) in enumerate(drawn)]
    ended = equal_shares(jobs, float(slots))
    assert all(ended[job.number] >= job.at + job.service - 1e-6 for job in jobs)
    work, first = sum(job.service for job in jobs), min(job.at for job in jobs)
    assert max(ended.values()) >= first + work / slots - 1e-6


def test_jain() -> None:
    assert jain([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    jobs = [Job(0, 0.0, "a", 1.0), Job(1, 0.0, "b", 1.0)]
    assert fairness(jobs, {0: 1.0, 1: 1.0}, 2.0) == pytest.approx(1.0)
    assert fairness(jobs, {0: 1.0, 1: 100.0}, 2.0) < 0.6


def test_a_worker_that_takes_more_than_it_has_is_lost_and_comes_back() -> None:
    jobs = [Job(0, 0.0, "a", 1.0, memory=600 * MIB), Job(1, 0.0, "a", 1.0, memory=600 * MIB)]
    course = Course("two", "", jobs, (Machine(memory=1000 * MIB),))
    assert (run(course, RoundRobin).killed > 0, run(course, Budgets).killed, run(course, Lanes).killed) == (
        True,
        0,
        0,
    )
