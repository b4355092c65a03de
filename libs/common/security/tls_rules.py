"""Which connections of a configuration are plaintext or unverified; pure, no connection is made."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from libs.common.settings.tls import TlsSettings

SYSTEM_CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")
"""Debian's and Alpine's bundle, for an OpenSSL that looks for its own elsewhere."""
VERIFYING = ("verify-ca", "verify-full")
"""libpq's sslmodes that look at the server's certificate at all."""


def trusting(url: str, ca_file: Path | None) -> str:
    """`url`, a postgresql:// one, with `sslrootcert` where it verifies the server and does not say with what.

    asyncpg and libpq's programs obey it alike, and read the file anew for each connection. Without `ca_file`
    it is the system's bundle, for which they have no common word.
    """
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        # Whoever connects says so.
        return url
    chosen = ca_file or system_ca_file()
    verifies = query.get("sslmode", [""])[-1] in VERIFYING
    if not verifies or "sslrootcert" in query or parts.fragment or chosen is None:
        return url
    return f"{url}&sslrootcert={quote(str(chosen.absolute()))}"


def system_ca_file() -> Path | None:
    """The system's CAs as one file, or None."""
    given = ssl.get_default_verify_paths().cafile
    if given is not None:
        return Path(given)
    return SYSTEM_CA_FILE if SYSTEM_CA_FILE.exists() else None


def unprotected(settings: TlsSettings, *, serves: bool) -> dict[str, str]:
    """What to do about each setting that makes a connection plaintext or unverified, by field name."""
    wrong = {}
    if serves and settings.tls_cert_file is None:
        wrong["tls_cert_file"] = "set it, and TLS_KEY_FILE"
    for name, rule in _RULES.items():
        value = getattr(settings, name, None)
        if value is None:
            continue
        what = rule(value.get_secret_value() if isinstance(value, SecretStr) else value)
        if what is not None:
            wrong[name] = what
    return wrong


def stays_on_this_machine(url: str) -> bool:
    """Whether a postgresql:// URL leads to Unix sockets only. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    hosts = netloc or ",".join(parse_qs(parts.query).get("host", ()))
    return bool(hosts) and all(host.startswith(("/", "%2F", "%2f")) for host in hosts.split(","))


def _http(url: str) -> str | None:
    return None if url.lower().startswith("https://") else "must begin with https://"


def _amqp(url: str) -> str | None:
    return None if url.lower().startswith("amqps://") else "must begin with amqps://"


def _postgresql(url: str) -> str | None:
    try:
        if stays_on_this_machine(url):
            return None
        query = parse_qs(urlsplit(url).query)
    except ValueError:
        return "is no URL"
    return None if query.get("sslmode", [""])[-1] == "verify-full" else "must have sslmode=verify-full"


def _storage(url: str) -> str | None:
    scheme, _, rest = url.partition("://")
    if scheme not in ("mongodb", "mongodb+srv"):
        return None
    try:
        # Names of options are case-insensitive; a later one wins.
        options = {k.lower(): v[-1].lower() for k, v in parse_qs(rest.partition("?")[2]).items()}
    except ValueError:
        return "is no URL"
    encrypted = options.get("tls", options.get("ssl", "true" if scheme == "mongodb+srv" else "false"))
    if encrypted != "true":
        return "must have tls=true"
    lax = [name for name in _LAX_MONGODB if options.get(name.lower()) == "true"]
    if options.get("ssl_cert_reqs", "cert_required") != "cert_required":
        lax.append("ssl_cert_reqs")
    return f"must not have {' or '.join(lax)}" if lax else None


def _smtp(security: str) -> str | None:
    return "must be starttls or tls" if security == "none" else None


_LAX_MONGODB = ("tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames")
_RULES: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {
        "public_url": _http,
        "auth_jwks_url": _http,
        "database_url": _postgresql,
        "database_admin_url": _postgresql,
        "database_read_url": _postgresql,
        "amqp_url": _amqp,
        "storage_url": _storage,
        "otel_exporter_otlp_endpoint": _http,
        "smtp_security": _smtp,
    }
)
