"""The wiring of all five services into one application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from socket import socket
from typing import Any, TypeVar

from aiohttp import web

from libs.common.access import user_collection
from libs.common.bus.inprocess import InProcessBus
from libs.common.errors import Unavailable
from libs.common.http.application import create_app
from libs.common.ids import UserId
from libs.common.keys import BUS, READINESS
from libs.common.resources import add_rabbitmq, drain_bus
from libs.common.settings.broker import BrokerSettings
from libs.common.settings.loading import load_settings
from libs.common.settings.service import ServiceSettings
from libs.common.tasks import supervise
from libs.common.telemetry.tracing import Telemetry
from libs.postgresql.embedded import EmbeddedPostgres
from services.auth import app as auth
from services.auth.identity import store as accounts
from services.auth.keys import DATABASE as AUTH_DATABASE
from services.auth.settings import AuthSettings
from services.ingest import app as ingest
from services.ingest.dimse import app as dimse
from services.ingest.dimse.callers import Caller, Calling, Stranger
from services.ingest.dimse.settings import DimseSettings
from services.ingest.intake import Sender
from services.ingest.keys import PEERS
from services.ingest.settings import IngestSettings
from services.portal import app as portal
from services.portal.settings import PortalSettings
from services.processor import app as processor
from services.processor.settings import ProcessorSettings
from services.results import app as results
from services.results.settings import ResultsSettings

NAME = "all"
ADMIN = web.AppKey("admin", str)
"""User name of the first administrator."""
S = TypeVar("S", bound=ServiceSettings)


def create(
    overrides: dict[str, Any], embedded: EmbeddedPostgres | None, dicom: socket | None = None
) -> web.Application:
    """One application of all services; `overrides` replace what their settings read from the environment.

    `dicom` listens for associations. Raises ConfigurationError.
    """

    def load(model: type[S]) -> S:
        known = {name: value for name, value in overrides.items() if name in model.model_fields}
        return load_settings(model).model_copy(update=known)

    common = load(BrokerSettings)
    telemetry = Telemetry(NAME, common)
    app = create_app(common, telemetry)
    if embedded is not None:
        watch_postgres(app, embedded)
    if common.amqp_url is None:
        add_inprocess_bus(app, telemetry, common)
    else:
        add_rabbitmq(app, NAME, common, common.amqp_url.get_secret_value())
    # Cleanup runs in reverse: ingest comes last, so that its relay stops before what it feeds.
    auth_settings = load(AuthSettings)
    app[ADMIN] = auth_settings.admin_username
    auth.install(app, auth_settings)
    processor_settings = load(ProcessorSettings)
    slots = processor.concurrency(processor_settings) if common.amqp_url is None else None
    results.install(app, load(ResultsSettings), in_process_slots=slots)
    processor.install(app, processor_settings)
    ingest.install(app, load(IngestSettings), in_process_slots=slots)
    if dicom is not None:
        dimse.install(app, load(DimseSettings), dicom, partial(peer_or_administrator, app))
    auth.verify_locally(app)
    # Its routes take every path that is left.
    portal.install(app, load(PortalSettings))
    return app


async def peer_or_administrator(app: web.Application, calling: Calling) -> Caller:
    """A peer that is known; else whoever calls from this machine acts for its administrator.

    Raises Stranger, Unavailable.
    """
    try:
        return await app[PEERS].identify(calling)
    except Stranger:
        if not calling.address.is_loopback:
            raise
    async with app[AUTH_DATABASE].connection() as connection:
        account = await accounts.find_account(connection, app[ADMIN])
        found = None if account is None else await accounts.get_identity(connection, UserId(account.id))
    if found is None:
        raise Unavailable(f"There is no active account {app[ADMIN]} that objects could be sent for.")
    chosen = found.default_collection
    collection = chosen if found.collections.get(chosen or "") == "manage" else None
    return Caller(
        "loopback", f"user:{found.id}", Sender(UserId(found.id), collection or user_collection(found.id))
    )


def watch_postgres(app: web.Application, embedded: EmbeddedPostgres) -> None:
    """Stop the process when its PostgreSQL ends by itself."""

    async def watching(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, "embedded PostgreSQL", embedded.watch()):
            yield

    app.cleanup_ctx.append(watching)


def add_inprocess_bus(app: web.Application, telemetry: Telemetry, settings: BrokerSettings) -> None:
    """The bus without a broker; the outboxes are its durability."""
    bus = app[BUS] = InProcessBus(
        telemetry, topology=settings.topology(), drain_timeout=settings.shutdown_timeout
    )
    app[READINESS]["event bus"] = bus.ready
    app.on_shutdown.append(drain_bus)
