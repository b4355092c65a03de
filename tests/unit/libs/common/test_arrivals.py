"""Whether files arrive: until a moment after the latest piece."""

from __future__ import annotations

import time

import pytest

from libs.common.arrivals import QUIET_SECONDS, Arrivals


def test_what_came_a_moment_ago_is_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    coming = Arrivals()
    assert not coming.going_on
    coming.note()
    assert coming.going_on
    now += 0.9 * QUIET_SECONDS
    assert coming.going_on
    coming.note()
    now += 0.9 * QUIET_SECONDS
    assert coming.going_on
    now += 0.2 * QUIET_SECONDS
    assert not coming.going_on
