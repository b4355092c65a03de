"""What begins where, with real decoders on real buses: large files delay nobody, and go where is room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from libs.common.bus.contract import Delivery
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.bus.topology import INGEST_OUTCOMES, PROCESSOR_WORK, RESULTS_FILES, RESULTS_MOVES
from libs.common.events import Event, FileFailed, FileProcessed
from libs.common.ids import attempts_key
from services.processor.admission.machine import Reading
from services.processor.attempts import Counted
from services.processor.gate import WorkerGate
from services.processor.metrics import ProcessorMetrics
from tests.builders import DEFLATED, ct_instance
from tests.bus_support import FAST, make_telemetry
from tests.contract.bus_carriers import ignore, rabbitmq_bus, wait_for
from tests.integration.test_decoder_pool import laborious
from tests.processor_support import LIMITS, MIB, FullStorage, Processor
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

GIB = 1 << 30
JPEG_2000 = "1.2.840.10008.1.2.4.90"
SMALL = Reading(cores=2.0, machine_cores=2, memory_limit=640 * MIB, memory_free=512 * MIB)
LARGE = Reading(cores=2.0, machine_cores=2, memory_limit=8 * GIB, memory_free=6 * GIB)


def told(event: Event, decoded_bytes: int, syntax: str) -> Event:
    """As ingest announces a file with so large a frame; a decoder goes by the file itself."""
    data = event.data.model_copy(update={"decoded_bytes": decoded_bytes, "transfer_syntax_uid": syntax})
    return event.model_copy(update={"data": data})


@asynccontextmanager
async def on_rabbitmq(
    url: str,
    folder: Path,
    reading: Reading,
    *,
    largest: int | None = None,
    storage: FullStorage | None = None,
) -> AsyncIterator[Processor]:
    """A worker on a machine of its own; `storage` None: it has a folder of its own, too."""
    telemetry = make_telemetry()
    async with rabbitmq_bus(url, telemetry) as bus:
        limits = replace(LIMITS, largest=largest)
        worker = Processor(folder, bus, telemetry, limits=limits, read=lambda: reading, storage=storage)
        try:
            yield worker
        finally:
            await bus.drain()
            await worker.pool.close()


async def test_a_large_file_delays_no_small_ones(tmp_path: Path) -> None:
    """Two gigabytes of pixels that take many seconds, and what comes after them."""
    telemetry = make_telemetry()
    bus = InProcessBus(telemetry, topology=FAST, drain_timeout=5.0)
    processor = Processor(tmp_path, bus, telemetry, limits=replace(LIMITS, slots=2), read=lambda: LARGE)
    await processor.open()
    giant = told(await processor.store(laborious()), 3 * GIB, DEFLATED)
    small = [await processor.store(ct_instance(seed=seed)) for seed in range(20)]
    giants = [asyncio.create_task(bus.publish(giant)) for _ in range(2)]
    await eventually(lambda: processor.pool.busy >= 1)
    await asyncio.gather(*(bus.publish(event) for event in small))
    assert {outcome.file_id for outcome in processor.published} == {event.file_id for event in small}
    assert processor.pool.busy == 1, "the large one is still under way, and the other waits for it"
    for task in giants:
        task.cancel()
    await asyncio.gather(*giants, return_exceptions=True)
    await bus.drain()
    await processor.pool.close()


async def test_a_file_goes_to_the_worker_that_has_room_for_it(
    rabbitmq_node: RabbitMQNode, vhost: str, tmp_path: Path
) -> None:
    """Without any attempt charged; small ones go on beside it."""
    url = rabbitmq_node.url(vhost)
    async with (
        on_rabbitmq(url, tmp_path, SMALL, largest=GIB) as small,
        on_rabbitmq(url, tmp_path, LARGE, largest=GIB, storage=small.storage) as large,
    ):
        for subscription, handler in (
            (RESULTS_FILES, large.take),
            (INGEST_OUTCOMES, ignore),
            (RESULTS_MOVES, ignore),
        ):
            await large.bus.subscribe(subscription, handler, concurrency=8)
        # 400 MiB for a frame of 50 MiB: more than the small one has.
        giants = [told(await large.store(ct_instance(seed=n)), 50 * MIB, JPEG_2000) for n in range(3)]
        others = [await large.store(ct_instance(seed=10 + n)) for n in range(6)]
        for event in (*giants, *others):
            await small.bus.publish(event)
        await small.take_work()
        await eventually(lambda: len(large.published) >= 6)
        waits = {"reason": "handed-on"}
        await eventually(lambda: small.value("processor_admission_waits_total", **waits) >= 1)
        assert not {one.file_id for one in large.published} & {one.file_id for one in giants}
        await large.take_work()
        await eventually(lambda: len(large.published) == 9)
        outcomes = [one for one in large.published if isinstance(one, FileProcessed)]
        assert [one.attempt for one in outcomes] == [1] * 9
        assert small.value("processor_files_total", outcome="processed", reason="") <= 6
        assert large.value("processor_files_total", outcome="processed", reason="") >= 3


async def test_a_file_too_large_for_all_fails_at_once(
    rabbitmq_node: RabbitMQNode, vhost: str, tmp_path: Path
) -> None:
    """No decoder is asked, and no other worker."""
    url = rabbitmq_node.url(vhost)
    async with on_rabbitmq(url, tmp_path, LARGE, largest=2 * GIB) as worker:
        await worker.open()
        await worker.bus.publish(told(await worker.store(ct_instance()), 3 * GIB, JPEG_2000))
        await eventually(lambda: len(worker.published) == 1)
        (outcome,) = worker.published
        assert isinstance(outcome, FileFailed)
        assert (outcome.reason, outcome.attempts) == ("memory-limit", 1)
        assert worker.value("processor_decode_seconds_count", transfer_syntax=JPEG_2000) == 0


async def test_lost_workers_are_charged_to_what_they_had_begun(
    rabbitmq_node: RabbitMQNode, vhost: str, tmp_path: Path
) -> None:
    """Each worker is lost with one file under way, and another at hand."""
    url, seen = rabbitmq_node.url(vhost), list[tuple[str, int]]()
    async with on_rabbitmq(url, tmp_path, SMALL) as worker:
        culprit, neighbour = [await worker.store(ct_instance(seed=seed)) for seed in range(2)]
        for event in (culprit, neighbour):
            await worker.bus.publish(event)

        async def endless(delivery: Delivery) -> None:
            seen.append((delivery.event.subject, delivery.attempt))
            await asyncio.Event().wait()

        for lost in range(1, 5):
            telemetry = make_telemetry()
            bus = RabbitMQBus(url, telemetry, name="lost", topology=FAST)
            await bus.open()
            metrics = ProcessorMetrics(telemetry.metrics.registry)
            gate = WorkerGate(replace(LIMITS, per_slot=1), lambda: SMALL, list, worker.attempts, metrics)
            await bus.take(PROCESSOR_WORK, Counted(endless, worker.attempts), gate, ahead=4)
            await eventually(lambda lost=lost: len(seen) == lost)  # type: ignore[misc]
            await wait_for(telemetry, 1)
            await bus.close()  # as when it is killed: nothing is settled
        assert seen == [(culprit.subject, attempt) for attempt in (1, 2, 3, 4)]
        await worker.open()
        await eventually(lambda: len(worker.published) == 2)
        outcomes = [one for one in worker.published if isinstance(one, FileProcessed)]
        attempts = {str(one.file_id): one.attempt for one in outcomes}
        assert attempts == {culprit.subject: 5, neighbour.subject: 2}
        for event in (culprit, neighbour):
            assert not await worker.storage.exists(attempts_key(event.file_id))
