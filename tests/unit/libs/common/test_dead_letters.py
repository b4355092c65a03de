"""What is shown of a dead letter, and which of them a selection means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.dead_letters import (
    TEXT_LENGTH,
    DeadLetter,
    LetterEvent,
    Selection,
    event_facts,
    letter_id,
)
from libs.common.bus.topology import TOPOLOGY
from tests.bus_support import received

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def letter(**changed: object) -> DeadLetter:
    """A letter of results.files."""
    event = LetterEvent(type="dicom.file.received.v1", source="/ingest", file_id="f", collection="user:7")
    values = {
        "id": "a",
        "place": "results.files.dead",
        "queue": "results.files",
        "reason": "Unknown event type 'x'",
        "attempts": 1,
        "given_up_at": None,
        "size_bytes": 3,
        "message_id": None,
        "trace_id": None,
        "headers": {},
        "event": event,
    }
    return DeadLetter.model_validate({**values, **changed})


def test_facts_of_an_event_without_its_content() -> None:
    event = received(TRACE)
    assert event_facts(event.to_json()) == LetterEvent(
        id=str(event.id),
        type=event.type,
        source="/ingest",
        time=event.model_dump(mode="json")["time"],
        file_id=str(event.file_id),
        collection="user:7",
        trace_id="0af7651916cd43dd8448eb211c80319c",
    )


def test_of_a_foreign_message_nothing_is_shown_but_names_that_events_have() -> None:
    assert event_facts(b'{"PatientName": "Doe^Jane", "data": {"PatientID": "4711"}}') is None
    assert event_facts(b'{"type": ["x"], "source": 7, "data": []}') is None
    found = event_facts(b'{"type": "a\\u001b[2Jb' + b"c" * 1000 + b'"}')
    assert found is not None
    assert found.type == "a?[2Jb" + "c" * (TEXT_LENGTH - 6)


@given(st.binary())
def test_no_content_is_too_odd_to_be_looked_at(body: bytes) -> None:
    event_facts(body)


def test_an_id_is_of_a_message_in_a_place() -> None:
    assert letter_id("p", "m", b"x") == letter_id("p", "m", b"x")
    others = {letter_id("q", "m", b"x"), letter_id("p", "n", b"x"), letter_id("p", "m", b"y")}
    assert len(others | {letter_id("p", "m", b"x")}) == 4


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(ids=("b", "a")),
        Selection(queue="results.files", reason="EVENT type"),
        Selection(type="dicom.file.received.v1", source="/ingest", file_id="f", collection="user:7"),
    ],
)
def test_a_selection_takes_what_fits_all_that_is_given(selection: Selection) -> None:
    assert selection.takes(letter())


@pytest.mark.parametrize(
    "selection",
    [
        Selection(ids=("b",)),
        Selection(place="processor.files.dead"),
        Selection(queue="results.files", reason="another"),
        Selection(ids=("a",), collection="user:8"),
        Selection(type="dicom.file"),
    ],
)
def test_a_selection_leaves_what_differs_in_one(selection: Selection) -> None:
    assert not selection.takes(letter())
    assert selection.chosen


def test_without_event_only_what_the_header_says_can_fit() -> None:
    assert Selection(queue="results.files").takes(letter(event=None))
    assert not Selection(source="/ingest").takes(letter(event=None))
    assert not Selection().chosen


def test_every_dead_queue_is_known_with_those_whose_letters_it_keeps() -> None:
    dead = TOPOLOGY.dead_queues()
    assert set(dead) == {queue.name for queue in TOPOLOGY.queues() if queue.name.endswith(".dead")}
    assert {s.queue for s in TOPOLOGY.subscriptions if not (s.fleeting or s.broadcast)} <= {
        name for origins in dead.values() for name in origins
    }
