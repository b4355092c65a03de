"""Entries that no transaction writes, of reads and refusals: soon, or first where that is asked."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from libs.common.audit.entries import MOST_OBJECTS, AuditEntry, write
from libs.common.audit.visits import Visits
from libs.common.database.postgres import Database
from libs.common.errors import NotRecorded, Unavailable

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5
MOST_BUFFERED = 500_000
"""Entries and their ids, about 100 MB; with more nothing is read any longer."""
AT_ONCE = 1000
"""Entries written in one statement."""
MOST_ALIKE = 20
"""Refusals alike of a stranger in one moment that are entries of their own; more are counted in the last."""


class AuditTrail:
    """Where a service's entries go that no transaction of an act writes."""

    def __init__(self, database: Database, service: str, *, strict: bool) -> None:
        """`strict`: nothing is answered before its entry is written (AUDIT_STRICT_READS)."""
        self.service = service
        self.visits = Visits()
        self._database = database
        self._strict = strict
        self._waiting: list[AuditEntry] = []
        self._weight = 0
        self._failing = False
        self._wake = asyncio.Event()

    async def add(self, entry: AuditEntry, *, at_once: bool = False) -> None:
        """Note an act, `at_once` or soon.

        Raises Unavailable when it cannot be: what it is about is not done, and not given out, then.
        """
        if at_once or self._strict or self._failing:
            # What could not be written grows no further: no more than FLUSH_SECONDS of reads lie in memory.
            await self._write([entry])
            return
        if self._weight >= MOST_BUFFERED:
            raise NotRecorded
        self._waiting.append(entry)
        self._weight += _weight(entry)
        self._wake.set()

    async def run(self) -> None:
        """Write what waits, soon; for ever."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Unavailable as error:
                log.warning("audit entries wait: %s", error.detail)

    async def flush(self) -> None:
        """Write what waits now. Raises Unavailable, and keeps what was not written then."""
        self._wake.clear()
        self._waiting = merged(self._waiting)
        try:
            while taken := self._waiting[:AT_ONCE]:
                await self._write(taken)
                del self._waiting[: len(taken)]
            self._failing = False
        except BaseException:
            self._failing = True
            self._wake.set()
            raise
        finally:
            self._weight = sum(map(_weight, self._waiting))

    async def _write(self, entries: list[AuditEntry]) -> None:
        async with self._database.transaction() as connection:
            await write(connection, *entries)


def _weight(entry: AuditEntry) -> int:
    return 1 + len(entry.objects) + len(entry.studies)


def merged(entries: Iterable[AuditEntry]) -> list[AuditEntry]:
    """One entry for what somebody looked at together in one moment: the thumbnails of a list.

    A flood of refusals of strangers is one as well, beyond the first MOST_ALIKE, so that it does not fill
    the log.
    """
    found: list[AuditEntry] = []
    place: dict[tuple[object, ...], int] = {}
    alike: Counter[tuple[object, ...]] = Counter()
    for entry in entries:
        kind = _kind(entry)
        floods = entry.ending == "refused" and entry.actor == "anonymous" and alike[kind] >= MOST_ALIKE
        at = place.get(kind) if entry.joins or floods else None
        if at is None or len(found[at].objects) + len(entry.objects) > MOST_OBJECTS:
            place[kind] = len(found)
            alike[kind] += 1
            found.append(entry)
        else:
            first = found[at]
            found[at] = replace(
                first,
                objects=tuple(dict.fromkeys((*first.objects, *entry.objects))),
                studies=tuple(dict.fromkeys((*first.studies, *entry.studies))),
                details={**first.details, "requests": _requests(first) + _requests(entry)},
            )
    return found


def _requests(entry: AuditEntry) -> int:
    told: int = entry.details.get("requests", 1)
    return told


def _kind(entry: AuditEntry) -> tuple[object, ...]:
    return (
        entry.action,
        entry.ending,
        entry.actor,
        entry.acting_as,
        entry.object_type,
        entry.collection,
        entry.address,
        entry.route,
        entry.status,
    )
