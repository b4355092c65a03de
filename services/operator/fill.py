"""`python -m services fill-results`: complete what earlier releases wrote, and show how far it is."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from libs.common.database.postgres import Database
from libs.common.settings.loading import load_settings
from services.operator.embedded_access import administrator_url
from services.operator.preflight import Server, explaining_failures
from services.operator.settings import OperatorSettings
from services.results.write.fill_store import NOBODY, count_unfilled
from services.results.write.filling import fill_next

STATEMENT_SECONDS = 60.0
BAR = 30
LINE_SECONDS = 10.0
"""Between lines, where no terminal shows a bar."""


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
        return asyncio.run(_run(url))


async def _run(url: str) -> int:
    with explaining_failures(Server.of(url), "DATABASE_ADMIN_URL or DATABASE_URL"):
        database = Database(url, size=1, timeout=STATEMENT_SECONDS, application_name="fill-results")
        await database.open()
        try:
            filled = await fill(database, Progress(sys.stderr))
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


class Progress:
    """A bar on a terminal, else a line now and then."""

    def __init__(self, out: TextIO) -> None:
        self.total = 0
        self._out = out
        self._began = self._shown = time.monotonic()

    def show(self, done: int) -> None:
        """`done` of `total` are complete."""
        now = time.monotonic()
        terminal = self._out.isatty()
        if not terminal and now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        self._out.write(f"\r{self._line(done)}" if terminal else f"{self._line(done)}\n")
        self._out.flush()

    def end(self, done: int) -> None:
        """Nothing more comes."""
        if done:
            self._out.write(f"\r{self._line(done)}\n" if self._out.isatty() else f"{self._line(done)}\n")

    def _line(self, done: int) -> str:
        total = max(self.total, done, 1)
        full = BAR * done // total
        seconds = max(time.monotonic() - self._began, 0.001)
        bar = "#" * full + "." * (BAR - full)
        return f"[{bar}] {100 * done // total:3} %  {done} of {total} results, {done / seconds:.0f}/s"
