"""How slow a sender may be."""

from __future__ import annotations

from services.ingest.bodies.pace import SendingPace


def test_a_byte_a_second_is_too_slow_after_a_span() -> None:
    pace = SendingPace(10, 5.0)
    for _ in range(4):
        pace.came(1, 1.0)
        assert not pace.too_slow
    pace.came(1, 1.0)
    assert pace.too_slow


def test_exactly_the_rate_is_enough() -> None:
    pace = SendingPace(10, 5.0)
    for _ in range(20):
        pace.came(10, 1.0)
        assert not pace.too_slow


def test_a_fast_beginning_helps_one_span_only() -> None:
    pace = SendingPace(10, 5.0)
    pace.came(1_000_000)
    for _ in range(9):
        pace.came(1, 1.0)
        assert not pace.too_slow
    pace.came(1, 1.0)
    assert pace.too_slow


def test_time_in_which_nobody_waited_does_not_count() -> None:
    pace = SendingPace(10, 5.0)
    for _ in range(1000):
        pace.came(1)
    assert not pace.too_slow
