"""The ingest service's wiring."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from libs.common.bus.contract import Bus
from libs.common.bus.topology import INGEST_OUTCOMES, INGEST_REQUESTS
from libs.common.database.migrations import Migrations, require_current, wait_until_current
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.http.openapi import add_operations
from libs.common.http.quotas import Quota
from libs.common.http.system import SystemSource
from libs.common.keys import ARRIVALS, BUS, DEAD_LETTERS, READINESS, TELEMETRY
from libs.common.memory import keep_large_buffers
from libs.common.outbox.dead_letters import OutboxLetters
from libs.common.resources import (
    add_audit_trail,
    add_storage,
    add_token_keys,
    outbox_relay,
    service_database,
    standalone,
)
from libs.common.storage import Storage
from libs.common.tasks import supervise
from libs.dicom.parse.header import HeaderLimits
from services.ingest.accepting import group_commit
from services.ingest.files import routes as files_routes
from services.ingest.handlers import FailedFiles, RequestedFiles
from services.ingest.intake import Intake, Limits
from services.ingest.keys import DATABASE, INTAKE, MOVING, PEERS, SETTINGS, UPLOAD_BYTES, UPLOADS
from services.ingest.metrics import IngestMetrics
from services.ingest.moving import Moving
from services.ingest.peers import routes as peer_routes
from services.ingest.peers.peers import Peers
from services.ingest.settings import IngestSettings
from services.ingest.store import SCHEMA
from services.ingest.stow import routes as stow_routes

log = logging.getLogger(__name__)

MIGRATIONS = Migrations(SCHEMA, Path(__file__).parent / "migrations")
OUTCOME_CONCURRENCY = 8
BUSY_SECONDS = 5
"""After which an owner who has too much under way may ask again."""
SWEEP_SECONDS = 3600.0


def install(app: web.Application, settings: IngestSettings, *, in_process_slots: int | None = None) -> None:
    """Put the ingest service onto `app`; `in_process_slots` as OutboxRelay has it, None with RabbitMQ."""
    database, storage = add_intake(app, settings, in_process_slots=in_process_slots, hears=True)
    system = SystemSource("ingest", settings, database, MIGRATIONS, storage)
    add_operations(
        app,
        prefix="/api/files",
        title="Ingest",
        service="ingest",
        operations=(*files_routes.OPERATIONS, system.operation("/system")),
    )
    add_operations(
        app,
        prefix=stow_routes.PREFIX,
        title="DICOMweb: storing",
        service="ingest",
        operations=stow_routes.OPERATIONS,
        # Whatever is read below the prefix itself, results answers.
        document_path="/api/files/dicom-web/openapi.json",
    )

    app[PEERS] = Peers(database)
    add_operations(
        app, prefix="/api/peers", title="Peers", service="ingest", operations=peer_routes.OPERATIONS
    )
    app[DEAD_LETTERS].append(OutboxLetters(database, SCHEMA))
    add_audit_trail(app, "ingest", settings, database)


def add_intake(
    app: web.Application,
    settings: IngestSettings,
    *,
    in_process_slots: int | None = None,
    hears: bool = False,
) -> tuple[Database, Storage]:
    """What takes files in, and the relay of what is announced of them; the database and the object store.

    `hears`: whether it takes what others tell ingest, as the service does and a door beside it does not.
    """
    telemetry = app[TELEMETRY]
    database = service_database(settings, SCHEMA, telemetry.metrics)
    storage = add_storage(app, "ingest", settings)
    metrics = IngestMetrics(telemetry.metrics.registry)
    app[SETTINGS] = settings
    app[DATABASE] = database
    refusals = telemetry.metrics.http_refusals
    app[UPLOADS] = Quota(
        settings.uploads_per_owner,
        code="too-many-uploads",
        detail=f"Your account has {settings.uploads_per_owner} uploads under way already, the most at once: "
        "send this again when one of them has ended.",
        retry_after=BUSY_SECONDS,
        refusals=refusals,
    )
    app[UPLOAD_BYTES] = Quota(
        settings.upload_bytes_per_owner,
        code="too-many-bytes",
        detail="Your account's uploads under way would be more than "
        f"{settings.upload_bytes_per_owner} bytes: send this again when one of them has ended.",
        retry_after=BUSY_SECONDS,
        refusals=refusals,
    )

    async def postgresql() -> None:
        await require_current(database, MIGRATIONS)

    app[READINESS]["ingest database"] = postgresql

    async def resources(app: web.Application) -> AsyncIterator[None]:
        keep_large_buffers()
        await database.open()
        relay = outbox_relay(app, settings, database, SCHEMA, in_process_slots)
        accepting = group_commit(database, relay, metrics)
        app[INTAKE] = Intake(
            storage,
            database,
            limits(settings),
            telemetry,
            metrics,
            accepting,
            app[ARRIVALS],
            concurrency=settings.max_concurrent_uploads,
            wake=relay.wake,
        )

        app[MOVING] = Moving(storage, database, wake=relay.wake)

        async def consume_and_relay() -> None:
            await wait_until_current(database, MIGRATIONS)
            if hears:
                await hear(app[BUS], database)
            await relay.run()

        async with (
            relay.admitted(),
            supervise(app, "storage sweep", sweep(storage)),
            supervise(app, "group commit", accepting.run()),
            supervise(app, "outbox relay", consume_and_relay()),
        ):
            yield
            await relay.stop(settings.shutdown_timeout)
        await database.close()

    app.cleanup_ctx.append(resources)
    return database, storage


async def hear(bus: Bus, database: Database) -> None:
    """Take what others tell ingest."""
    await bus.subscribe(INGEST_OUTCOMES, FailedFiles(database), concurrency=OUTCOME_CONCURRENCY)
    await bus.subscribe(INGEST_REQUESTS, RequestedFiles(database), concurrency=OUTCOME_CONCURRENCY)


def create(settings: IngestSettings) -> web.Application:
    """The ingest service in a process of its own."""
    app = standalone("ingest", settings)
    add_token_keys(app, settings)
    install(app, settings)
    return app


def limits(settings: IngestSettings) -> Limits:
    """What an upload may be, by the settings."""
    return Limits(
        max_file_bytes=settings.max_file_bytes,
        max_decoded_bytes=settings.max_decoded_bytes,
        accepted_extensions=settings.accepted_extensions,
        header=HeaderLimits(
            max_bytes=settings.max_header_bytes,
            max_elements=settings.max_header_elements,
            max_depth=settings.max_header_depth,
            deadline_seconds=settings.max_header_seconds,
        ),
    )


async def sweep(storage: Storage) -> None:
    """Remove, at start and every hour, what uploads cut off by a crash left behind."""
    while True:
        try:
            await storage.sweep()
        except Unavailable as error:
            log.warning("leftovers not swept: %s", error.detail)
        await asyncio.sleep(SWEEP_SECONDS)
