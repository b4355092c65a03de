"""`python -m services.results reconcile`: see that every accepted file is in exactly one state."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NoReturn

import asyncpg
from aio_pika.exceptions import AMQPError

from libs.common.audit.shell import typed
from libs.common.bus.inspection import Depth, depths
from libs.common.bus.topology import TOPOLOGY
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, DicomSystemError
from libs.common.resources import service_storage
from libs.common.settings.loading import load_settings
from libs.common.storage import Storage
from services.operator.preflight import Server, broker, explaining_failures
from services.operator.reconcile import store as reconcile_store
from services.operator.reconcile.discrepancies import exit_code
from services.operator.reconcile.findings import Discrepancy, Options
from services.operator.reconcile.reconciliation import Reconciliation
from services.operator.reconcile.report import JsonReport, Report, TextReport
from services.operator.recording import announced
from services.operator.settings import OperatorSettings

PROG = "reconcile"
NOT_DONE = 3
"""Exit code when it could not look at everything: neither consistent nor not."""
LOOKED = (0, 1, 2)
"""Exit codes when it could."""
STATEMENT_SECONDS = 60.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DEAD = frozenset(queue.name for queue in TOPOLOGY.queues() if queue.role == "dead")
_KEEPING = _DEAD | {queue.name for queue in TOPOLOGY.queues() if queue.role == "state"}
"""What lies there is on its way to nobody."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit with a code that is not taken for a loss."""
        self.print_usage(sys.stderr)
        self.exit(NOT_DONE, f"{self.prog}: {message}\n")


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    options: Options
    json: bool

    @property
    def changes(self) -> dict[str, bool]:
        """What is asked for beyond looking."""
        options = self.options
        asked = {
            "repair": options.repair,
            "rebuild_rows": options.rebuild_rows,
            "delete_orphans": options.delete_orphans,
        }
        return {name: True for name, wanted in asked.items() if wanted}


def reconcile(arguments: Sequence[str]) -> int:
    """Do what `arguments` say on the database of DATABASE_ADMIN_URL. Returns the exit code."""
    asked = parse(arguments)
    try:
        settings = load_settings(OperatorSettings)
        url = settings.migration_url
        if url is None:
            raise ConfigurationError(
                "Set DATABASE_ADMIN_URL: the schemas ingest and results are read together, which neither "
                "service's own role may. Without a database of your own, run `python -m services reconcile`."
            )
    except ConfigurationError as error:
        sys.stderr.write(f"{error.detail}\n")
        return NOT_DONE
    return run(asked, settings, url)


def run(asked: Asked, settings: OperatorSettings, url: str) -> int:
    """Look, and repair what was asked for, in the database at `url`. Returns the exit code."""
    report: Report = JsonReport(sys.stdout) if asked.json else TextReport(sys.stdout)

    def work() -> int:
        return asyncio.run(_run(settings, url, asked.options, report))

    try:
        if not asked.changes:
            return work()
        act = typed("operator", "reconcile")
        act.details.update(asked.changes)
        return announced(url, act, work, LOOKED)
    except DicomSystemError as error:
        sys.stderr.write(f"{error.detail}\n")
        return NOT_DONE


def parse(arguments: Sequence[str]) -> Asked:
    """Read the command line; ends the process with NOT_DONE when it is wrong."""
    parser = _Parser(
        prog=PROG,
        description="Compare accepted files, results, objects and given-up events; safe beside a running "
        "system. Exit codes: 0 consistent, 1 repaired or repairable, 2 data are lost, 3 could not look.",
    )
    parser.add_argument("--repair", action="store_true", help="mend what can be mended")
    parser.add_argument(
        "--rebuild-rows",
        action="store_true",
        help="make rows that were lost from what their objects say, and queue these files",
    )
    parser.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete objects older than a day that no row knows and that do not say whose they are",
    )
    parser.add_argument(
        "--older-than",
        type=_seconds,
        default="1h",
        metavar="TIME",
        help="how long work on a file may take, e.g. 90s, 30m, 2h (1h); younger files are not judged",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object per line; the last is the summary"
    )
    given = parser.parse_args(arguments)
    return Asked(
        Options(given.repair, given.rebuild_rows, given.delete_orphans, given.older_than), given.json
    )


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 30m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]


async def _run(settings: OperatorSettings, url: str, options: Options, report: Report) -> int:
    queues = await _queues(settings)
    with explaining_failures(Server.of(url), "DATABASE_ADMIN_URL"):
        guard = await asyncpg.connect(url, timeout=settings.database_timeout)
    database = Database(url, size=2, timeout=STATEMENT_SECONDS, application_name=PROG)
    try:
        storage = service_storage(settings)
        try:
            await database.open()
            if not await reconcile_store.lock(guard):
                raise ConfigurationError("Wait: another reconciliation of this database is running.")
            with explaining_failures(Server.of(url), "DATABASE_ADMIN_URL"):
                return await _report(database, storage, options, queues, report)
        finally:
            await storage.close()
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise ConfigurationError("Run `python -m services migrate`: the database lacks tables.") from error
    finally:
        await database.close()
        await guard.close()


async def _report(
    database: Database, storage: Storage, options: Options, queues: Sequence[Depth] | None, report: Report
) -> int:
    waiting = None
    if queues is not None:
        waiting = sum(queue.messages or 0 for queue in queues if queue.queue not in _KEEPING)
    run = Reconciliation(database, storage, options, backlog=bool(waiting))
    for queue in queues or ():
        if queue.queue in _DEAD and queue.messages:
            dead = Discrepancy("dead-letters", queue.queue, detail=f"{queue.messages} messages")
            run.tally.add(dead)
            report.finding(dead)
    async with aclosing(run.findings()) as findings:
        async for finding in findings:
            report.finding(finding)
    code = exit_code(run.tally.found)
    report.end(run.tally, code, waiting)
    return code


async def _queues(settings: OperatorSettings) -> list[Depth] | None:
    """None without a broker: then the outbox holds whatever waits. Raises ConfigurationError."""
    if settings.amqp_url is None:
        return None
    try:
        async with broker(settings.amqp_url.get_secret_value(), settings.tls_ca_file) as connection:
            return await depths(connection, settings.topology())
    except (AMQPError, OSError) as error:
        raise ConfigurationError(
            f"RabbitMQ does not tell its queues ({type(error).__name__}); try again."
        ) from error
