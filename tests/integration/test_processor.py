"""How a file ends, told by the events that are published: real decoders, real objects, real failures."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from libs.common.bus.contract import Delivery
from libs.common.bus.topology import RESULTS_FILES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import AttemptFailed, ObjectNotFound, Reject, Unavailable
from libs.common.events import (
    FAILURE_DETAILS,
    Event,
    FileFailed,
    FileProcessed,
    FileReceived,
    FileRequested,
    new_event,
)
from libs.common.ids import ObjectKey, analysis_key, thumbnail_key
from libs.common.storage import ChildAccess
from services.processor.circuit import Circuits
from services.processor.pool import DecoderCrashed, DecodeTimeout
from tests.builders import ct_instance
from tests.bus_support import LANE_QUEUE, make_telemetry, processed, received
from tests.contract.bus_carriers import messages_in, rabbitmq_bus, ready
from tests.integration.test_decoder_pool import laborious
from tests.processor_support import EXPLICIT_LITTLE, MIB, FullStorage, Processor, inprocess_processor
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

ATTEMPTS = 3


@pytest.fixture
async def processor(tmp_path: Path) -> AsyncIterator[Processor]:
    """On the in-process bus."""
    async with inprocess_processor(tmp_path) as made:
        yield made


class BadSectors(FullStorage):
    """A disk that reads the beginning of each object, and fails in the decoder."""

    @asynccontextmanager
    async def child_access(self, key: ObjectKey) -> AsyncIterator[ChildAccess]:
        async with super().child_access(key) as access:
            # The kernel answers EIO where nothing is mapped.
            with Path("/proc/self/mem").open("rb") as unreadable:
                yield ChildAccess("/proc/self/mem", unreadable.fileno(), access.data_key)


def is_failure(outcome: object, event: Event, reason: str, *, attempts: int) -> bool:
    """Whether it is the whole of what a failure of this file must say."""
    data = event.data
    assert isinstance(data, FileReceived)
    return isinstance(outcome, FileFailed) and (
        outcome.file_id,
        outcome.owner_id,
        outcome.collection,
        outcome.sha256,
        outcome.reason,
        outcome.detail,
        outcome.attempts,
    ) == (
        data.file_id,
        data.owner_id,
        data.collection,
        data.sha256,
        reason,
        FAILURE_DETAILS[outcome.reason],
        attempts,
    )


async def test_a_measured_file_says_what_it_was_made_from(processor: Processor) -> None:
    event = await processor.store(ct_instance())
    outcome = await processor.handle(event, attempt=2)
    assert isinstance(outcome, FileProcessed)
    assert isinstance(event.data, FileReceived)
    assert (outcome.file_id, outcome.sha256) == (event.data.file_id, event.data.sha256)
    assert (outcome.collection, outcome.attempt) == ("user:7", 2)
    assert outcome.thumbnail_key == thumbnail_key(outcome.file_id)
    assert (await processor.storage.verify(thumbnail_key(outcome.file_id)))["media_type"] == "image/jpeg"
    with pytest.raises(ObjectNotFound):
        await processor.storage.verify(analysis_key(outcome.file_id, "statistics"))


async def test_an_outcome_says_what_each_stage_took(processor: Processor) -> None:
    event = await processor.store(ct_instance())
    measured = await processor.handle(event)
    assert isinstance(measured, FileProcessed)
    assert measured.run is not None
    taken = measured.run.model_dump(exclude={"lane"})
    assert all(value is not None and value >= 0 for value in taken.values())
    assert taken["peak_memory_bytes"] > MIB
    assert measured.earlier == ()
    refused = await processor.handle(received())
    assert isinstance(refused, FileFailed)
    assert refused.started_at is not None
    assert refused.run is not None
    assert refused.run.waited_seconds is not None
    assert refused.run.fetch_seconds is None


async def test_means_of_many_frames_are_stored_and_not_sent(processor: Processor) -> None:
    event = await processor.store(ct_instance(2, 2, frames=1100))
    outcome = await processor.handle(event)
    assert isinstance(outcome, FileProcessed)
    assert (outcome.statistics["frame_means"], outcome.statistics["frame_means_stored"]) == (None, True)
    reader = await processor.storage.open(analysis_key(outcome.file_id, "statistics"))
    stored = orjson.loads(await reader.read(0, reader.size))
    assert reader.trailer["media_type"] == "application/json"
    assert len(stored["frame_means"]) == 1100
    assert sum(stored["frame_means"]) / 1100 == pytest.approx(outcome.averages.before_normalization)


async def test_the_last_attempt_is_an_attempt_and_the_one_after_it_none(processor: Processor) -> None:
    event = await processor.store(ct_instance())
    assert isinstance(await processor.handle(event, attempt=ATTEMPTS, attempts=ATTEMPTS), FileProcessed)
    # Whatever ended the workers may lie in the file: it is not touched again.
    decoded = processor.value("processor_decode_seconds_count", transfer_syntax=EXPLICIT_LITTLE)
    outcome = await processor.handle(event, attempt=ATTEMPTS + 1, attempts=ATTEMPTS)
    assert is_failure(outcome, event, "worker-lost", attempts=ATTEMPTS)
    after = processor.value("processor_decode_seconds_count", transfer_syntax=EXPLICIT_LITTLE)
    assert decoded == after == 1


async def test_an_object_that_is_not_there_or_does_not_authenticate_is_final(processor: Processor) -> None:
    await processor.storage.ready()
    missing = received()
    assert is_failure(await processor.handle(missing), missing, "object-missing", attempts=1)
    for place in (10, 10_000):  # in the header, which the parent reads, and behind it
        event = await processor.store(ct_instance(seed=place))
        (path,) = processor.storage._folder.root.glob(f"??/{event.file_id}")
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        content[4096 + place] ^= 1
        path.write_bytes(content)
        assert is_failure(await processor.handle(event), event, "object-corrupt", attempts=1)


@pytest.mark.parametrize("where", ["header", "decoder"])
async def test_a_sector_that_cannot_be_read_ends_the_file_at_the_last_attempt(
    tmp_path: Path, where: str
) -> None:
    """Not before, and the event is handled then: nothing is given up, and nothing tried for ever."""
    kind = FullStorage if where == "header" else BadSectors
    storage = kind(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))
    async with inprocess_processor(tmp_path, attempts=ATTEMPTS, storage=storage) as processor:
        event = await processor.store(ct_instance())
        if where == "header":
            (path,) = (tmp_path / "objects").glob(f"??/{event.file_id}")
            path.unlink()
            path.symlink_to("/proc/self/mem")
        await processor.bus.publish(event)
        (outcome,) = processor.published
        assert is_failure(outcome, event, "worker-lost", attempts=ATTEMPTS)
        assert isinstance(outcome, FileFailed)
        before = [(told.attempt, told.reason, told.worker) for told in outcome.earlier]
        assert before == [(n, "object-unreadable", "worker") for n in range(1, ATTEMPTS)]
        assert len({told.id for told in outcome.earlier}) == ATTEMPTS - 1
        times = [time for told in outcome.earlier for time in (told.started_at, told.finished_at)]
        assert times == sorted(times)
        assert outcome.started_at is not None
        assert outcome.started_at > times[-1]
        retried = processor.value("bus_outcomes_total", queue="processor.work", outcome="retry")
        assert retried == ATTEMPTS - 1
        assert processor.value("processor_files_total", outcome="failed", reason="worker-lost") == 1


async def test_a_deadline_that_passed_once_fails_no_file(tmp_path: Path) -> None:
    async with inprocess_processor(tmp_path, cpu=1.0) as processor:
        event = await processor.store(laborious())
        with pytest.raises(AttemptFailed) as failure:
            await processor.handle(event, attempt=1)
        assert isinstance(failure.value.__cause__, DecodeTimeout)
        assert failure.value.note["reason"] == "decode-timeout"
        assert failure.value.note["run"]["decode_seconds"] > 0
        assert processor.published == []
        outcome = await processor.handle(event, attempt=2)
        assert is_failure(outcome, event, "decode-timeout", attempts=2)


async def test_a_decoder_that_was_lost_once_fails_no_file(processor: Processor) -> None:
    large = await processor.store(ct_instance(1024, 1024, frames=64, seed=1))
    small = await processor.store(ct_instance())

    async def handled_while_decoders_are_killed(attempt: int, attempts: int = 10) -> None:
        await processor.handle(small)  # the decoder is up, and its start no longer takes any CPU time
        processor.published.clear()
        before = processor.value("processor_decoder_cpu_seconds_total")
        work = asyncio.create_task(processor.handle(large, attempt, attempts))
        await eventually(lambda: processor.value("processor_decoder_cpu_seconds_total") > before + 0.05)
        for pid in processor.pool.pids:
            os.kill(pid, signal.SIGKILL)
        await work

    with pytest.raises(AttemptFailed) as failure:
        await handled_while_decoders_are_killed(attempt=1)
    assert isinstance(failure.value.__cause__, DecoderCrashed)
    assert failure.value.note["reason"] == "decoder-crashed"
    assert processor.published == []
    await handled_while_decoders_are_killed(attempt=2)
    assert is_failure(processor.published[-1], large, "decoder-crashed", attempts=2)
    # Where one attempt is all there is, it says what happened to it.
    await handled_while_decoders_are_killed(attempt=1, attempts=1)
    assert is_failure(processor.published[-1], large, "decoder-crashed", attempts=1)


async def test_a_result_that_is_too_large_to_send_is_a_failure(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Final at once: another attempt would measure the same."""
    monkeypatch.setattr("libs.common.events.MAX_EVENT_BYTES", 1000)
    event = await processor.store(ct_instance())
    assert is_failure(await processor.handle(event), event, "result-too-large", attempts=1)
    assert len(processor.published) == 1
    assert processor.value("processor_files_total", outcome="failed", reason="result-too-large") == 1
    assert processor.value("processor_files_total", outcome="processed", reason="") == 0


