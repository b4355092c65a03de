"""Who collects the sealed log elsewhere (a SIEM): through a file of JSON lines, or by signed posts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson
from yarl import URL

from libs.common.errors import Unavailable
from libs.common.security.certificates import client_context
from services.auth.audit.settings import AuditSettings
from services.auth.audit.verification import Row

POST_SECONDS = 30.0


class Sink(Protocol):
    """Somebody who takes entries."""

    name: str

    async def take(self, rows: Sequence[Row]) -> None:
        """Keep the entries durably. Raises Unavailable, and is given them again then."""

    async def close(self) -> None:
        """Let go of what is open."""


class FileSink:
    """A file of JSON lines, put aside as .1, .2, … when it has grown."""

    name = "file"

    def __init__(self, path: Path, *, most_bytes: int, count: int) -> None:
        """`count`: how many files that were put aside are kept."""
        self._path = path
        self._most_bytes = most_bytes
        self._count = count

    async def take(self, rows: Sequence[Row]) -> None:
        """Append and flush. Raises Unavailable."""
        try:
            await asyncio.to_thread(self._append, lines(rows))
        except OSError as error:
            raise Unavailable(f"AUDIT_SINK_FILE cannot be written ({error.strerror}).") from error

    async def close(self) -> None:
        """Nothing stays open between batches: whoever moves the file away meets no open descriptor."""

    def _append(self, text: bytes) -> None:
        if self._path.exists() and self._path.stat().st_size + len(text) > self._most_bytes:
            self._put_aside()
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END) and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                # A crash has cut the last line off: its entry comes again, on a line of its own.
                text = b"\n" + text
            file.write(text)
            os.fdatasync(file.fileno())

    def _put_aside(self) -> None:
        names = [
            self._path,
            *(self._path.with_name(f"{self._path.name}.{n + 1}") for n in range(self._count)),
        ]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)


class WebhookSink:
    """Posts JSON lines, signed as Standard Webhooks says (standardwebhooks.com)."""

    name = "webhook"

    def __init__(self, url: str, secret: bytes, ca_file: Path | None) -> None:
        """`secret` is AUDIT_SINK_SECRET, `ca_file` TLS_CA_FILE."""
        self._url = url
        self._secret = secret
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def take(self, rows: Sequence[Row]) -> None:
        """Post until answered 2xx. Raises Unavailable for anything else."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=POST_SECONDS))
        body = lines(rows)
        named = f"audit-{rows[0].link.seq}-{rows[-1].link.seq}"
        shown = URL(self._url).with_user(None).with_query(None)
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers=signed_headers(self._secret, named, int(time.time()), body),
                allow_redirects=False,
                ssl=client_context(self._ca_file),
            ) as response:
                if not 200 <= response.status < 300:
                    raise Unavailable(f"{shown} answers with status {response.status}.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{shown} cannot be reached ({type(error).__name__}).") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def sinks_of(settings: AuditSettings) -> list[Sink]:
    """Those that are configured."""
    found: list[Sink] = []
    if settings.audit_sink_file is not None:
        found.append(
            FileSink(
                settings.audit_sink_file,
                most_bytes=settings.audit_sink_file_bytes,
                count=settings.audit_sink_file_count,
            )
        )
    if settings.audit_sink_url is not None and settings.audit_sink_secret is not None:
        secret = settings.audit_sink_secret.get_secret_value().encode()
        found.append(WebhookSink(settings.audit_sink_url, secret, settings.audit_sink_ca_file))
    return found


def signed_headers(secret: bytes, named: str, now: int, body: bytes) -> dict[str, str]:
    """Headers by which the receiver knows that a post is ours, and sees one that it has had before; pure."""
    mac = hmac.new(secret, f"{named}.{now}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/jsonl",
        "webhook-id": named,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def lines(rows: Sequence[Row]) -> bytes:
    """Entries as JSON lines, as an export has them; pure."""
    return b"".join(
        orjson.dumps(
            {"seq": row.link.seq, "link": row.link.hash.hex(), **row.entry._asdict()},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for row in rows
    )
