"""`python -m services doctor`: look at all that the system needs, and say what to do about what is wrong."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from services.operator.doctor import (
    applications,
    backups,
    certificates,
    configuration,
    database,
    engine,
    http,
    isolation,
    mail,
    places,
    providers,
    queues,
    signing_keys,
    volumes,
)
from services.operator.doctor.checks import Check, examine
from services.operator.doctor.report import Finding, as_json, as_text, exit_code
from services.operator.doctor.settings import DoctorSettings
from services.operator.migrations import MIGRATIONS


def doctor(arguments: Sequence[str]) -> int:
    """Examine and report. Returns the exit code: 1 when there is a problem."""
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Check configuration, connections, certificates, clock, disk and queues; change nothing. "
        "Exit codes: 0 no problem, 1 something to do.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    return asyncio.run(_report(as_json if options.json else as_text))


async def _report(form: Callable[[Sequence[Finding]], str]) -> int:
    settings = configuration.readable(DoctorSettings)
    findings, stuck = await examine(checks(settings))
    sys.stdout.write(form(findings))
    sys.stdout.flush()
    code = exit_code(findings)
    if stuck:
        # The interpreter would wait at its end for a thread that never comes back.
        os._exit(code)
    return code


def checks(settings: DoctorSettings | None) -> list[Check]:
    """All checks in the order of the report; those that need settings only where there are any."""

    async def environment() -> list[Finding]:
        return configuration.check(os.environ, settings)

    found = [Check(configuration.NAME, environment)]
    if settings is None:
        return found

    return [
        *found,
        Check(f"{database.NAME} administrator", partial(database.check_administrator, settings)),
        *(
            Check(f"{database.NAME} {source.schema}", partial(database.check_role, settings, source))
            for source in MIGRATIONS
        ),
        Check(database.FILLED, partial(database.check_results, settings)),
        Check(database.STANDBY, partial(database.check_standby, settings)),
        Check(database.WORKERS, partial(database.check_workers, settings)),
        Check(database.OUTBOX, partial(database.check_outbox, settings)),
        Check(queues.NAME, partial(queues.check, settings)),
        Check(places.KEYRING, partial(asyncio.to_thread, places.check_keyring, settings)),
        Check(places.AUTH_KEYRING, partial(asyncio.to_thread, places.check_auth_keyring, settings)),
        Check(signing_keys.SIGNING_KEY, partial(database.check_signing_key, settings)),
        Check(applications.NAME, partial(database.check_applications, settings)),
        Check(database.PEERS, partial(database.check_peers, settings)),
        Check(database.AUDIT, partial(database.check_audit, settings)),
        Check(places.STORE, partial(places.check_store, settings)),
        Check(backups.NAME, partial(asyncio.to_thread, backups.check, settings)),
        Check(places.SPOOL, partial(asyncio.to_thread, places.check_spool, settings)),
        Check(isolation.NAME, partial(asyncio.to_thread, isolation.check)),
        Check(places.DISK, partial(asyncio.to_thread, places.check_disks, settings)),
        Check(volumes.NAME, partial(volumes.check, settings)),
        Check(engine.NAME, partial(asyncio.to_thread, engine.check)),
        Check(http.KEYS, partial(http.check_keys, settings)),
        Check(http.REVOKED, partial(http.check_revocations, settings)),
        Check(mail.NAME, partial(mail.check, settings)),
        Check(http.TRACES, partial(http.check_traces, settings)),
        Check(providers.NAME, partial(providers.check, settings)),
        Check(certificates.NAME, partial(asyncio.to_thread, certificates.check_files, settings)),
        *(
            Check(f"certificate {peer.host}:{peer.port}", partial(certificates.check_peer, peer))
            for peer in certificates.peers(settings)
        ),
    ]
