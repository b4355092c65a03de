"""What was decoded lately is kept: bounded, sealed, least recently asked out first."""

from __future__ import annotations

import gc

import pytest
from prometheus_client import CollectorRegistry

from services.results.metrics import ResultsMetrics
from services.results.pixels.kept import KeptAnswers


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def kept_with(room: int, registry: CollectorRegistry) -> KeptAnswers:
    return KeptAnswers(room, ResultsMetrics(registry))


def test_an_answer_comes_back_as_it_was(registry: CollectorRegistry) -> None:
    kept = kept_with(1 << 20, registry)
    assert kept.get(b"a") is None
    kept.put(b"a", (b"pixels", b"", b"more"))
    assert kept.get(b"a") == (b"pixels", b"", b"more")
    told = {
        outcome: registry.get_sample_value("results_pixels_kept_total", {"outcome": outcome})
        for outcome in ("found", "missed", "spoiled")
    }
    assert told == {"found": 1, "missed": 1, "spoiled": 0}


def test_the_room_bounds_what_is_kept(registry: CollectorRegistry) -> None:
    kept = kept_with(10_000, registry)
    for number in range(30):
        kept.put(b"%d" % number, (bytes(600),))
        assert kept.get(b"0") is not None  # asked again and again, it stays
        assert (registry.get_sample_value("results_pixels_kept_bytes") or 0) <= 10_000
    assert kept.get(b"29") is not None
    assert kept.get(b"1") is None


def test_what_would_fill_the_room_is_not_kept(registry: CollectorRegistry) -> None:
    kept = kept_with(16_000, registry)
    kept.put(b"small", (bytes(1000),))
    kept.put(b"large", (bytes(1001),))
    assert kept.get(b"small") is not None
    assert kept.get(b"large") is None
    none = kept_with(0, CollectorRegistry())
    none.put(b"a", (b"x",))
    assert none.get(b"a") is None


def test_the_same_question_takes_room_once(registry: CollectorRegistry) -> None:
    kept = kept_with(1 << 20, registry)
    kept.put(b"a", (bytes(100),))
    before = registry.get_sample_value("results_pixels_kept_bytes")
    kept.put(b"a", (bytes(100),))
    assert registry.get_sample_value("results_pixels_kept_bytes") == before
    kept.clear()
    assert registry.get_sample_value("results_pixels_kept_bytes") == 0
    assert kept.get(b"a") is None


def test_nothing_that_is_kept_can_be_read_in_memory(registry: CollectorRegistry) -> None:
    kept = kept_with(1 << 20, registry)
    secret = b"a picture of a patient" * 20
    kept.put(b"a", (secret,))
    gc.collect()
    stored = [part for parts in kept._kept.values() for part in parts]
    assert stored
    assert not any(b"patient" in part for part in stored)
    # Moved below another question, or changed, it is none.
    kept._kept[b"b"] = stored
    assert kept.get(b"b") is None
    assert registry.get_sample_value("results_pixels_kept_total", {"outcome": "spoiled"}) == 1
    assert kept.get(b"a") == (secret,)
