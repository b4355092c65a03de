"""TLS of the DICOM port (PS3.15 B.12): our certificate, renewed while it runs, and those of senders."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from functools import partial

from aiohttp import web

from libs.common.security.certificates import load, read_ca_file, read_pair, server_context
from libs.common.security.tls import CERTIFICATE_ENDS, CHECK_SECONDS, Watched
from libs.common.tasks import supervise
from services.ingest.dimse.settings import DimseSettings


def add_port_tls(app: web.Application, settings: DimseSettings) -> ssl.SSLContext | None:
    """What the port is served with; None without a certificate. Raises ConfigurationError."""
    certificate, key, ca = (
        settings.dimse_tls_cert_file,
        settings.dimse_tls_key_file,
        settings.dimse_tls_ca_file,
    )
    if certificate is None or key is None or settings.dimse_plaintext:
        return None
    context, authorities = server_context(), None
    if ca is not None:
        authorities = read_ca_file(ca).decode("ascii", "ignore")
        context.load_verify_locations(cadata=authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    files = Watched(
        certificate,
        key,
        read=partial(read_pair, certificate, key),
        ends=app[CERTIFICATE_ENDS],
        use=partial(load, context, authorities=authorities),
    )

    async def watch() -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            files.look()

    async def watching(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, "certificate of the DICOM port", watch()):
            yield

    app.cleanup_ctx.append(watching)
    return context


def fingerprint_of(connection: ssl.SSLObject | ssl.SSLSocket | None) -> str | None:
    """SHA-256 of the certificate that the peer showed, which was verified; None without one."""
    shown = None if connection is None else connection.getpeercert(binary_form=True)
    return None if shown is None else hashlib.sha256(shown).hexdigest()
