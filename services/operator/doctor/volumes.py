"""Whether PostgreSQL's data lie on an encrypted volume: it holds names and headers in clear."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from libs.common.disk_encryption import DiskEncryption, Kernel
from libs.common.security.tls_rules import stays_on_this_machine
from services.operator.doctor.report import Finding
from services.operator.preflight import CONNECT_TIMEOUT
from services.operator.settings import OperatorSettings

NAME = "volumes"
ADVICE = (
    "PostgreSQL holds names and headers in clear: put it on a LUKS device, an encrypted storage class or a "
    "disk that the provider encrypts (docs/operations.md, Encrypted volumes)."
)


async def check(settings: OperatorSettings, kernel: Kernel | None = None) -> list[Finding]:
    """Look below the embedded server's folder, or that of a server on this machine, as far as it tells."""
    url = settings.migration_url
    folder = settings.data_dir if url is None else await _folder_of(url)
    if folder is None:
        return [Finding(NAME, "note", "PostgreSQL runs elsewhere: only its machine can tell.", ADVICE)]
    return [judge(folder, (kernel or Kernel()).encryption(folder))]


def judge(folder: Path, found: DiskEncryption) -> Finding:
    """Pure. A disk that hardware or provider encrypts looks like one that nobody does: never a problem."""
    match found.kind:
        case "encrypted":
            return Finding(NAME, "ok", f"{folder}: {found.told}.")
        case "clear":
            return Finding(NAME, "warning", f"{folder}: {found.told}.", ADVICE)
        case "unknown":
            return Finding(NAME, "note", f"{folder}: cannot tell, {found.told}.", ADVICE)


async def _folder_of(url: str) -> Path | None:
    """Where a server keeps its data that is reached by a socket and lets the login know; else None."""
    if not stays_on_this_machine(url):
        return None
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        # Another check says so.
        return None
    try:
        told = await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    finally:
        await connection.close()
    return None if told is None else Path(told)
