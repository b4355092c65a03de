"""What events and trailers tell."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest

from libs.common.errors import Reject
from libs.common.events import Event
from libs.common.ids import file_key, new_file_id, thumbnail_key
from services.results.write.facts import Outcome
from services.results.write.reports import (
    UNREADABLE,
    UNSTORABLE,
    UNSTORABLE_REASON,
    report_of,
    require_own,
    storable,
    trace_id_of,
)
from tests.unit.services.results.events import (
    MOMENT,
    TRACEPARENT,
    failed,
    moved,
    processed,
    received,
    trailer,
)

NULS = "00-" + "\x00" * 32 + "-b7ad6b7169203331-01"


def outcome_of(event: Event) -> Outcome:
    (outcome,) = report_of(event, None).facts.outcomes
    return outcome


def columns_of(event: Event, sealed: dict[str, Any] | None) -> dict[str, Any]:
    header = report_of(event, sealed).facts.header
    assert header is not None
    return header.columns


def test_received_takes_header_facts_from_the_event_and_the_rest_from_the_trailer() -> None:
    event = received()
    report = report_of(event, trailer(warnings=["(0010,0010) skipped"]))
    header = report.facts.header
    assert header is not None
    assert header.whole
    assert report.facts.outcomes == ()
    columns = header.columns
    assert (columns["file_name"], columns["rows"], columns["modality"]) == ("slice.dcm", 512, "CT")
    assert orjson.loads(columns["raw_data"]) == trailer()["dicom"]
    assert columns["warnings"] == ["(0010,0010) skipped"]
    assert columns["received_at"] == header.received_at == event.time
    assert report.facts.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert report.facts.collection == "user:7"
    assert (report.entry.outcome, report.entry.event_id) == ("received", event.id)
    assert report.replaced is None


def test_received_without_its_object_still_makes_a_header() -> None:
    columns = columns_of(received(), None)
    assert (columns["file_name"], columns["raw_data"], columns["size_bytes"]) == (None, None, 1000)
    assert columns["warnings"] == [UNREADABLE]
    assert columns["search"] is None


@pytest.mark.parametrize("dicom", [{"00100010": "\ud800"}, {"00100010": 2**70}])
def test_a_header_that_json_cannot_say_is_left_out_with_a_warning(dicom: dict[str, Any]) -> None:
    columns = columns_of(received(), trailer(dicom=dicom))
    assert (columns["raw_data"], columns["warnings"], columns["file_name"]) == (
        None,
        [UNSTORABLE],
        "slice.dcm",
    )


def test_received_tells_which_file_it_replaces() -> None:
    old = new_file_id()
    replaced = report_of(received(supersedes=old), trailer()).replaced
    assert replaced is not None
    assert (replaced.file_id, replaced.collection, replaced.superseded_in) == (old, "user:7", "user:7")
    assert (replaced.header, replaced.outcomes, replaced.trace_id) == (None, (), None)
    itself = new_file_id()
    assert report_of(received(itself, supersedes=itself), trailer()).replaced is None


def test_processed_keeps_the_measures_and_writes_nan_as_null() -> None:
    event = processed(mean=12.5, statistics={"std": math.nan}, sha256="cd" * 32)
    outcome = outcome_of(event)
    assert (outcome.state, outcome.average_before_normalization) == ("processed", 12.5)
    assert (outcome.statistics, outcome.sha256) == ('{"std":null}', "cd" * 32)
    entry = report_of(event, None).entry
    assert (entry.attempt, entry.worker, entry.started_at) == (1, "worker-1", MOMENT)


def test_a_measure_that_json_cannot_say_is_a_failure() -> None:
    outcome = outcome_of(processed(statistics={"count": 2**70}))
    assert (outcome.state, outcome.failure_reason) == ("failed", UNSTORABLE_REASON)
    entry = report_of(processed(statistics={"count": 2**70}), None).entry
    assert (entry.outcome, entry.reason) == ("failed", UNSTORABLE_REASON)


def test_failed_keeps_the_reason() -> None:
    event = failed(reason="worker-lost")
    outcome, entry = outcome_of(event), report_of(event, None).entry
    assert (outcome.state, outcome.failure_reason, outcome.processed_at) == ("failed", "worker-lost", None)
    assert (entry.outcome, entry.reason, entry.attempt) == ("failed", "worker-lost", 3)


def test_the_weight_is_that_of_the_json() -> None:
    assert report_of(failed(), None).weight == 0
    assert report_of(received(), trailer(dicom={"x": "y" * 5000})).weight > 5000
    assert report_of(processed(statistics={"x": "y" * 5000}), None).weight > 5000


@pytest.mark.parametrize(
    "traceparent",
    [None, "", "00", "00-abc-def-01", "nonsense", NULS, f"00-{'x' * 32}-a-1"],
)
def test_a_missing_or_malformed_traceparent_is_no_trace(traceparent: str | None) -> None:
    assert trace_id_of(traceparent) is None


def test_the_trace_id_is_the_second_field() -> None:
    assert trace_id_of(TRACEPARENT) == "0af7651916cd43dd8448eb211c80319c"


VICTIM = new_file_id()


@pytest.mark.parametrize(
    "forged",
    [
        lambda: received(storage_key=file_key(VICTIM)),
        lambda: processed(storage_key=file_key(VICTIM)),
        lambda: processed(thumbnail_key=thumbnail_key(VICTIM)),
        lambda: processed(thumbnail_key=file_key(VICTIM)),
    ],
)
def test_only_its_own_objects_may_be_named(forged: Any) -> None:
    with pytest.raises(Reject, match="not its file's own"):
        require_own(forged().data)


def test_its_own_objects_may_be_named() -> None:
    for event in (received(), processed(), processed(thumbnail_key=None), failed()):
        require_own(event.data)


def test_what_is_storable_of_a_header() -> None:
    event = received(modality="C\x00T", rows=2**40, size_bytes=2**70)
    report = storable(report_of(event, trailer(warnings=["\x00"])))
    header = report.facts.header
    assert header is not None
    columns = header.columns
    assert (columns["modality"], columns["rows"], columns["size_bytes"]) == ("CT", None, None)
    assert (columns["raw_data"], columns["warnings"]) == (None, [UNSTORABLE])
    assert (columns["sha256"], columns["received_at"]) == ("ab" * 32, event.time)
    assert report.entry.outcome == "received"


def test_what_is_storable_of_an_outcome() -> None:
    event = processed(device_name="\x00", attempt=2**40, worker="w\x001", sha256="cd" * 32)
    report = storable(report_of(event, None))
    (outcome,) = report.facts.outcomes
    assert (outcome.state, outcome.failure_reason, outcome.device_name) == ("failed", UNSTORABLE_REASON, None)
    assert (outcome.attempts, outcome.worker) == (0, "w1")
    entry = report.entry
    assert (entry.outcome, entry.reason, entry.worker, entry.attempt) == (
        "failed",
        UNSTORABLE_REASON,
        "w1",
        None,
    )


def test_there_is_nothing_else_to_store_of_a_move() -> None:
    """So it is refused at once, not tried again and again."""
    report = report_of(moved(received().file_id, "group:3", 2**40), None)
    assert storable(report) == report