async def test_what_is_no_file_is_refused(processor: Processor) -> None:
    with pytest.raises(Reject):
        await processor.handler(Delivery(processed(received()), 1))


async def test_a_full_queue_of_outcomes_stops_work_and_repeats_none(
    rabbitmq_node: RabbitMQNode, vhost: str, tmp_path: Path
) -> None:
    """What was measured is published once there is room; what was not is not begun before."""
    url, files = rabbitmq_node.url(vhost), 12
    telemetry = make_telemetry()
    async with rabbitmq_bus(url, telemetry) as bus:
        processor = Processor(tmp_path, bus, telemetry)

        def decoded() -> float:
            return processor.value("processor_decode_seconds_count", transfer_syntax=EXPLICIT_LITTLE)

        def ended() -> float:
            return processor.value("processor_files_total", outcome="processed", reason="")

        await ready(bus)
        for seed in range(files):
            await bus.publish(await processor.store(ct_instance(seed=seed)))
        rabbitmq_node.limit_length(vhost, r"^results\\.files$", 1)
        await processor.take_work()
        await eventually(lambda: processor.value("processor_outcomes_waiting") >= 1)
        await asyncio.sleep(2.0)
        assert 1 <= decoded() <= 4
        assert ended() == 0
        await bus.subscribe(RESULTS_FILES, processor.take, concurrency=8)
        await eventually(lambda: ended() == files)
        assert decoded() == files
        assert processor.value("processor_outcomes_waiting") == 0
        await eventually(lambda: len({outcome.file_id for outcome in processor.published}) == files)
        await bus.drain()
        assert await messages_in(url, LANE_QUEUE) == []
    await processor.pool.close()


