"""How much each owner may have under way at once."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter

from libs.common.errors import TooManyRequests
from libs.common.http.quotas import Quota


@pytest.fixture
def refusals() -> Counter:
    return Counter("refusals", "Refusals", ["code"], registry=CollectorRegistry())


def quota(refusals: Counter, most: int) -> Quota:
    return Quota(most, code="too-many-things", detail="Too many.", retry_after=7, refusals=refusals)


def test_each_owner_has_places_of_its_own(refusals: Counter) -> None:
    places = quota(refusals, 2)
    with places.hold("user:1"), places.hold("user:1"):
        with pytest.raises(TooManyRequests) as refused, places.hold("user:1"):
            pass
        assert (refused.value.status, refused.value.code) == (429, "too-many-things")
        assert refused.value.members == {"retry_after": 7, "most": 2}
        with places.hold("user:2"), places.hold("link:1"):
            pass
    with places.hold("user:1"), places.hold("user:1"):
        pass


def test_what_was_refused_holds_nothing(refusals: Counter) -> None:
    places = quota(refusals, 1)
    with places.hold("user:1"):
        for _ in range(3):
            with pytest.raises(TooManyRequests), places.hold("user:1"):
                pass
    with places.hold("user:1"):
        pass


def test_one_alone_may_be_larger_and_two_may_not(refusals: Counter) -> None:
    amounts = quota(refusals, 100)
    with amounts.hold("user:1", 1000) as large:
        large.grow(1000)
        assert large.amount == 2000
        with pytest.raises(TooManyRequests), amounts.hold("user:1", 1):
            pass
    with amounts.hold("user:1", 60), amounts.hold("user:1", 40) as second:
        with pytest.raises(TooManyRequests):
            second.grow(1)
        assert second.amount == 40
    # Nothing is left over of what grew.
    with amounts.hold("user:1", 100), pytest.raises(TooManyRequests), amounts.hold("user:1", 1):
        pass


def test_its_refusals_begin_at_zero() -> None:
    registry = CollectorRegistry()
    quota(Counter("refusals", "Refusals", ["code"], registry=registry), 1)
    assert registry.get_sample_value("refusals_total", {"code": "too-many-things"}) == 0.0
