"""`python -m services reprocess`: have results measured anew by a job, and show how far it is.

The results service does the work, so the job goes on when this command is killed. Ctrl-C cancels it, and
`--resume` goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from libs.common.audit.acts import note_done
from libs.common.audit.shell import typed
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError
from libs.common.ids import new_uuid
from libs.common.settings.loading import load_settings
from services.operator.embedded_access import administrator_url
from services.operator.preflight import Server, explaining_failures
from services.operator.progress import Progress
from services.operator.recording import recorded
from services.operator.settings import OperatorSettings
from services.results.jobs import store
from services.results.jobs.models import Job, JobFilter

STATEMENT_SECONDS = 60.0
LOOK_SECONDS = 0.5
PATIENCE = 15.0
"""Seconds without any progress until it says that perhaps nobody works."""
KEYS = sorted(field.alias or name for name, field in JobFilter.model_fields.items() if name != "method_below")


def run(arguments: Sequence[str]) -> int:
    """Do it. Returns the exit code: 0 when the job is done, 1 when it was cancelled or never begun."""
    asked = _parse(arguments)
    with administrator_url(load_settings(OperatorSettings)) as url:
        # Who only follows or says no is told of as well: whatever is no error writes its own entry.
        return recorded(url, typed("operator", "reprocess"), lambda: asyncio.run(_run(url, asked)))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="reprocess",
        description="Have files that ended measured again: those of an older method, or those that failed. "
        "The results service asks for a few at a time (REPROCESS_AT_ONCE), so that new uploads do not wait. "
        "Results stand until a newer method has measured them.",
        epilog=f"Keys: {', '.join(KEYS)}.",
    )
    parser.add_argument(
        "--where", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="all of these must hold"
    )
    parser.add_argument(
        "--method-below", type=int, metavar="N", help="only what an older method than N has measured"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--resume", type=UUID, metavar="JOB", help="go on with a cancelled job, or follow one that runs"
    )
    asked = parser.parse_args(arguments)
    if asked.resume is not None and (asked.where or asked.method_below is not None):
        parser.error("--resume takes the files of its job: leave --where and --method-below out")
    if asked.resume is None:
        try:
            asked.filter = _filter(asked.where, asked.method_below)
        except ValueError as error:
            parser.error(str(error))
    return asked


def _filter(pairs: Sequence[str], method_below: int | None) -> JobFilter:
    """Raises ValueError in one sentence."""
    named: dict[str, str | int] = {} if method_below is None else {"method_below": method_below}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in KEYS:
            raise ValueError(f"{pair!r} is no condition: write KEY=VALUE with one of {', '.join(KEYS)}")
        if key in named:
            raise ValueError(f"{key} is given twice")
        named[key] = value
    try:
        return JobFilter.model_validate(named)
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, first["loc"])) or "--where"
        raise ValueError(f"{where}: {first['msg']}") from error


async def _run(url: str, asked: argparse.Namespace) -> int:
    with explaining_failures(Server.of(url), "DATABASE_ADMIN_URL or DATABASE_URL"):
        database = Database(url, size=1, timeout=STATEMENT_SECONDS, application_name="reprocess")
        await database.open()
        try:
            job = await _job(database, asked)
            return 1 if job is None else await _follow(database, job)
        except asyncpg.UndefinedTableError as error:
            raise ConfigurationError(
                "Run `python -m services migrate`: the database lacks tables."
            ) from error
        finally:
            await database.close()


async def _job(database: Database, asked: argparse.Namespace) -> Job | None:
    """The job to follow; None where nobody wants it after all."""
    if asked.resume is not None:
        async with database.transaction() as connection:
            job = await store.change(connection, asked.resume, "resume")
            if job is not None:
                await note_done(connection, "job", job.id, change="resume")
            else:
                job = await store.get(connection, asked.resume)
        if job is None:
            raise ConfigurationError(f"There is no job {asked.resume}.")
        return job
    if not asked.yes:
        if not sys.stdin.isatty():
            raise ConfigurationError("Say --yes: there is nobody to ask.")
        found = await _count(database, asked.filter)
        if not found:
            sys.stdout.write("No file matches.\n")
            return None
        question = f"{found} files match. Have them measured again? [y/N] "
        answer = input(question)  # noqa: ASYNC250  the event loop has nothing else to do
        if answer.strip().lower() not in ("y", "yes"):
            return None
    async with database.transaction() as connection:
        job = await store.insert(connection, new_uuid(), asked.filter, None)
        await note_done(connection, "job", job.id)
        return job


async def _count(database: Database, where: JobFilter) -> int:
    after, last, found = UUID(int=0), UUID(int=2**128 - 1), 0
    while True:
        async with database.connection() as connection:
            page = await store.page(connection, where, after, last, rows=20_000, most=20_000)
        found += len(page.found)
        if page.whole or page.end is None:
            return found
        after = page.end


def _is_cancelled() -> bool:
    """Whether Ctrl-C came: asyncio.wait_for, under the pool, swallows it when it comes with the answer."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _follow(database: Database, job: Job) -> int:
    sys.stderr.write(f"Job {job.id}\n")
    progress, moved, told = Progress(sys.stderr, "files"), time.monotonic(), False
    try:
        while job.state == "running":
            await asyncio.sleep(LOOK_SECONDS)
            async with database.connection() as connection:
                now = await store.get(connection, job.id)
            if _is_cancelled():
                raise asyncio.CancelledError
            if now is None:
                raise ConfigurationError(f"Job {job.id} is gone.")
            if now.changed_at != job.changed_at:
                moved = time.monotonic()
            elif not told and time.monotonic() - moved > PATIENCE:
                told = True
                sys.stderr.write("\nNothing moves. Do results and processor run? The job waits for them.\n")
            job = now
            progress.total = job.total or 0
            progress.show(job.processed + job.failed)
    except asyncio.CancelledError:
        async with database.transaction() as connection:
            await store.change(connection, job.id, "cancel")
            await note_done(connection, "job", job.id, change="cancel")
        sys.stderr.write(f"\nCancelled; what is under way ends. Go on: reprocess --resume {job.id}\n")
        raise
    progress.end(job.processed + job.failed)
    sys.stdout.write(
        f"{job.state}: {job.processed} measured, {job.failed} failed, of {job.requested} asked for.\n"
    )
    return 0 if job.state == "done" else 1
