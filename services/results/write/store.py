"""SQL that writes results: what events tell, one set-based statement each. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from libs.common.database.postgres import Connection
from services.results.write.facts import HEADER_TYPES, PIXELS, LogEntry, Outcome
from services.results.write.header import HEADER_VERSION, SERIES, STUDY
from services.results.write.outcomes import Held, StateChange

CHANNEL = "results_change"

_ROW_TYPES = {
    "file_id": "uuid",
    "owner_id": "bigint",
    "collection": "text",
    "trace_id": "text",
    "state": "text",
    "precedence": "integer",
    "counted": "text",
    "filed": "text",
    "header_version": "smallint",
    "moves": "integer",
    "moved_to": "text",
    "request": "integer",
}
_OUTCOME_TYPES = {
    "sha256": "text",
    "device_name": "text",
    "average_before_normalization": "float8",
    "average_after_normalization": "float8",
    "data_size": "bigint",
    "statistics": "jsonb",
    "thumbnail_key": "text",
    "failure_reason": "text",
    "failure_detail": "text",
    "method_version": "integer",
    "attempts": "integer",
    "processed_at": "timestamptz",
}
_ANALYSIS_TYPES = {
    "rank": "integer",
    "worker": "text",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
}


def _told(*types: Mapping[str, str], parameter: str = "$1", apart: str | None = None) -> str:
    """The FROM item of a statement that is given its rows as one JSON array, in order.

    A large value comes `apart`, as an array of text: inside the others it would be taken apart twice.
    """
    columns = ", ".join(f"{name} {type_}" for of in types for name, type_ in of.items() if name != apart)
    rows = f"jsonb_to_recordset({parameter}::text::jsonb) AS ({columns})"
    names = ", ".join(name for of in types for name in of if name != apart)
    if apart is None:
        return f"ROWS FROM ({rows}) AS told"
    return f"ROWS FROM ({rows}, unnest($2::text[])) AS told ({names}, {apart})"


def _names(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in columns)


def _taken(columns: Iterable[str]) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in columns)


_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"
# The precedence of the outcome that the row holds; that of the row hides it once the file is superseded. Said
# so that one plan does for any number of files: making plans for this table takes longer than reading it.
_HELD = """
    SELECT file_id, owner_id, collection, state,
        CASE WHEN failure_reason IS NOT NULL THEN 1
             WHEN method_version IS NOT NULL THEN 2 + least(greatest(method_version, 0), 2147483643)
             ELSE 0 END,
        raw_data IS NOT NULL, received_at, sha256, study_instance_uid,
        series_instance_uid, thumbnail_key IS NOT NULL, counted, filed, moves, request
    FROM unnest((SELECT $1::uuid[])) AS asked (id)
    CROSS JOIN LATERAL (SELECT * FROM results.upload_dicomresult WHERE file_id = asked.id OFFSET 0) AS held
"""
_NUMBERED = ("moves", "moved_to", "request")
# A row that is made here is `received`; if it has an outcome as well, the next statement says so.
_HEADERS = f"""
    INSERT INTO results.upload_dicomresult AS held ({_names(_ROW_TYPES)}, {_names(HEADER_TYPES)})
    SELECT file_id, owner_id, collection, trace_id, 'received', 0, counted, filed, header_version,
        moves, moved_to, request, {_names(HEADER_TYPES).replace("raw_data", "raw_data::jsonb")}
    FROM {_told(_ROW_TYPES, HEADER_TYPES, apart="raw_data")}
    ON CONFLICT (file_id) DO UPDATE SET trace_id = coalesce(held.trace_id, excluded.trace_id),
        {_taken(("owner_id", "collection", "counted", "filed", "header_version", *_NUMBERED, *HEADER_TYPES))}
    WHERE held.state <> 'erased'
