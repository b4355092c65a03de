"""Lanes: the same in every process, for every collection and every size."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.lanes import LARGE, URGENT, lane_class, lane_names, lane_of
from libs.common.events import FileReceived, Priority
from tests.bus_support import received

LIMIT = 1000


def data(
    collection: str = "user:7", size: int = 1, decoded: int | None = None, priority: Priority = "normal"
) -> FileReceived:
    """A received file, as far as its lane depends on it."""
    told = received().data.model_dump() | {
        "collection": collection,
        "size_bytes": size,
        "decoded_bytes": decoded,
        "priority": priority,
    }
    return FileReceived.model_validate(told)


def test_lanes_are_what_they_were_in_the_release_before() -> None:
    """Another hash would have two releases put one collection into two lanes."""
    found = [lane_of(data(f"user:{n}"), 8, LIMIT) for n in range(1, 9)]
    assert found == ["2", "2", "1", "7", "6", "1", "2", "1"]


def test_collections_spread_over_all_lanes() -> None:
    shares = Counter(lane_of(data(f"user:{n}"), 8, LIMIT) for n in range(4000))
    assert len(shares) == 8
    assert max(shares.values()) < 1.3 * min(shares.values())


@given(
    st.text(min_size=1, max_size=64),
    st.integers(0, 5000),
    st.none() | st.integers(0, 5000),
    st.sampled_from(["urgent", "normal", "low"]),
    st.integers(1, 64),
)
def test_every_file_has_a_lane_of_the_table(
    collection: str, size: int, decoded: int | None, priority: Priority, lanes: int
) -> None:
    lane = lane_of(data(collection, size, decoded, priority), lanes, LIMIT)
    assert lane in lane_names(lanes)
    assert (lane == URGENT) == (priority == "urgent")
    counts = size if decoded is None else decoded
    assert (lane == LARGE) == (counts >= LIMIT and priority != "urgent")
    assert lane_class(lane) == (lane if lane in (URGENT, LARGE) else "lane")


def test_the_names_of_the_lanes() -> None:
    assert lane_names(3) == ("0", "1", "2", "large", "urgent")
