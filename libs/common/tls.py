"""The certificate that this process serves, renewed while it runs, and when certificates end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from aiohttp import web
from prometheus_client import Gauge

from libs.common.certificates import first_end, load, read_ca_file, read_pair, server_context
from libs.common.errors import ConfigurationError
from libs.common.keys import TELEMETRY
from libs.common.settings import CommonSettings
from libs.common.tasks import supervise

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""Between looks at the files. They are read, since links above them are swapped without any sign below."""
SERVER_TLS = web.AppKey("server_tls", ssl.SSLContext)
"""What the process serves HTTPS with; absent: it serves HTTP."""


class WatchedFile:
    """A file of certificates that is acted on at each change, and whose first end is measured."""

    def __init__(
        self, path: Path, read: Callable[[], bytes], ends: Gauge, use: Callable[[bytes], None] | None = None
    ) -> None:
        """`read` raises ConfigurationError for a content that is no good; `use` gets each new good one.

        Raises ConfigurationError for the first.
        """
        self._path = path
        self._read = read
        self._ends = ends
        self._use = use
        self._complaint: str | None = None
        self._content = read()
        self._take()

    def look(self) -> None:
        """Take over a changed content. One that is no good, perhaps half written, changes nothing."""
        try:
            content = self._read()
        except ConfigurationError as error:
            if self._complaint != error.detail:
                self._complaint = error.detail
                log.error("what was read before stays in use: %s", error.detail)
            return
        self._complaint = None
        if content != self._content:
            self._content = content
            self._take()
            log.info("%s has changed and was taken over", self._path)

    def _take(self) -> None:
        if self._use is not None:
            self._use(self._content)
        end = first_end(self._content)
        self._ends.labels(str(self._path)).set(end.timestamp())
        if end <= datetime.now(UTC):
            log.warning("a certificate in %s ended at %s: replace it", self._path, end.isoformat())


def add_tls(app: web.Application, settings: CommonSettings, *, pause: float = CHECK_SECONDS) -> None:
    """Have `app` served with TLS_CERT_FILE if there is one, and watch the certificates of its settings.

    `pause` is in seconds. Raises ConfigurationError for files that do not do.
    """
    files = _watched_files(app, settings)

    async def watch() -> None:
        while True:
            await asyncio.sleep(pause)
            for file in files:
                # Here rather than in a thread: no handshake may meet a context that is being changed.
                file.look()

    async def watching(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, "certificates", watch()):
            yield

    if files:
        app.cleanup_ctx.append(watching)


def _watched_files(app: web.Application, settings: CommonSettings) -> list[WatchedFile]:
    certificate, key, ca = settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file
    ends = Gauge(
        "tls_certificate_not_after_timestamp_seconds",
        "When the first certificate of a file ends, in seconds since 1970",
        ["file"],
        registry=app[TELEMETRY].metrics.registry,
    )
    files = []
    if certificate is not None and key is not None:
        context = app[SERVER_TLS] = server_context()
        read = partial(read_pair, certificate, key)
        files.append(WatchedFile(certificate, read, ends, partial(load, context)))
    if ca is not None:
        # Whoever connects reads it again.
        files.append(WatchedFile(ca, partial(read_ca_file, ca), ends))
    return files
