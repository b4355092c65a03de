"""The processor service's wiring."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from functools import partial

from aiohttp import web

from libs.common.arrivals import Arrivals
from libs.common.bus.topology import PROCESSOR_PAUSES, PROCESSOR_WORK
from libs.common.keys import ARRIVALS, BUS, READINESS, TELEMETRY
from libs.common.resources import add_storage, standalone
from libs.common.scheduling import give_way
from libs.common.tasks import supervise
from libs.dicom.measure.analysis import AnalysisLimits
from services.processor.admission.machine import Machine
from services.processor.attempts import Attempts, Counted
from services.processor.beats import Beats, BudgetUse
from services.processor.circuit import Circuits
from services.processor.gate import WorkerGate
from services.processor.handlers import Received
from services.processor.metrics import ProcessorMetrics
from services.processor.outcomes import Outcomes
from services.processor.outlook import GateLimits
from services.processor.pauses import Pauses
from services.processor.pool import DecoderPool
from services.processor.settings import ProcessorSettings
from services.processor.under_way import UnderWay
from services.processor.usage import DecoderUsage, resident

FILES_PER_SLOT = 32
"""Under way at once where a file takes a moment: while one is decoded, the next are fetched, and the outcomes
of those before are stored, published and confirmed (in one process: committed). Were they fewer, a decoder
would wait for them on a busy machine. Large files are fewer anyway (`SLOT_BYTES`)."""
LANE_DELIVERIES_PER_SLOT = 2
"""Of each lane that shares the worker with others: more would wait here while another worker has a place."""
OUTCOMES = web.AppKey("outcomes", Outcomes)
BEATS = web.AppKey("beats", Beats)


def install(app: web.Application, settings: ProcessorSettings) -> None:
    """Put the processor service onto `app`."""
    storage = add_storage(app, "processor", settings)
    telemetry = app[TELEMETRY]
    metrics = ProcessorMetrics(telemetry.metrics.registry, settings.lanes)

    async def resources(app: web.Application) -> AsyncIterator[None]:
        pool = DecoderPool(
            slots=settings.worker_slots,
            cpu_seconds=settings.decode_timeout,
            wall_seconds=settings.decode_wall_timeout,
            memory_bytes=settings.decode_memory_bytes,
            limits=AnalysisLimits(
                max_frame_bytes=settings.max_frame_bytes, max_inflated_bytes=settings.max_inflated_bytes
            ),
            files=settings.decoder_files,
            nice=settings.decoder_nice,
        )
        usage = DecoderUsage(pool)
        telemetry.metrics.registry.register(usage)
        outcomes = app[OUTCOMES] = Outcomes(app[BUS], storage, metrics, kept=4 * concurrency(settings))
        circuits = Circuits(settings.circuit_crashes, settings.circuit_seconds)
        metrics.show(circuits)
        attempts = Attempts(storage)
        pauses = Pauses()
        gate = WorkerGate(
            limits_of(settings),
            Machine().read,
            partial(resident, pool),
            attempts,
            metrics,
            use=pool.use,
            paused=lambda: pauses.lanes,
            behind=partial(goes_behind, settings, app[ARRIVALS]),
        )
        pauses.on_change(gate.look_again)
        under_way = UnderWay()
        worker = f"{socket.gethostname()}-{os.getpid()}"
        beats = app[BEATS] = Beats(
            app[BUS],
            pool,
            under_way,
            worker=worker,
            seconds=settings.beat_seconds,
            budget=lambda: BudgetUse(gate.budget_bytes, gate.used_bytes),
        )
        handler = Received(
            outcomes,
            storage,
            pool,
            telemetry,
            metrics,
            circuits,
            gate,
            under_way,
            crashes=settings.decoder_crash_attempts,
            worker=worker,
        )
        app[READINESS]["decoders"] = pool.ready
        async with supervise(app, "decoders", pool.run()), supervise(app, "admission", gate.run()):
            await app[BUS].subscribe(PROCESSOR_PAUSES, pauses, concurrency=1)
            await app[BUS].take(
                PROCESSOR_WORK,
                Counted(handler, attempts),
                gate,
                ahead=LANE_DELIVERIES_PER_SLOT * settings.worker_slots,
                alone=lambda: gate.at_hand,
                attempts=settings.max_attempts,
            )
            async with supervise(app, "beats", beats.run()):
                yield
            await beats.leave("stopped")
        telemetry.metrics.registry.unregister(usage)
        await pool.close()

    app.cleanup_ctx.append(resources)
    app.on_shutdown.insert(0, say_draining)
    # Before the bus drains: handlers that wait for room in a queue would use up all the time it gives them.
    app.on_shutdown.insert(0, stop_waiting)


async def say_draining(app: web.Application) -> None:
    """Say that nothing more is begun, while somebody may still hear it."""
    await app[BEATS].leave("draining")


async def stop_waiting(app: web.Application) -> None:
    """Keep no delivery for an outcome that cannot be published."""
    app[OUTCOMES].close()


def goes_behind(settings: ProcessorSettings, arrivals: Arrivals) -> bool:
    """Whether files that arrive at this process are to be received before others are measured."""
    return settings.worker_nice > 0 and arrivals.going_on


def limits_of(settings: ProcessorSettings) -> GateLimits:
    """What bounds the admission. In one process there is no larger worker."""
    alone = settings.amqp_url is None
    return GateLimits(
        slots=settings.worker_slots,
        per_slot=FILES_PER_SLOT,
        reserve=settings.memory_reserve_bytes,
        decode_memory=settings.decode_memory_bytes,
        largest=None if alone else settings.largest_decode_memory_bytes,
    )


def concurrency(settings: ProcessorSettings) -> int:
    """How many files are under way at once, at most."""
    limits = limits_of(settings)
    return limits.slots * limits.per_slot


def create(settings: ProcessorSettings) -> web.Application:
    """The processor service in a process of its own."""
    app = standalone("processor", settings)
    install(app, settings)
    return app


def start(settings: ProcessorSettings) -> web.Application:
    """The same, behind the others of its machine: of this process, so for its `__main__` alone."""
    give_way(settings.worker_nice)
    return create(settings)
