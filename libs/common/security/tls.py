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

from libs.common.errors import ConfigurationError
from libs.common.keys import TELEMETRY
from libs.common.security.certificates import first_end, load, read_ca_file, read_pair, server_context
from libs.common.settings.tls import TlsSettings
from libs.common.tasks import supervise

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""Between looks at the files. They are read, since links above them are swapped without any sign below."""
CERTIFICATE_ENDS = web.AppKey("certificate_ends", Gauge)
"""For other certificates than those of its HTTP server."""
SERVER_TLS = web.AppKey("server_tls", ssl.SSLContext)
"""What the process serves HTTPS with; absent: it serves HTTP."""


class Watched:
    """Certificates that are acted on whenever their files change, and whose first end is measured."""

    def __init__(
        self,
        *paths: Path,
        read: Callable[[], bytes],
        ends: Gauge,
        use: Callable[[bytes], None] | None = None,
    ) -> None:
        """`paths`: the certificates, then their key if they are served.

        `read` raises ConfigurationError for contents that are no good; `use` gets each new good one. Raises
        ConfigurationError for the first.
        """
        self._paths = paths
        self._read = read
        self._ends = ends
        self._use = use
        self._complaint: str | None = None
        self._seen = self._look()
        self._content = b""
        self._take(read())

    def look(self) -> None:
        """Take over what has changed. What is no good, perhaps half written, changes nothing."""
        seen = self._look()
        if seen == self._seen and self._complaint is None:
            return
        try:
            content = self._read()
            if content != self._content:
                self._take(content)
                log.info("%s has changed and was taken over", self._paths[0])
        except (ConfigurationError, OSError) as error:
            # OSError: out of file descriptors, for example. The next look tries again.
            if self._complaint != str(error):
                self._complaint = str(error)
                log.error("what was read before stays in use: %s", error)
            return
        self._seen, self._complaint = seen, None

    def _look(self) -> list[bytes] | None:
        """The bytes alone, for a comparison that costs nothing; None when they cannot be read."""
        try:
            return [path.read_bytes() for path in self._paths]
        except OSError:
            return None

    def _take(self, content: bytes) -> None:
        if self._use is not None:
            self._use(content)
        self._content = content
        end = first_end(content)
        self._ends.labels(str(self._paths[0])).set(end.timestamp())
        if end <= datetime.now(UTC):
            log.warning("a certificate in %s ended at %s: replace it", self._paths[0], end.isoformat())


def add_tls(app: web.Application, settings: TlsSettings, *, pause: float = CHECK_SECONDS) -> None:
    """Have `app` served with TLS_CERT_FILE if there is one, and watch the certificates of its settings.

    `pause` is in seconds. Raises ConfigurationError for files that do not do.
    """
    watched = _watched(app, settings)

    async def watch() -> None:
        while True:
            await asyncio.sleep(pause)
            for files in watched:
                # Here rather than in a thread: no handshake may meet a context that is being changed.
                files.look()

    async def watching(app: web.Application) -> AsyncIterator[None]:
        async with supervise(app, "certificates", watch()):
            yield

    if watched:
        app.cleanup_ctx.append(watching)


def _watched(app: web.Application, settings: TlsSettings) -> list[Watched]:
    certificate, key, ca = settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file
    ends = Gauge(
        "tls_certificate_not_after_timestamp_seconds",
        "When the first certificate of a file ends, in seconds since 1970",
        ["file"],
        registry=app[TELEMETRY].metrics.registry,
    )
    app[CERTIFICATE_ENDS] = ends
    watched = []
    if certificate is not None and key is not None:
        context = app[SERVER_TLS] = server_context()
        read = partial(read_pair, certificate, key)
        watched.append(Watched(certificate, key, read=read, ends=ends, use=partial(load, context)))
    if ca is not None:
        # Whoever connects reads it again.
        watched.append(Watched(ca, read=partial(read_ca_file, ca), ends=ends))
    return watched
