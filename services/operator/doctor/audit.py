"""The audit log outside of PostgreSQL: the file of its heads, and whoever collects it."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from libs.common.security.certificates import client_context
from services.auth.audit.anchor import noted_heads
from services.operator.doctor.report import Finding
from services.operator.doctor.settings import DoctorSettings

ANCHOR = "audit anchor"
SINKS = "audit sinks"
BEHIND_SECONDS = 60.0
"""Entries that a sink has not taken for longer are worth a look."""
_CONNECT_SECONDS = 5.0
_FILE, _WEBHOOK = "file", "webhook"


async def check_anchor(settings: DoctorSettings, sealed: int) -> Finding:
    """Whether the heads of the log are noted up to entry `sealed`; it may be a moment behind."""
    path = settings.audit_anchor_file
    if path is None:
        advice = "Let it name a file, best on another machine's disk: it proves where the log ended."
        return Finding(
            ANCHOR, "note", "AUDIT_ANCHOR_FILE is not set: heads are noted in backups only.", advice
        )
    advice = "Mount its folder and let auth write there; it notes the newest head with its next look."
    try:
        noted = await _noted(path)
        if noted < sealed:
            await asyncio.sleep(1.0)
            noted = await _noted(path)
    except OSError as error:
        return Finding(ANCHOR, "problem", f"{path} cannot be read ({error.strerror}).", advice)
    if noted < sealed:
        what = f"{path} notes the log up to entry {noted}, and it is sealed up to {sealed}."
        return Finding(ANCHOR, "problem", what, advice)
    return Finding(ANCHOR, "ok", f"{path} notes the log up to entry {noted}.")


async def _noted(path: Path) -> int:
    return max((root.last_seq for root in await asyncio.to_thread(noted_heads, path)), default=0)


async def check_sinks(settings: DoctorSettings, behind: dict[str, float]) -> list[Finding]:
    """Whoever is configured, and whoever has taken entries before; `behind` are seconds by sink."""
    file, url = settings.audit_sink_file, settings.audit_sink_url
    findings = []
    if file is not None:
        findings.append(await asyncio.to_thread(_writable, file))
    if url is not None:
        findings.append(await _reachable(url, settings.audit_sink_ca_file))
    named = {name for name, given in ((_FILE, file), (_WEBHOOK, url)) if given is not None}
    for sink in sorted(named | behind.keys()):
        seconds = behind.get(sink, 0.0)
        if seconds > BEHIND_SECONDS:
            advice = "See why in the log of auth; docs/operations.md (AuditSinkLags) says what to do."
            what = f"The {sink} has not taken an entry that was sealed {seconds:.0f} s ago."
            findings.append(Finding(SINKS, "problem", what, advice))
        else:
            findings.append(Finding(SINKS, "ok", f"The {sink} has taken what is sealed."))
    return findings or [Finding(SINKS, "note", "The audit log is handed on to nobody (AUDIT_SINK_…).")]


def _writable(path: Path) -> Finding:
    """Nothing is written: whoever reads the file takes each line for an entry."""
    where = path if path.exists() else path.parent
    if os.access(where, os.W_OK):
        return Finding(SINKS, "ok", f"AUDIT_SINK_FILE {path} can be written from here.")
    advice = "Make its folder, mount it, or let auth write there; entries wait meanwhile."
    return Finding(SINKS, "problem", f"AUDIT_SINK_FILE {path} cannot be written from here.", advice)


async def _reachable(url: str, ca_file: Path | None) -> Finding:
    """Shake hands and send nothing: a post would be an entry to whoever takes them."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    advice = "Correct AUDIT_SINK_URL or AUDIT_SINK_CA_FILE, or open the way; entries wait meanwhile."
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            context = await asyncio.to_thread(client_context, ca_file)
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        what = f"The certificate of AUDIT_SINK_URL ({host}:{port}) is refused: {error.verify_message}."
        return Finding(SINKS, "problem", what, advice)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Finding(
            SINKS, "problem", f"No connection with AUDIT_SINK_URL ({host}:{port}): {reason}.", advice
        )
    writer.close()
    return Finding(SINKS, "ok", f"AUDIT_SINK_URL ({host}:{port}) answers with a certificate that holds.")
