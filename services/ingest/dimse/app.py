"""The DICOM door's wiring: onto an application that has ingest's intake."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from libs.common.errors import ConfigurationError
from libs.common.http.audited import AUDIT_TRAILS
from libs.common.http.serving import bind
from libs.common.keys import DRAINING, RUNNING, TELEMETRY
from libs.common.resources import add_audit_trail, standalone
from libs.common.tasks import supervise
from services.ingest.app import add_intake
from services.ingest.dimse.callers import Identify
from services.ingest.dimse.commitment import Commitments
from services.ingest.dimse.door import Door
from services.ingest.dimse.metrics import DimseMetrics
from services.ingest.dimse.receiving import Receiving
from services.ingest.dimse.settings import DimseSettings
from services.ingest.dimse.tls import add_port_tls
from services.ingest.keys import DATABASE, INTAKE, UPLOAD_BYTES, UPLOADS
from services.ingest.peers.peers import Peers

log = logging.getLogger(__name__)


def install(
    app: web.Application, settings: DimseSettings, listener: socket.socket, identify: Identify
) -> None:
    """Serve associations on `listener` while `app` runs; its intake is added before.

    Raises ConfigurationError for certificates that do not do.
    """
    tls = add_port_tls(app, settings)
    metrics = DimseMetrics(app[TELEMETRY].metrics.registry)

    async def serving(app: web.Application) -> AsyncIterator[None]:
        trail = app[AUDIT_TRAILS]["ingest"]
        receiving = Receiving(app[INTAKE], app[UPLOADS], app[UPLOAD_BYTES], trail, settings.max_file_bytes)
        commitments = Commitments(app[DATABASE], trail, settings.dimse_ae_title, settings.dimse_acse_timeout)
        door = Door(settings, identify, receiving, commitments, trail, metrics, app[RUNNING])
        await door.open(listener, tls)
        host, port = listener.getsockname()[:2]
        log.info("listening for associations of %s on %s port %d", settings.dimse_ae_title, host, port)
        async with supervise(app, "DICOM door", _draining(app, door)):
            yield
        await door.close()

    app.cleanup_ctx.append(serving)


def create(settings: DimseSettings) -> web.Application:
    """The DICOM door in a process of its own, with an intake like ingest's. Raises ConfigurationError."""
    if settings.dimse_forbidden:
        raise ConfigurationError(
            "REQUIRE_TLS forbids plaintext: set DIMSE_TLS_CERT_FILE and DIMSE_TLS_KEY_FILE, or "
            "DIMSE_PLAINTEXT=true for modalities without TLS in a network of their own."
        )
    app = standalone("dimse", settings)
    database, _ = add_intake(app, settings)
    add_audit_trail(app, "ingest", settings, database)
    listener = bind(settings.dimse_host or settings.host, settings.dimse_port, "DIMSE_")
    install(app, settings, listener, Peers(database).identify)
    return app


async def _draining(app: web.Application, door: Door) -> None:
    """Let associations end while requests do, within the same SHUTDOWN_TIMEOUT."""
    await app[DRAINING].wait()
    door.drain()
    await asyncio.Event().wait()