"""
_ANALYSIS = ("version", "state", "precedence", "reason", "attempt", "worker", "started_at", "finished_at")
_STATE = ("state", "precedence", "counted", "filed", "request")
_OUTCOMES = f"""
    WITH told AS MATERIALIZED (
        SELECT * FROM {_told(_ROW_TYPES, _OUTCOME_TYPES, _ANALYSIS_TYPES)}
    ), analysed AS (
        INSERT INTO results.analysis AS held
            (file_id, analyzer, version, state, precedence, reason, attempt, worker, started_at, finished_at)
        SELECT file_id, '{PIXELS}', method_version,
            CASE WHEN failure_reason IS NULL THEN 'processed' ELSE 'failed' END, rank, failure_reason,
            attempts, worker, started_at, finished_at
        FROM told WHERE rank IS NOT NULL
        ON CONFLICT (file_id, analyzer) DO UPDATE SET {_taken(_ANALYSIS)}
        WHERE excluded.precedence > held.precedence
    )
    INSERT INTO results.upload_dicomresult AS held ({_names(_ROW_TYPES)}, {_names(_OUTCOME_TYPES)})
    SELECT {_names(_ROW_TYPES)}, {_names(_OUTCOME_TYPES)} FROM told
    ON CONFLICT (file_id) DO UPDATE SET trace_id = coalesce(held.trace_id, excluded.trace_id),
        changed_at = now(), {_taken((*_STATE, *_OUTCOME_TYPES))}
    WHERE held.state <> 'erased'
"""
_STATES = f"""
    INSERT INTO results.upload_dicomresult AS held ({_names(_ROW_TYPES)})
    SELECT {_names(_ROW_TYPES)} FROM {_told(_ROW_TYPES)}
    ON CONFLICT (file_id) DO UPDATE SET changed_at = now(), {_taken(_STATE)}
    WHERE held.state <> 'erased'
"""
# Of moves and requests; who is measured anew meanwhile keeps the result that there is.
_NUMBERS = f"""
    UPDATE results.upload_dicomresult AS held SET changed_at = now(), collection = told.collection,
        counted = told.counted, filed = told.filed, moves = told.moves, moved_to = told.moved_to,
        request = told.request
    FROM {_told(_ROW_TYPES)} WHERE held.file_id = told.file_id AND held.state <> 'erased'
"""
_DESCRIBED = f"""
    SELECT file_id, modality, device, file_name, {_names((*STUDY, *SERIES))} FROM results.upload_dicomresult
    WHERE file_id = ANY ($1::uuid[])
"""
_WITHDRAW = f"DELETE FROM results.analysis WHERE analyzer = '{PIXELS}' AND file_id = ANY ($1::uuid[])"
# One statement: the log of every attempt, the feed of every change, and a word to its readers.
_ENTRY_TYPES = {
    "event_id": "uuid",
    "file_id": "uuid",
    "event": "text",
    "attempt": "integer",
    "worker": "text",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
    "outcome": "text",
    "reason": "text",
    "lane": "text",
    "waited_seconds": "float8",
    "fetch_seconds": "float8",
    "decode_seconds": "float8",
    "measure_seconds": "float8",
    "store_seconds": "float8",
    "cpu_seconds": "float8",
    "peak_memory_bytes": "bigint",
}
_FEED_TYPES = {
    "file_id": "uuid",
    "owner_id": "bigint",
    "collection": "text",
    "state": "text",
    "study_instance_uid": "text",
    "series_instance_uid": "text",
    "moved": "boolean",
}
_TELL = f"""
    WITH logged AS (
        INSERT INTO results.processing_log ({_names(_ENTRY_TYPES)})
        SELECT * FROM {_told(_ENTRY_TYPES)}
        ON CONFLICT (event_id) DO NOTHING
    ), fed AS (
        INSERT INTO results.change_feed ({_names(_FEED_TYPES)})
        SELECT * FROM {_told(_FEED_TYPES, parameter="$2")}
    )
    SELECT pg_notify($3, '') WHERE $2::text <> '[]'