async def test_a_file_that_was_put_off_with_its_work_done_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker takes back what is kept in hand too long; the delivery that follows finds the outcome."""
    async with inprocess_processor(tmp_path) as processor:
        event, other = await processor.store(ct_instance()), await processor.store(ct_instance(seed=2))
        processor.storage.full = True
        held = asyncio.create_task(processor.handle(event))
        await eventually(lambda: processor.value("processor_outcomes_waiting") == 1)
        monkeypatch.setattr("services.processor.handlers.HOLD_SECONDS", 0.2)
        with pytest.raises(Unavailable, match="Outcomes wait"):
            await processor.handle(other)
        processor.storage.full = False
        assert isinstance(await held, FileProcessed)
        processor.storage.full = True
        with pytest.raises(Unavailable, match="full"):
            await processor.handle(other)
        processor.storage.full = False
        assert isinstance(await processor.handle(other), FileProcessed)
        measured = processor.value("processor_decode_seconds_count", transfer_syntax=EXPLICIT_LITTLE)
        assert (measured, len(processor.published)) == (2, 2)


async def test_a_stop_does_not_wait_for_room(tmp_path: Path) -> None:
    async with inprocess_processor(tmp_path) as processor:
        event = await processor.store(ct_instance())
        processor.storage.full = True
        work = asyncio.create_task(processor.handle(event))
        await eventually(lambda: processor.value("processor_outcomes_waiting") == 1)
        processor.outcomes.close()
        with pytest.raises(Unavailable):
            await work


class Waited(Circuits):
    """Pauses that are over once the test says so."""

    waited = 0.0

    def begin(self, codec: str, file_id: UUID, now: float) -> float:
        return super().begin(codec, file_id, now + self.waited)


async def test_a_codec_whose_decoders_crash_is_paused_and_the_rest_goes_on(tmp_path: Path) -> None:
    """A sound file of it waits without an attempt, files of another codec do not wait."""
    circuits = Waited(2, 600)
    async with inprocess_processor(tmp_path, cpu=1.0, circuits=circuits) as processor:
        sound = await processor.store(ct_instance())
        for _ in range(2):
            with pytest.raises(AttemptFailed):
                await processor.handle(await processor.store(laborious()))
        assert processor.value("processor_circuit_open", transfer_syntax=EXPLICIT_LITTLE) == 1
        with pytest.raises(Unavailable, match="paused"):
            await processor.handle(sound)
        data = sound.data.model_copy(update={"transfer_syntax_uid": "1"})
        another = sound.model_copy(update={"data": data})
        assert isinstance(await processor.handle(another), FileProcessed)
        processor.published.clear()
        # The bus tries it again and again; the first time after the pause it is the probe.
        put_off = {"queue": "processor.work", "outcome": "retry"}
        publishing = asyncio.create_task(processor.bus.publish(sound))
        await eventually(lambda: processor.value("bus_outcomes_total", **put_off) >= 2)
        circuits.waited = 600
        await publishing
        (outcome,) = processor.published
        assert isinstance(outcome, FileProcessed)
        assert outcome.attempt == 1
        assert processor.value("processor_circuit_open", transfer_syntax=EXPLICIT_LITTLE) == 0


@pytest.mark.parametrize("reason", ["retry", "reprocess"])
async def test_what_is_requested_is_answered_by_its_number(processor: Processor, reason: str) -> None:
    for content, model in ((ct_instance(), FileProcessed), (b"no DICOM", FileFailed)):
        stored = await processor.store(content)
        told = stored.data.model_dump(exclude={"supersedes", "supersedes_moves", "request"})
        data = FileRequested(**told, request=3, reason=reason)
        outcome = await processor.handle(new_event("/results", data))
        assert isinstance(outcome, model)
        assert outcome.request == 3
        assert not isinstance(outcome, FileFailed) or outcome.requested == reason
