"""The table of queues: whoever changes an argument changes a contract with brokers that hold messages."""

from __future__ import annotations

import pytest

from libs.common.bus.topology import TOPOLOGY
from libs.common.events import EVENT_TYPES


def test_names_are_the_documented_ones() -> None:
    assert TOPOLOGY.exchange == "dicom.events"
    assert {queue.name for queue in TOPOLOGY.queues()} == {
        f"{queue}{suffix}"
        for queue in ("processor.files", "results.files", "results.moves", "ingest.outcomes")
        for suffix in ("", ".retry.1s", ".retry.10s", ".retry.60s", ".dead")
    }


@pytest.mark.parametrize(
    ("event_type", "queues"),
    [
        ("dicom.file.received.v1", {"processor.files", "results.files"}),
        ("dicom.file.processed.v1", {"results.files"}),
        ("dicom.file.failed.v1", {"results.files", "ingest.outcomes"}),
        ("dicom.file.moved.v1", {"results.moves"}),
    ],
)
def test_each_event_reaches_its_queues(event_type: str, queues: set[str]) -> None:
    assert {subscription.queue for subscription in TOPOLOGY.takers(event_type)} == queues
    assert {queue.name for queue in TOPOLOGY.queues() if event_type in queue.binds} == queues


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
    assert queue.binds == ()


def test_a_dead_queue_keeps_its_messages() -> None:
    queue = next(queue for queue in TOPOLOGY.queues() if queue.name == "results.files.dead")
    assert queue.arguments == {"x-queue-type": "quorum", "x-overflow": "reject-publish"}


def test_retries_wait_longer_and_longer_up_to_the_last_tier() -> None:
    assert [TOPOLOGY.delay(retries) for retries in range(5)] == [1.0, 10.0, 60.0, 60.0, 60.0]
