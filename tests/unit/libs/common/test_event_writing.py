"""An event is written once; a copy that says something else is written anew."""

from __future__ import annotations

from uuid import UUID

import orjson

from libs.common.events import LanesPaused, new_event


def test_written_once_and_a_copy_for_itself() -> None:
    event = new_event("/ingest", LanesPaused(lanes=("ct",), revision=1))
    assert event.to_json() is event.to_json()
    other = event.model_copy(update={"data": LanesPaused(lanes=(), revision=2)})
    assert orjson.loads(other.to_json())["data"] == {"lanes": [], "revision": 2}
    assert orjson.loads(event.to_json())["data"] == {"lanes": ["ct"], "revision": 1}


def test_what_was_written_makes_no_other_event() -> None:
    event = new_event("/ingest", LanesPaused(lanes=("ct",), revision=1))
    same = event.model_copy()
    event.to_json()
    assert event == same
    assert event != event.model_copy(update={"id": UUID(int=1)})
