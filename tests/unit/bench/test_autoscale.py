"""The autoscaler's formulas, and what our own settings make of arriving files."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import arrivals
from bench.arrivals import Kind, mean_seconds
from bench.autoscale import processor_scaling, processor_worker
from bench.autoscaler import (
    Autoscaler,
    Direction,
    Fallback,
    Policy,
    Reading,
    Scaling,
    Trigger,
    desired_by_metric,
)
from bench.capacity import replace_section
from bench.queueing import Arrival, History, Outage, simulate

OURS = {name: processor_scaling(name) for name in ("keda", "hpa")}
WORKER = processor_worker()

kinds = st.floats(0.005, 20.0).map(lambda seconds: Kind("drawn", 1.0, seconds))
ways = st.sampled_from(sorted(OURS))


def steady(kind: Kind, load: float, seconds: int, seed: int = 1) -> list[Arrival]:
    """Arrivals that keep `load` slots busy, in few bundles however short the files are."""
    bundle = max(1, round(2.0 / kind.seconds))
    generator = np.random.default_rng(seed)
    found = arrivals.poisson(load / kind.seconds / bundle, [kind], seconds, generator)
    return [Arrival(one.at, one.service * bundle, bundle) for one in found]


def run(name: str, files: list[Arrival], seconds: int, outage: Outage | None = None) -> History:
    """Our settings from zero, or from the minimum."""
    scaling = OURS[name]
    return simulate(files, scaling, WORKER, seconds=seconds, replicas=scaling.minimum, outage=outage)


# Kubernetes' documentation: "if the current metric value is 200m and the desired value is 100m, the number of
# replicas will be doubled"; 50m halves it; within the tolerance nothing happens.
@pytest.mark.parametrize(("value", "replicas"), [(2.0, 8), (0.5, 2), (1.09, 4), (0.91, 4), (1.2, 5)])
def test_utilisation_scales_by_its_ratio(value: float, replicas: int) -> None:
    assert desired_by_metric(Trigger("cpu", 1.0), value, 4) == replicas


def test_a_total_is_divided_by_the_target() -> None:
    assert desired_by_metric(Trigger("messages", 100.0), 1001.0, 2) == 11
    assert desired_by_metric(Trigger("messages", 100.0), 0.0, 2) == 0


def test_the_largest_wish_counts_and_the_rate_is_limited() -> None:
    scaling = Scaling(
        1,
        50,
        (Trigger("messages", 10.0), Trigger("work_seconds", 10.0)),
        up=Direction(0.0, (Policy("Pods", 4, 60.0), Policy("Percent", 100, 60.0))),
    )
    scaler = Autoscaler(scaling)
    reading: Reading = {"messages": 300.0, "work_seconds": 0.0}
    assert scaler.sync(0.0, reading, 3) == 7
    # Four were added within the minute already; 100 % of the three at its start is less.
    assert scaler.sync(15.0, reading, 7) == 7
    assert scaler.sync(75.0, reading, 7) == 14


def test_going_down_waits_for_the_window_and_then_follows_its_policy() -> None:
    scaling = Scaling(
        1, 50, (Trigger("messages", 10.0),), down=Direction(300.0, (Policy("Percent", 50, 60.0),))
    )
    scaler = Autoscaler(scaling)
    assert scaler.sync(0.0, {"messages": 160.0}, 16) == 16
    counts, now = [16], 0.0
    for _ in range(40):
        now += 15.0
        counts.append(scaler.sync(now, {"messages": 0.0}, counts[-1]))
    assert counts[:20] == [16] * 20
    assert counts[21] == 8
    assert counts[-1] == 1


def test_an_unreadable_source_never_makes_fewer() -> None:
    triggers = (Trigger("messages", 10.0), Trigger("cpu", 0.8))
    kept = Autoscaler(Scaling(0, 9, triggers, fallback=Fallback(4, 3, keep_higher=True)))
    lowered = Autoscaler(Scaling(0, 9, triggers, fallback=Fallback(4, 3, keep_higher=False)))
    reading: Reading = {"messages": None, "cpu": 0.0}
    for now in range(0, 60, 15):
        for scaler in (kept, lowered):
            assert scaler.poll(now, reading, 7) == 7
    assert kept.sync(60.0, reading, 7) == 7
    assert kept.sync(400.0, reading, 2) == 4
    assert lowered.poll(60.0, reading, 0) == 4


def test_zero_is_left_at_once_and_reached_after_the_cooldown() -> None:
    scaler = Autoscaler(Scaling(0, 5, (Trigger("messages", 10.0),), cooldown=300.0))
    assert scaler.poll(0.0, {"messages": 0.0}, 0) == 0
    assert scaler.poll(10.0, {"messages": 1.0}, 0) == 1
    assert scaler.poll(300.0, {"messages": 0.0}, 1) == 1
    assert scaler.poll(310.0, {"messages": 0.0}, 1) == 0


@given(ways, kinds, st.floats(0.1, 40.0))
@settings(max_examples=10, deadline=None)
def test_no_file_starves_and_no_bound_is_crossed(name: str, kind: Kind, load: float) -> None:
    files = steady(kind, load, 600)
    history = run(name, files, 3600)
    assert history.unfinished == 0
    assert len(history.waits) == len(files)
    assert max(history.replicas) <= OURS[name].maximum
    assert min(history.replicas) >= OURS[name].minimum
    # With nothing left to do, all but the minimum are gone in the end.
    assert history.replicas[-1] == OURS[name].minimum


@given(ways, st.floats(0.005, 2.0), st.floats(1.0, 30.0), st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_a_steady_load_is_met_without_flapping(name: str, seconds: float, load: float, seed: int) -> None:
    history = run(name, steady(Kind("drawn", 1.0, seconds), load, 3600, seed), 3600)
    # Up once, down once from the first overshoot, and at most one correction an hour after that.
    assert history.turns <= 4
    settled = [wait for at, wait in history.waits if at > 900]
    assert sum(wait > 60.0 for wait in settled) <= 0.01 * len(settled)
    # Enough, and not many times what is needed.
    needed = load / WORKER.slots
    assert sum(history.replicas[1800:]) / len(history.replicas[1800:]) <= max(3.0, 3.0 * needed)


@given(ways, st.integers(100, 10_000), st.floats(0.005, 0.2))
@settings(max_examples=8, deadline=None)
def test_a_burst_onto_nothing_is_taken_within_minutes(name: str, files: int, seconds: float) -> None:
    trace = arrivals.burst([Kind("drawn", 1.0, seconds)], files=files)
    history = run(name, trace.arrivals, trace.seconds)
    assert history.unfinished == 0
    assert max(wait for _, wait in history.waits) < 180.0
    assert history.turns <= 2


@given(ways, st.floats(1.0, 20.0))
@settings(max_examples=5, deadline=None)
def test_a_broker_outage_stops_nobody(name: str, load: float) -> None:
    kind = Kind("drawn", 1.0, 0.5)
    outage = Outage(1800.0, 2400.0)
    history = run(name, steady(kind, load, 3000), 4800, outage)
    assert history.unfinished == 0
    before, during = history.replicas[1799], history.replicas[1800:2400]
    assert min(during) >= before
    # What had waited is worked off, and then the surplus goes.
    assert history.replicas[-1] == OURS[name].minimum


def test_a_night_costs_nothing_where_zero_is_allowed() -> None:
    mix = [Kind("CT", 0.95, 0.0075), Kind("large", 0.05, 0.2)]
    trace = arrivals.night_and_day(mix, peak_load=10.0, bundle=400)
    history = run("keda", trace.arrivals, 86400)
    assert set(history.replicas[3 * 3600 : 5 * 3600]) == {0}
    assert set(history.replicas[23 * 3600 :]) == {0}
    assert max(b - a for a, b in pairwise(history.replicas)) <= OURS["keda"].maximum // 2
    assert mean_seconds(mix) == pytest.approx(0.017125)


def test_a_section_of_the_document_is_replaced() -> None:
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n"
    assert replace_section(text, "x", "new") == "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"
    with pytest.raises(LookupError):
        replace_section(text, "y", "new")
