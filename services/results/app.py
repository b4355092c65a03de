"""The results service's wiring."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from libs.common.batches import Batcher
from libs.common.bus.rabbitmq.dead_letters import BrokerLetters
from libs.common.bus.rabbitmq.looking import BrokerDepths
from libs.common.bus.topology import PROCESSOR_WORK, RESULTS_FILES, RESULTS_MOVES, RESULTS_WORKERS
from libs.common.database.migrations import Migrations, require_current, wait_until_current
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.http.authenticate import GUEST_OF
from libs.common.http.openapi import add_operations
from libs.common.http.quotas import Quota
from libs.common.http.system import SystemSource
from libs.common.keys import BUS, DEAD_LETTERS, READINESS, TELEMETRY
from libs.common.outbox.dead_letters import OutboxLetters
from libs.common.resources import (
    add_audit_trail,
    add_storage,
    add_token_keys,
    outbox_relay,
    service_database,
    standalone,
    standby_database,
)
from libs.common.security.passwords import Passwords
from libs.common.tasks import supervise
from services.results.dead import routes as dead_routes
from services.results.dicomweb import routes as dicomweb_routes
from services.results.dicomweb.address import PLACES, StudyPlaces
from services.results.feed import routes as feed_routes
from services.results.feed import store as changes
from services.results.feed.reader import Feed
from services.results.jobs import actions as action_routes
from services.results.jobs import routes as job_routes
from services.results.jobs.running import Jobs
from services.results.keys import (
    DATABASE,
    DECODERS,
    DOWNLOADS,
    FEED,
    FRAMES,
    JOBS,
    LINKS,
    METRICS,
    OPENED,
    READS,
    REQUESTS,
    SETTINGS,
    STORAGE,
    STREAMS,
)
from services.results.links import routes as links_routes
from services.results.links import session_routes
from services.results.links.keeping import keep_links
from services.results.links.opening import Links
from services.results.links.watching import SessionWatch
from services.results.metrics import ResultsMetrics
from services.results.pauses import routes as pause_routes
from services.results.pauses.telling import PauseTeller
from services.results.pixels.decoders import PixelDecoders
from services.results.processing import routes as processing_routes
from services.results.processing.requests import SCHEMA, Requests
from services.results.processing.uncounted import count_what_was_missed
from services.results.processing.waiting import show_waiting
from services.results.queues import routes as queue_routes
from services.results.queues.looking import QueueLook
from services.results.read import routes as read_routes
from services.results.settings import ResultsSettings
from services.results.sharing import routes as sharing_routes
from services.results.sharing.keeping import keep_shares
from services.results.standby.reads import Reads
from services.results.studies import routes as study_routes
from services.results.viewer import routes as viewer_routes
from services.results.viewer.opened import OpenedSources
from services.results.workers import routes as worker_routes
from services.results.workers.beats import WorkerBeats, watch_workers
from services.results.write.handlers import FileEvents, Recorder

log = logging.getLogger(__name__)

MIGRATIONS = Migrations(SCHEMA, Path(__file__).parent / "migrations")
CONCURRENCY = 128
"""Events handled at once: two batches, one that commits and one that gathers."""
MOVES_CONCURRENCY = 64
"""One batch."""
WORKERS_CONCURRENCY = 2
PRUNE_SECONDS = 600.0
STREAM_SECONDS, DOWNLOAD_SECONDS, FRAMES_SECONDS = 30, 10, 2
"""After which an owner who has too many open may ask again."""
LINK_PASSWORDS = {"time_cost": 2, "memory_kib": 19 * 1024, "parallelism": 1, "workers": 2, "queue": 32}
"""argon2id as OWASP's password storage cheat sheet has it; it stands behind a token of 256 bits."""


