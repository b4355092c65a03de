"""The table of queues: whoever changes an argument changes a contract with brokers that hold messages."""

from __future__ import annotations

import pytest

from libs.common.bus.topology import TOPOLOGY, with_lanes
from libs.common.events import EVENT_TYPES


def test_names_are_the_documented_ones() -> None:
    assert TOPOLOGY.exchange == "dicom.events"
    suffixes = (".retry.1s", ".retry.10s", ".retry.60s", ".dead")
    of_work = (*(f".retry.{seconds}s" for seconds in (1, 2, 4, 8, 15, 30, 60)), ".dead")
    lanes = {f"processor.{lane}" for lane in (*(f"lane.{n}" for n in range(8)), "large", "urgent")}
    assert {queue.name for queue in TOPOLOGY.queues()} == {
        f"{queue}{suffix}"
        for queue in ("results.files", "results.moves", "ingest.outcomes", "ingest.requests")
        for suffix in ("", *suffixes)
    } | lanes | {"results.workers", "processor.lanes.paused"} | {f"processor{suffix}" for suffix in of_work}
    assert {queue.name for queue in TOPOLOGY.queues() if queue.role == "main"} == lanes | {
        "results.files",
        "results.moves",
        "results.workers",
        "ingest.outcomes",
        "ingest.requests",
    }
    assert {(exchange.name, exchange.type) for exchange in TOPOLOGY.exchanges()} == {
        ("dicom.events", "topic"),
        ("dicom.copies", "topic"),
        ("dicom.work", "headers"),
        ("dicom.work.unlaned", "fanout"),
    }


@pytest.mark.parametrize(
    ("event_type", "queues"),
    [
        ("dicom.file.received.v1", {"processor.work", "results.files"}),
        ("dicom.file.processed.v1", {"results.files"}),
        ("dicom.file.failed.v1", {"results.files", "ingest.outcomes"}),
        ("dicom.file.moved.v1", {"results.moves"}),
        ("dicom.file.requested.v1", {"processor.work", "ingest.requests"}),
        ("dicom.worker.beat.v1", {"results.workers"}),
        ("dicom.lanes.paused.v1", {"processor.lanes.paused"}),
    ],
)
def test_each_event_reaches_its_queues(event_type: str, queues: set[str]) -> None:
    assert {subscription.queue for subscription in TOPOLOGY.takers(event_type)} == queues
    names = {"dicom.work": "processor.work"}
    bound = {binding.target for binding in TOPOLOGY.bindings() if binding.key == event_type}
    assert {names.get(target, target) for target in bound} == queues


def test_every_event_type_has_a_taker() -> None:
    assert all(TOPOLOGY.takers(event_type) for event_type in EVENT_TYPES)


def test_a_main_queue_dead_letters_at_least_once_to_dead() -> None:
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "results.files")
    assert queue.arguments == {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "results.files.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def test_a_retry_queue_returns_its_messages_after_its_delay() -> None:
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "results.files.retry.10s")
    assert queue.arguments == {
        "x-queue-type": "quorum",
        "x-message-ttl": 10_000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "results.files",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    assert {b.source for b in TOPOLOGY.bindings() if b.target == queue.name} == {"dicom.copies"}


def test_what_is_fleeting_ages_in_its_queue_and_goes_nowhere() -> None:
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "results.workers")
    assert queue.arguments == {"x-queue-type": "quorum", "x-message-ttl": 60_000, "x-overflow": "drop-head"}


def test_a_broadcast_is_a_log_of_which_the_end_is_kept() -> None:
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "processor.lanes.paused")
    assert (queue.role, queue.arguments["x-queue-type"]) == ("state", "stream")
    assert {"x-max-length-bytes", "x-stream-max-segment-size-bytes"} < queue.arguments.keys()


def test_a_dead_queue_keeps_its_messages() -> None:
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "results.files.dead")
    assert queue.arguments == {"x-queue-type": "quorum", "x-overflow": "reject-publish"}


def test_a_retry_of_work_returns_to_its_lane() -> None:
    """By the exchange that read its header the first time, whichever lane that was."""
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "processor.retry.15s")
    assert queue.arguments == {
        "x-queue-type": "quorum",
        "x-message-ttl": 15_000,
        "x-dead-letter-exchange": "dicom.work",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def test_every_lane_has_a_queue_and_what_names_none_has_the_first() -> None:
    work = [binding for binding in TOPOLOGY.bindings() if binding.source == "dicom.work"]
    lanes = {(binding.headers or {})["lane"]: binding.target for binding in work}
    assert lanes == {
        **{str(n): f"processor.lane.{n}" for n in range(8)},
        "large": "processor.large",
        "urgent": "processor.urgent",
    }
    assert [b.target for b in TOPOLOGY.bindings() if b.source == "dicom.work.unlaned"] == ["processor.lane.0"]
    exchange = next(exchange for exchange in TOPOLOGY.exchanges() if exchange.name == "dicom.work")
    assert exchange.alternate == "dicom.work.unlaned"


def test_copies_reach_each_queue_by_its_name_alone() -> None:
    """What is taken and never put back needs none: beats grow old, and a broadcast is read by all."""
    copies = [binding for binding in TOPOLOGY.bindings() if binding.source == "dicom.copies"]
    assert {(b.target, b.key) for b in copies} == {
        (queue.name, queue.name)
        for queue in TOPOLOGY.queues()
        if queue.name not in ("results.workers", "processor.lanes.paused")
    }
    assert len(copies) == len({b.target for b in copies})


def test_a_deployment_may_have_more_lanes() -> None:
    more = with_lanes(TOPOLOGY, 16, 1000)
    (work,) = more.works
    assert (len(work.queues()), work.large_bytes) == (18, 1000)
    assert {queue.name for queue in TOPOLOGY.queues()} < {queue.name for queue in more.queues()}
    assert [retired.work for retired in more.retired] == [work]


def test_retries_wait_longer_and_longer_up_to_the_last_tier() -> None:
    assert TOPOLOGY.delays(TOPOLOGY.subscriptions[0]) == (1.0, 10.0, 60.0)
    assert TOPOLOGY.delays(TOPOLOGY.works[0]) == (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
