"""Asking for files to be measured again: the row, the request and its event in one transaction.

Requests of a file are numbered, and what comes of one says its number
(`services.results.write.outcomes`). A file has one unanswered request at most.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.access import Viewer
from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, PermissionDenied
from libs.common.events import FileRequested, Priority, RequestReason, new_event
from libs.common.ids import file_key
from libs.common.outbox.store import enqueue
from libs.common.telemetry.tracing import current_traceparent
from services.results.metrics import ResultsMetrics
from services.results.processing import requests_store as store
from services.results.processing.access_store import find_seen
from services.results.read.visibility import unknown
from services.results.write.facts import State
from services.results.write.handlers import record
from services.results.write.reports import report_of
from services.results.write.store import lock_files

log = logging.getLogger(__name__)

SCHEMA = "results"
EVENT_SOURCE = "/results"
_REASONS: Mapping[str, RequestReason] = {"failed": "retry", "processed": "reprocess"}
_TOLD = (
    "file_id",
    "owner_id",
    "collection",
    "size_bytes",
    "sha256",
    "sop_class_uid",
    "sop_instance_uid",
    "series_instance_uid",
    "study_instance_uid",
    "modality",
    "transfer_syntax_uid",
    "rows",
    "columns",
    "frames",
    "moves",
)
_NUMBER = re.compile(r"[0-9]{1,9}")
"""As a header may say it; strangers write it, of any length."""
_BIGINT = 2**63 - 1
"""The largest number that an event can carry."""
_NOT_FAILED: Mapping[State, str] = {
    "received": "This file is being measured already: wait for what comes of it.",
    "processed": "This file is measured. An operator may have results made anew, by a job.",
    "superseded": "Another file has taken its place; what could not be measured stays as it is.",
}


class Asker(NamedTuple):
    """Who asks, how much of a hurry there is, and for which job."""

    user_id: int | None
    priority: Priority
    job_id: UUID | None = None


class Requests:
    """Has files measured again. `wake` is called when an event waits in the outbox."""

    def __init__(self, database: Database, metrics: ResultsMetrics, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._metrics = metrics
        self._wake = wake

    def wake(self) -> None:
        """Events of requests wait in the outbox."""
        self._wake()

    async def retry(self, file_id: UUID, viewer: Viewer) -> FileRequested:
        """Have a failed file tried again: it is `received` once more.

        Raises NotFound for a file that `viewer` does not see, PermissionDenied for one that they only see,
        Conflict unless it failed, Unavailable.
        """
        async with self._database.transaction() as connection:
            # Before it is looked at: nobody else asks for it, or answers, until this ends.
            await lock_files(connection, [file_id])
            found = await find_seen(connection, file_id, viewer)
            if found is None:
                raise unknown()
            if not found.managed:
                raise PermissionDenied(
                    "You may see this file, not have it measured again: who manages it may."
                )
            if found.state != "failed":
                raise Conflict(_NOT_FAILED[found.state])
            asked = await ask(connection, [file_id], Asker(viewer.user_id, "normal"))
            if not asked:
                raise Conflict("This file is not received yet: try again in a moment.")
            [one] = asked
            await note_done(
                connection, "file", file_id, collection=one.collection, study=one.study_instance_uid
            )
        self._metrics.requests.labels("retry").inc()
        self._wake()
        log.info("file %s: user %d has it tried again", file_id, viewer.user_id)
        return asked[0]


async def ask(connection: Connection, file_ids: Sequence[UUID], asker: Asker) -> list[FileRequested]:
    """Request those of these files that ended and are not asked for, within a transaction; which it were."""
    await lock_files(connection, file_ids)
    waiting = await store.pending(connection, file_ids)
    rows = [
        row
        for row in await store.describe(connection, file_ids)
        if row["state"] in _REASONS and row["file_id"] not in waiting
    ]
    asked = [_requested(row, row["request"] + 1, _REASONS[row["state"]], asker) for row in rows]
    if asked:
        await store.note(connection, asked, asker.job_id)
        await _announce(connection, asked)
    return asked


async def ask_again(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Announce unanswered requests of these files once more, within a transaction; of which there were."""
    await lock_files(connection, file_ids)
    waiting = await store.pending(connection, file_ids)
    again = []
    for row in await store.describe(connection, list(waiting)):
        held = waiting[row["file_id"]]
        again.append(_requested(row, held.number, held.reason, Asker(held.requested_by, held.priority)))
    await _announce(connection, again)
    return {of.file_id for of in again}


async def _announce(connection: Connection, asked: Sequence[FileRequested]) -> None:
    """Tell rows, and by them lists and live readers, of what is asked; put the events into the outbox."""
    events = [new_event(EVENT_SOURCE, of, current_traceparent()) for of in asked]
    await record(connection, [report_of(event, None) for event in events])
    for event in events:
        await enqueue(connection, SCHEMA, event)


def _requested(row: Mapping[str, Any], number: int, reason: RequestReason, asker: Asker) -> FileRequested:
    return FileRequested(
        **{name: row[name] for name in _TOLD},
        storage_key=file_key(row["file_id"]),
        decoded_bytes=_decoded_bytes(row),
        request=number,
        reason=reason,
        priority=asker.priority,
        requested_by=asker.user_id,
    )


def _decoded_bytes(row: Mapping[str, Any]) -> int | None:
    """How much its pixel data take: as measured, else by the header; None where that does not say."""
    if row["data_size"] is not None:
        return int(row["data_size"])
    cells, bits = row["samples"] or "1", row["bits"] or ""
    if row["rows"] is None or row["columns"] is None:
        return None
    if not (_NUMBER.fullmatch(cells) and _NUMBER.fullmatch(bits)):
        return None
    frame = int(row["rows"]) * int(row["columns"]) * int(cells) * int(bits)
    whole = (frame + 7) // 8 * int(row["frames"] or 1)
    return whole if whole <= _BIGINT else None
