"""What is reached over HTTP: the token keys, and whoever collects traces."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from libs.common.errors import Unavailable
from libs.common.security.certificates import client_context
from libs.common.security.http_document import MAX_DOCUMENT_BYTES, HttpDocument
from libs.common.security.jwks import KeyCache
from libs.common.security.revocations import MAX_REVOCATION_BYTES, Revocations
from services.operator.doctor import clock
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings

KEYS = "token keys"
REVOKED = "revocations"
TRACES = "traces"
TIMEOUT = aiohttp.ClientTimeout(total=5.0)
SECOND = timedelta(seconds=1)
"""The grain of an HTTP date."""


async def check_keys(settings: DoctorSettings) -> list[Finding]:
    """Fetch the key set as every service does, and compare clocks. Raises Unavailable."""
    url = settings.jwks_url
    by_itself = settings.auth_jwks_url is None and settings.public_url is None
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            before = datetime.now(UTC)
            async with session.get(url, allow_redirects=False, ssl=_verified(url, settings)) as answer:
                document = await answer.content.read(MAX_DOCUMENT_BYTES)
                after = datetime.now(UTC)
                status, date = answer.status, answer.headers.get("Date")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if by_itself and isinstance(error, aiohttp.ClientConnectorError):
            return [
                Finding(KEYS, "note", f"Nothing answers at {shown(url)}.", "`make run` starts the system.")
            ]
        return [
            Finding(
                KEYS,
                "problem",
                f"{shown(url)} cannot be fetched ({reason(error)}).",
                "Start auth, or correct AUTH_JWKS_URL: without the keys nobody can be let in.",
            )
        ]
    if status != 200:
        what = f"{shown(url)} answers with status {status}."
        return [Finding(KEYS, "problem", what, "Correct AUTH_JWKS_URL.")]

    async def fetched() -> bytes:
        return document

    await KeyCache(fetched).ready()
    findings = [Finding(KEYS, "ok", f"{shown(url)} gives the keys.")]
    if date is not None:
        theirs = parsedate_to_datetime(date)
        findings.append(clock.judge(before, theirs, "auth", after - before + SECOND))
    return findings


async def check_revocations(settings: DoctorSettings) -> list[Finding]:
    """Read the list of revoked tokens as every service does."""
    url = settings.revocations_url
    document = HttpDocument(
        url, what="revoked tokens", ca_file=settings.tls_ca_file, limit=MAX_REVOCATION_BYTES
    )
    try:
        await Revocations(document).refresh()
    except Unavailable as error:
        # Whoever runs nothing yet is told so by the keys.
        by_itself = settings.auth_jwks_url is None and settings.public_url is None
        advice = "Start auth, or correct AUTH_JWKS_URL: ended sessions are let in for ten minutes meanwhile."
        return [Finding(REVOKED, "note" if by_itself else "warning", error.detail, advice)]
    finally:
        await document.close()
    return [Finding(REVOKED, "ok", f"{shown(url)} tells what is revoked.")]


async def check_traces(settings: DoctorSettings) -> list[Finding]:
    """Send an empty export to the OTLP endpoint."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return [Finding(TRACES, "ok", "No OTEL_EXPORTER_OTLP_ENDPOINT: traces are not exported.")]
    url = f"{endpoint.rstrip('/')}/v1/traces"
    headers = {"Content-Type": "application/x-protobuf"}
    advice = "Start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT: traces are lost meanwhile."
    try:
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.post(url, data=b"", headers=headers, ssl=_verified(url, settings)) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return [Finding(TRACES, "warning", f"{shown(url)} does not answer ({reason(error)}).", advice)]
    if status // 100 != 2:
        return [Finding(TRACES, "warning", f"{shown(url)} answers with status {status}.", advice)]
    return [Finding(TRACES, "ok", f"{shown(url)} takes traces.")]


def shown(url: str) -> str:
    """The URL without the user and password that it may hold."""
    return str(URL(url).with_user(None))


def reason(error: BaseException) -> str:
    """Why there was no connection, in a few words."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, socket.gaierror):
        return "unknown host name"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__


def _verified(url: str, settings: DoctorSettings) -> ssl.SSLContext | bool:
    return client_context(settings.tls_ca_file) if url.lower().startswith("https:") else True
