"""Certificates: this process's own, the CAs it trusts, and that of every server it speaks TLS with."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from libs.common.security.certificates import client_context, first_end, read_ca_file, read_pair
from services.operator.doctor.http import reason
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings

NAME = "certificates"
SOON = timedelta(days=14)
RENEW = "Renew it: `make certs`, or see that cert-manager does; services take the new one without a restart."
CONNECT_SECONDS = 5.0
_PORTS = {"https": 443, "amqps": 5671, "postgresql": 5432, "postgres": 5432, "mongodb": 27017}
_POSTGRES = ("postgresql", "postgres")
# The length of the message, and the code that asks for TLS (PostgreSQL's protocol, SSLRequest).
_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class Peer(NamedTuple):
    """A server whose certificate this configuration verifies."""

    setting: str
    scheme: str
    host: str
    port: int
    ca_file: Path | None
    checks_name: bool
    """False for sslmode=verify-ca."""


def judge(what: str, end: datetime, now: datetime) -> Finding:
    """Whether a certificate has ended, or soon does; pure."""
    left = end - now
    if left <= timedelta():
        return Finding(NAME, "problem", f"{what} ended at {end:%Y-%m-%d %H:%M} UTC.", RENEW)
    told = f"{what} ends at {end:%Y-%m-%d}, in {left.days} days."
    return Finding(NAME, "warning", told, RENEW) if left < SOON else Finding(NAME, "ok", told)


def check_files(settings: DoctorSettings) -> list[Finding]:
    """The files of TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE. Raises ConfigurationError."""
    now, findings = datetime.now(UTC), []
    if settings.tls_cert_file is not None and settings.tls_key_file is not None:
        pair = read_pair(settings.tls_cert_file, settings.tls_key_file)
        findings.append(judge(f"TLS_CERT_FILE {settings.tls_cert_file}", first_end(pair), now))
    if settings.tls_ca_file is not None:
        authorities = read_ca_file(settings.tls_ca_file)
        findings.append(judge(f"TLS_CA_FILE {settings.tls_ca_file}", first_end(authorities), now))
    return findings or [Finding(NAME, "ok", "No TLS_CERT_FILE: this configuration serves plain HTTP.")]


def peers(settings: DoctorSettings) -> list[Peer]:
    """Every server that the settings name a TLS connection to, once; several settings may name one."""
    found: dict[tuple[str, int], Peer] = {}
    for setting, url in _urls(settings):
        for peer in _peers_of(setting, url, settings.tls_ca_file):
            found.setdefault((peer.host, peer.port), peer)
    return list(found.values())


async def check_peer(peer: Peer) -> list[Finding]:
    """Shake hands as the services do, and read the certificate."""
    where = f"{peer.host}:{peer.port} ({peer.setting})"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            context = client_context(peer.ca_file)
            context.check_hostname = peer.checks_name
            end = await _not_after(peer, context)
    except ssl.SSLCertVerificationError as error:
        return [
            Finding(
                NAME,
                "problem",
                f"The certificate of {where} is refused: {error.verify_message}.",
                "Renew it if it has ended; else correct TLS_CA_FILE, or the host name in the setting.",
            )
        ]
    except (OSError, EOFError) as error:
        return [
            Finding(
                NAME,
                "problem",
                f"No TLS connection with {where} ({reason(error)}).",
                "Start the server, let it offer TLS, or correct the setting.",
            )
        ]
    return [judge(f"The certificate of {where}", end, datetime.now(UTC))]


async def _not_after(peer: Peer, context: ssl.SSLContext) -> datetime:
    reader, writer = await asyncio.open_connection(peer.host, peer.port)
    try:
        if peer.scheme in _POSTGRES:
            writer.write(_SSL_REQUEST)
            if await reader.readexactly(1) != b"S":
                raise OSError(errno.EPROTO, "no TLS offered")
        await writer.start_tls(context, server_hostname=peer.host)
        certificate = writer.get_extra_info("ssl_object").getpeercert()
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    finally:
        # Without the closing handshake: nobody waits for a farewell.
        writer.transport.abort()


def _urls(settings: DoctorSettings) -> Iterator[tuple[str, str]]:
    names = (
        *("database_url", "auth_database_url", "ingest_database_url", "results_database_url"),
        *(
            "database_read_url",
            "database_admin_url",
            "amqp_url",
            "storage_url",
            "otel_exporter_otlp_endpoint",
        ),
    )
    for name in names:
        value = getattr(settings, name)
        if value is not None:
            yield name.upper(), value.get_secret_value() if isinstance(value, SecretStr) else value
    if settings.auth_jwks_url is not None:
        yield "AUTH_JWKS_URL", settings.auth_jwks_url


def _peers_of(setting: str, url: str, ca_file: Path | None) -> Iterator[Peer]:
    try:
        parts = urlsplit(url)
        options = {name.lower(): values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        # Whoever connects says so.
        return
    scheme, mode = parts.scheme, options.get("sslmode", "")
    if scheme in _POSTGRES:
        verifies = mode in ("verify-ca", "verify-full")
    elif scheme == "mongodb":
        verifies = options.get("tls", options.get("ssl", "")).lower() == "true"
    else:
        verifies = scheme in ("https", "amqps")
    if not verifies:
        return
    own = options.get("sslrootcert", options.get("tlscafile"))
    for address in parts.netloc.rpartition("@")[2].split(","):
        host, port = _split(address)
        if host:
            yield Peer(
                setting,
                scheme,
                host,
                port or _PORTS[scheme],
                Path(own) if own else ca_file,
                mode != "verify-ca",
            )


def _split(address: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port` or `[host]:port`."""
    host, bracket, rest = address.removeprefix("[").partition("]")
    if not bracket:
        host, _, rest = address.partition(":")
    port = rest.removeprefix(":")
    return unquote(host), int(port) if port.isdecimal() else None
