"""What events and trailers tell."""

from __future__ import annotations

import math

import orjson
import pytest

from libs.common.errors import Reject
from services.results.write.facts import UNREADABLE, report_of, trace_id_of
from tests.unit.services.results.events import MOMENT, TRACEPARENT, failed, processed, received, trailer


def test_received_takes_header_facts_from_the_event_and_the_rest_from_the_trailer() -> None:
    event = received()
    report = report_of(event, trailer(warnings=["(0010,0010) skipped"]))
    header = report.facts.header
    assert header is not None
    assert report.facts.outcome is None
    assert (header.file_name, header.rows, header.modality) == ("slice.dcm", 512, "CT")
    assert orjson.loads(header.raw_data or "") == trailer()["dicom"]
    assert orjson.loads(header.warnings) == ["(0010,0010) skipped"]
    assert header.received_at == event.time
    assert report.facts.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert (report.entry.outcome, report.entry.event_id) == ("received", event.id)


def test_received_without_its_object_still_makes_a_header() -> None:
    header = report_of(received(), None).facts.header
    assert header is not None
    assert (header.file_name, header.raw_data, header.size_bytes) == (None, None, 1000)
    assert orjson.loads(header.warnings) == [UNREADABLE]


def test_what_json_cannot_say_is_rejected() -> None:
    with pytest.raises(Reject, match="no JSON"):
        report_of(received(), trailer(dicom={"00100010": "\ud800"}))


def test_processed_keeps_the_measures_and_writes_nan_as_null() -> None:
    report = report_of(processed(mean=12.5, statistics={"std": math.nan}), None)
    outcome = report.facts.outcome
    assert outcome is not None
    assert (outcome.state, outcome.average_before_normalization) == ("processed", 12.5)
    assert outcome.statistics == '{"std":null}'
    assert (report.entry.attempt, report.entry.worker, report.entry.started_at) == (1, "worker-1", MOMENT)


def test_failed_keeps_the_reason() -> None:
    report = report_of(failed(reason="worker-lost"), None)
    outcome = report.facts.outcome
    assert outcome is not None
    assert (outcome.state, outcome.failure_reason, outcome.processed_at) == ("failed", "worker-lost", None)
    assert (report.entry.outcome, report.entry.reason, report.entry.attempt) == ("failed", "worker-lost", 3)


def test_the_weight_is_that_of_the_json() -> None:
    assert report_of(failed(), None).weight == 0
    assert report_of(received(), trailer(dicom={"x": "y" * 5000})).weight > 5000
    assert report_of(processed(statistics={"x": "y" * 5000}), None).weight > 5000


@pytest.mark.parametrize("traceparent", [None, "", "00", "00-abc-def-01", "nonsense"])
def test_a_missing_or_malformed_traceparent_is_no_trace(traceparent: str | None) -> None:
    assert trace_id_of(traceparent) is None


def test_the_trace_id_is_the_second_field() -> None:
    assert trace_id_of(TRACEPARENT) == "0af7651916cd43dd8448eb211c80319c"
