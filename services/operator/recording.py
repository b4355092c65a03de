"""Commands of the operator in the audit log: what is begun, and how it ended."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from dataclasses import replace

import asyncpg

from libs.common.audit.acts import Act, acting, entry_of
from libs.common.audit.entries import AuditEntry, write
from libs.common.audit.shell import ending_of
from libs.common.errors import ConfigurationError, DicomSystemError
from services.operator.preflight import Server, explaining_failures

SETTING = "DATABASE_ADMIN_URL or DATABASE_URL"
DONE = (0,)
_IS_THERE = "SELECT to_regclass('auth.audit_pending') IS NOT NULL"


def announced(
    url: str, act: Act, work: Callable[[], int], done: Collection[int] = DONE, role: str | None = None
) -> int:
    """Do `work` once it is noted that it begins, then note how it ended.

    Raises ConfigurationError or NotRecorded, with nothing done, when the audit log takes no entry.
    """
    begun = replace(act, details={**act.details, "begun": True})
    asyncio.run(note(url, entry_of(begun, "success"), role))
    return recorded(url, act, work, done, role)


def recorded(
    url: str, act: Act, work: Callable[[], int], done: Collection[int] = DONE, role: str | None = None
) -> int:
    """Do `work`, which answers an exit code, and note how it ended unless a transaction of its own has.

    `done` are the codes of success; `role` is who notes it, else whom `url` logs in.
    Raises ConfigurationError or NotRecorded when it is done and cannot be noted.
    """
    try:
        with acting(act):
            code = work()
    except BaseException as error:
        act.details["error"] = type(error).__name__
        try:
            asyncio.run(note(url, entry_of(act, ending_of(error)), role))
        except DicomSystemError as second:
            # Where nothing was begun, one sentence says what to do: often it is the database that is away.
            if not isinstance(error, ConfigurationError):
                sys.stderr.write(f"{second.detail}\n")
        raise
    if code not in done or not act.noted:
        act.details["exit_code"] = code
        asyncio.run(note(url, entry_of(act, "success" if code in done else "error"), role))
    return code


async def note(url: str, entry: AuditEntry, role: str | None = None) -> None:
    """Write one entry; a database that has no audit log yet takes none.

    Raises ConfigurationError, NotRecorded.
    """
    with explaining_failures(Server.of(url), SETTING):
        settings = {} if role is None else {"role": role}
        connection = await asyncpg.connect(url, timeout=10, server_settings=settings)
        try:
            if await connection.fetchval(_IS_THERE):
                await write(connection, entry)
        finally:
            await connection.close()