def install(app: web.Application, settings: ResultsSettings, *, in_process_slots: int | None = None) -> None:
    """Put the results service onto `app`; `in_process_slots` as OutboxRelay has it, None with RabbitMQ."""
    telemetry = app[TELEMETRY]
    database = service_database(settings, SCHEMA, telemetry.metrics)
    storage = add_storage(app, "results", settings)
    metrics = app[METRICS] = ResultsMetrics(telemetry.metrics.registry)
    app[SETTINGS] = settings
    app[DATABASE] = database
    standby = standby_database(settings, settings.database_read_url, SCHEMA, telemetry.metrics)
    reads = app[READS] = Reads(database, standby, metrics, wait=settings.database_read_wait)
    app[STORAGE] = storage
    refusals = telemetry.metrics.http_refusals
    app[STREAMS] = Quota(
        settings.streams_per_owner,
        code="too-many-streams",
        detail=f"There are {settings.streams_per_owner} live streams of yours already, the most at once: "
        "close one of them.",
        retry_after=STREAM_SECONDS,
        refusals=refusals,
    )
    app[DOWNLOADS] = Quota(
        settings.downloads_per_owner,
        code="too-many-downloads",
        detail=f"{settings.downloads_per_owner} downloads of yours are under way, the most at once: ask "
        "again when one of them has ended.",
        retry_after=DOWNLOAD_SECONDS,
        refusals=refusals,
    )
    app[FRAMES] = Quota(
        settings.frames_per_owner,
        code="too-many-frames",
        detail=f"{settings.frames_per_owner} of your requests for frames are under way, the most at once: "
        "ask again when some of them have ended.",
        retry_after=FRAMES_SECONDS,
        refusals=refusals,
    )
    decoders = app[DECODERS] = PixelDecoders(settings, metrics)
    app[PLACES] = StudyPlaces()
    opened = app[OPENED] = OpenedSources()
    watch, passwords = SessionWatch(database), Passwords(**LINK_PASSWORDS)
    app[LINKS] = Links(database, passwords, watch, metrics)
    app[GUEST_OF] = session_routes.guest_of
    app[dead_routes.TURN] = asyncio.Lock()
    depths = None
    if settings.amqp_url is not None:
        letters = BrokerLetters(
            settings.amqp_url.get_secret_value(),
            timeout=settings.amqp_publish_timeout,
            ca_file=settings.tls_ca_file,
            topology=settings.topology(),
        )
        app[DEAD_LETTERS].append(letters)
        depths = BrokerDepths(
            settings.amqp_url.get_secret_value(),
            timeout=settings.amqp_publish_timeout,
            ca_file=settings.tls_ca_file,
            topology=settings.topology(),
        )
    lanes = app[pause_routes.WORK] = settings.topology().work(PROCESSOR_WORK.queue)
    app[queue_routes.QUEUES] = QueueLook(depths, lanes, settings.grafana_url)
    app[DEAD_LETTERS].append(OutboxLetters(database, SCHEMA))
    feed = app[FEED] = Feed(database, metrics, queue=settings.events_queue)
    add_operations(
        app,
        prefix="/api",
        title="Results",
        service="results",
        operations=(
            *read_routes.OPERATIONS,
            *study_routes.OPERATIONS,
            *viewer_routes.OPERATIONS,
            *feed_routes.OPERATIONS,
            *sharing_routes.OPERATIONS,
            *session_routes.OPERATIONS,
            *links_routes.OPERATIONS,
            *dead_routes.OPERATIONS,
            *processing_routes.OPERATIONS,
            *worker_routes.OPERATIONS,
            *job_routes.OPERATIONS,
            *action_routes.OPERATIONS,
            *queue_routes.OPERATIONS,
            *pause_routes.OPERATIONS,
            SystemSource("results", settings, database, MIGRATIONS, storage).operation("/processing/system"),
        ),
        document_path="/api/results/openapi.json",
    )
    add_operations(
        app,
        prefix=dicomweb_routes.PREFIX,
        title="DICOMweb: reading",
        service="results",
        operations=dicomweb_routes.OPERATIONS,
    )

    async def postgresql() -> None:
        await require_current(database, MIGRATIONS)

    app[READINESS]["results database"] = postgresql

    async def resources(app: web.Application) -> AsyncIterator[None]:
        retention = timedelta(hours=settings.change_feed_retention_hours)
        current = asyncio.Event()
        relay = outbox_relay(app, settings, database, SCHEMA, in_process_slots)
        app[REQUESTS] = Requests(database, metrics, wake=relay.wake)
        jobs = app[JOBS] = Jobs(database, metrics, at_once=settings.reprocess_at_once, wake=relay.wake)
        batcher = Batcher(Recorder(database, metrics, answered=jobs.wake))
        handler = FileEvents(storage, batcher, telemetry, metrics)

        async def consume() -> None:
            await wait_until_current(database, MIGRATIONS)
            current.set()
            await app[BUS].subscribe(RESULTS_FILES, handler, concurrency=CONCURRENCY)
            await app[BUS].subscribe(RESULTS_MOVES, handler, concurrency=MOVES_CONCURRENCY)
            await app[BUS].subscribe(RESULTS_WORKERS, WorkerBeats(database), concurrency=WORKERS_CONCURRENCY)
            await prune_for_ever(database, retention)

        async def announce() -> None:
            await current.wait()
            await relay.run()

        async def work() -> None:
            await current.wait()
            await jobs.run()

        async def follow() -> None:
            await current.wait()
            await feed.run()

        async def watch_standby() -> None:
            await current.wait()
            await reads.run()

        async def count() -> None:
            await current.wait()
            await count_what_was_missed(database)

        async def look() -> None:
            await current.wait()
            await show_waiting(database, metrics)

        async def watch_beats() -> None:
            await current.wait()
            await watch_workers(database, metrics)

        teller = app[pause_routes.TELLER] = PauseTeller(database, app[BUS], lanes, metrics)

        async def tell() -> None:
            await current.wait()
            await teller.run()

        async def keep() -> None:
            await current.wait()
            async with asyncio.TaskGroup() as keepers:
                keepers.create_task(keep_shares(database, metrics))
                keepers.create_task(keep_links(database, metrics))
                keepers.create_task(watch.run())

        await database.open()
        if standby is not None:
            await standby.open()
        async with (
            relay.admitted(),
            supervise(app, "results outbox", announce()),
            supervise(app, "results jobs", work()),
            supervise(app, "results batches", batcher.run()),
            supervise(app, "results change feed", follow()),
            supervise(app, "results subscription", consume()),
            supervise(app, "results standby", watch_standby()),
            supervise(app, "results counting", count()),
            supervise(app, "results waiting files", look()),
            supervise(app, "results workers", watch_beats()),
            supervise(app, "results paused lanes", tell()),
            supervise(app, "results shares", keep()),
        ):
            yield
            await relay.stop(settings.shutdown_timeout)
        await opened.close()
        await decoders.close()
        passwords.close()
        if standby is not None:
            await standby.close()
        await database.close()

    app.cleanup_ctx.append(resources)
    add_audit_trail(app, "results", settings, database)


def create(settings: ResultsSettings) -> web.Application:
    """The results service in a process of its own."""
    app = standalone("results", settings)
    add_token_keys(app, settings)
    install(app, settings)
    return app


async def prune_for_ever(database: Database, retention: timedelta) -> None:
    """Delete changes that are older than `retention`, at start and every ten minutes."""
    while True:
        try:
            async with database.connection() as connection:
                pruned = await changes.prune(connection, retention)
        except Unavailable as error:
            log.warning("old changes not pruned: %s", error.detail)
            pruned = 0
        if pruned < changes.PRUNE_LIMIT:
            await asyncio.sleep(PRUNE_SECONDS)