"""


_NO_OUTCOME: dict[str, Any] = dict.fromkeys((*_OUTCOME_TYPES, *_ANALYSIS_TYPES))


async def lock_files(connection: Connection, file_ids: Iterable[UUID]) -> None:
    """Hold these files until the transaction ends; whoever changes a result does so, before anything else.

    What is read of them then stays so. And a transaction gets its id with its first write, by which the
    change feed is ordered: of two that change the same file, the later must not get its id before the earlier
    has ended.
    """
    # The random half of a UUIDv7, in one order for everybody, so that nobody waits in a circle.
    keys = sorted({int.from_bytes(file_id.bytes[8:], signed=True) for file_id in file_ids})
    await connection.execute(_LOCK, keys)


async def read_held(connection: Connection, file_ids: Sequence[UUID]) -> dict[UUID, Held]:
    """What the rows of these files say; who has none is missing."""
    return {row[0]: Held(*row) for row in await connection.fetch(_HELD, file_ids)}


async def write_changes(connection: Connection, changes: Sequence[StateChange]) -> None:
    """Make or complete the rows: headers, outcomes, and what other files made of them."""
    headers = [change for change in changes if change.header is not None]
    outcomes = [change for change in changes if change.outcome is not None or change.withdrawn]
    states = [change for change in changes if _only_state(change)]
    numbers = [change for change in changes if _only_numbers(change)]
    if headers:
        rows = [_row(change) | _header(change) for change in headers]
        raw = [row.pop("raw_data") for row in rows]
        await connection.execute(_HEADERS, _json(rows), raw)
    if outcomes:
        rows = [_row(change) | _outcome(change) for change in outcomes]
        if withdrawn := [change.file_id for change in outcomes if change.withdrawn]:
            await connection.execute(_WITHDRAW, withdrawn)
        await connection.execute(_OUTCOMES, _json(rows))
    if states:
        await connection.execute(_STATES, _json([_row(change) for change in states]))
    if numbers:
        await connection.execute(_NUMBERS, _json([_row(change) for change in numbers]))


async def read_described(connection: Connection, file_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """What the headers of these files tell of study and series, by column."""
    rows = await connection.fetch(_DESCRIBED, file_ids)
    return {row["file_id"]: {name: value for name, value in row.items() if name != "file_id"} for row in rows}


async def tell(connection: Connection, entries: Sequence[LogEntry], changes: Sequence[StateChange]) -> None:
    """Note every attempt, once each; put changes into the feed, and wake its readers at the commit."""
    fed = [told for change in changes for told in _fed(change)]
    noted = [_line(entry) for entry in entries if entry.outcome not in ("moved", "requested")]
    await connection.execute(_TELL, _json(noted), _json(fed), CHANNEL)


def _line(entry: LogEntry) -> dict[str, Any]:
    line = entry._asdict()
    run = line.pop("run")
    return line if run is None else line | vars(run)


def _fed(change: StateChange) -> list[dict[str, Any]]:
    """Rows of the feed: to whom it has left (not told where it went), then to whom it lies with now."""
    now = {
        "file_id": change.file_id,
        "owner_id": change.owner_id,
        "collection": change.collection,
        "state": change.state,
        "study_instance_uid": change.study_instance_uid,
        "series_instance_uid": change.series_instance_uid,
        "moved": False,
    }
    held = change.held
    if held is None or not change.relocated:
        return [now]
    left = {
        "collection": held.collection,
        "state": "erased",  # as the release before reads it
        "study_instance_uid": held.study_instance_uid,
        "series_instance_uid": held.series_instance_uid,
        "moved": True,
    }
    return [now | left, now]


def _only_state(change: StateChange) -> bool:
    """Whether another file has changed it, or a move has made it, and no outcome says so as well."""
    if change.outcome is not None or change.withdrawn:
        return False
    if change.held is None:
        return change.header is None or change.state != "received"
    return change.state != change.held.state


def _only_numbers(change: StateChange) -> bool:
    """Whether the file lies elsewhere, or was asked for again, and no header says so as well."""
    return (change.placed or change.asked_again) and change.header is None


def _row(change: StateChange) -> dict[str, Any]:
    header = change.header
    return {
        "file_id": change.file_id,
        "owner_id": change.owner_id,
        "collection": change.collection,
        "trace_id": change.trace_id,
        "state": change.state,
        "precedence": change.precedence,
        "counted": change.state,
        "filed": change.state if change.study_instance_uid is not None else None,
        "header_version": 0 if header is None or header.columns["search"] is None else HEADER_VERSION,
        "moves": change.moves,
        "moved_to": change.collection if change.moves else None,
        "request": change.request,
    }


def _header(change: StateChange) -> dict[str, Any]:
    assert change.header is not None  # noqa: S101  the caller has looked
    return change.header.columns


def _outcome(change: StateChange) -> dict[str, Any]:
    outcome = change.outcome
    if outcome is None:
        return _NO_OUTCOME | {"sha256": change.sha256}
    statistics = None if outcome.statistics is None else orjson.Fragment(outcome.statistics)
    told = dict(zip(Outcome._fields, outcome, strict=True))
    del told["request"]  # the row's is the latest, whichever this one answers
    return told | {"statistics": statistics, "sha256": change.sha256, "rank": change.rank}


def _json(rows: list[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()
