"""Slots by CPU, bytes by memory, and where a file can be decoded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.processor.admission.budget import (
    KEPT_BYTES,
    Verdict,
    demanded,
    memory,
    places,
    slots,
    taken,
    verdict,
)
from services.processor.admission.estimate import MIB, Estimate
from services.processor.admission.machine import Reading

QUIET = Reading(cores=8.0, machine_cores=8, memory_limit=4096 * MIB, memory_free=3000 * MIB)


@pytest.mark.parametrize(
    ("configured", "cores", "allowed"), [(4, 8.0, 4), (4, 2.0, 2), (4, 1.5, 2), (4, 0.5, 1), (1, 8.0, 1)]
)
def test_slots_stay_within_the_quota(configured: int, cores: float, allowed: int) -> None:
    assert slots(configured, 0, replace(QUIET, cores=cores)) == allowed


@pytest.mark.parametrize(
    ("pressure", "load", "allowed"),
    [
        (95.0, 8.0, 4),  # our own decoders and a neighbour or two
        (95.0, 20.9, 4),
        (95.0, 21.0, 2),  # 4 of ours, this process, and twice the cores
        (60.0, 40.0, 2),
        (59.9, 40.0, 4),  # many want to run, and yet nothing of ours waits
        (0.0, 400.0, 4),  # nobody counts pressure here
    ],
)
def test_a_machine_is_short_only_where_strangers_make_us_wait(
    pressure: float, load: float, allowed: int
) -> None:
    assert slots(4, 4, replace(QUIET, pressure=pressure, load=load)) == allowed


@pytest.mark.parametrize(
    ("most", "seconds", "allowed"), [(4, 0.0, 8), (4, 0.09, 8), (4, 0.1, 4), (8, 0.01, 16), (1, 5.0, 2)]
)
def test_little_is_begun_ahead_where_files_take_long(most: int, seconds: float, allowed: int) -> None:
    assert places(2, most, seconds) == allowed


@given(st.integers(1, 64), st.integers(0, 64), st.floats(0.1, 64), st.floats(0, 100), st.floats(0, 1000))
def test_at_least_half_and_never_none(
    configured: int, busy: int, cores: float, pressure: float, load: float
) -> None:
    quiet = slots(configured, busy, replace(QUIET, cores=cores))
    found = slots(configured, busy, replace(QUIET, cores=cores, pressure=pressure, load=load))
    assert max(1, quiet / 2) <= found <= quiet <= configured


def test_what_files_have_taken_is_theirs() -> None:
    """A decoder that grows within its estimate leaves the budget as it is."""
    before = memory(QUIET, reserve=256 * MIB, idle=200 * MIB, taken=0)
    grown = replace(QUIET, memory_free=QUIET.memory_free - 500 * MIB)
    assert memory(grown, reserve=256 * MIB, idle=200 * MIB, taken=500 * MIB) == before
    assert (before.now, before.at_most) == (2744 * MIB, 3640 * MIB)


def test_neighbours_take_of_the_budget_and_it_is_never_negative() -> None:
    found = memory(
        replace(QUIET, memory_free=100 * MIB, memory_limit=200 * MIB), reserve=256 * MIB, idle=0, taken=0
    )
    assert (found.now, found.at_most) == (0, 0)


def test_what_a_decoder_may_merely_have_kept_does_not_count_as_taken() -> None:
    idle = 70 * MIB
    assert taken([idle, idle + KEPT_BYTES, 0], idle) == 0
    assert taken([idle + KEPT_BYTES + 5, idle + KEPT_BYTES + 7], idle) == 12


@pytest.mark.parametrize(
    ("likely", "attainable", "expected"),
    [
        (100, 500, 100),
        (100, 90, 90),
        (100, 75, 75),
        (100, 74, 100),  # so little was never worth a try
        (1000, 700, 400),  # more than its own it never has
        (1000, 350, 350),
        (1000, 200, 400),
    ],
)
def test_nobody_waits_for_bytes_that_never_come(likely: int, attainable: int, expected: int) -> None:
    assert demanded(likely, own=400, attainable=attainable) == expected


@pytest.mark.parametrize(
    ("least", "likely", "own", "largest", "expected"),
    [
        (10, 90, 100, 100, "here"),
        (10, 100, 100, 1000, "here"),
        (10, 101, 100, 1000, "elsewhere"),
        (10, 2000, 100, 1000, "elsewhere"),  # likely too much for all: the largest tries
        (10, 2000, 1000, 1000, "here"),
        (1000, 8000, 100, 1000, "elsewhere"),
        (1001, 8000, 100, 1000, "nowhere"),
        (101, 800, 100, 100, "nowhere"),
    ],
)
def test_where_a_file_can_be_decoded(
    least: int, likely: int, own: int, largest: int, expected: Verdict
) -> None:
    assert verdict(Estimate(least, likely), own=own, largest=largest) == expected
