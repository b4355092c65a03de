"""`python -m services fill-results`: complete what earlier releases wrote, and show how far it is."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from libs.common.audit.shell import typed
from libs.common.database.postgres import Database
from libs.common.settings.loading import load_settings
from services.operator.embedded_access import administrator_url
from services.operator.preflight import Server, explaining_failures
from services.operator.progress import Progress
from services.operator.recording import announced
from services.operator.settings import OperatorSettings
from services.results.write.fill_store import NOBODY, count_unfilled
from services.results.write.filling import fill_next

STATEMENT_SECONDS = 60.0


def run(arguments: Sequence[str]) -> int:
    """Do it. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="fill-results",
        description="Give results of earlier releases what this one keeps: header columns, studies, "
        "series, counters and analyses. Safe beside a running system; begun again, it goes on where it was.",
    )
    parser.parse_args(arguments)
    settings = load_settings(OperatorSettings)
    with administrator_url(settings) as url:
        return announced(url, typed("operator", "fill-results"), lambda: asyncio.run(_run(url)))


async def _run(url: str) -> int:
    with explaining_failures(Server.of(url), "DATABASE_ADMIN_URL or DATABASE_URL"):
        database = Database(url, size=1, timeout=STATEMENT_SECONDS, application_name="fill-results")
        await database.open()
        try:
            filled = await fill(database, Progress(sys.stderr, "results"))
        finally:
            await database.close()
    sys.stdout.write(f"{filled} results completed.\n" if filled else "Every result is complete.\n")
    return 0


async def fill(database: Database, progress: Progress) -> int:
    """Complete every row that lacks something; how many did."""
    async with database.connection() as connection:
        progress.total = await count_unfilled(connection)
    done, found = 0, True
    while found:
        # Once more from the beginning: the release before may have written meanwhile.
        after, found = NOBODY, False
        while True:
            last, filled = await fill_next(database, after)
            if last is None:
                break
            after, done, found = last, done + filled, found or filled > 0
            progress.show(done)
    progress.end(done)
    return done
