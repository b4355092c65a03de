"""SQL of jobs. Nothing here commits."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from libs.common.database.bounded import Parameters, fetch_planned
from libs.common.database.patterns import contains
from libs.common.database.postgres import Connection
from services.results.jobs.models import ActionFilter, Job, JobFilter, JobState
from services.results.read.store import meanings_of

_COLUMNS = """id, kind, state, wanted::text AS wanted, counted, total, requested, processed, failed,
    created_by, created_at, raised_at, changed_at, finished_at"""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('results.jobs', 0))"
_INSERT = f"""
    INSERT INTO results.job (id, kind, wanted, created_by, last_file)
    VALUES ($1, 'reprocess', $2::text::jsonb, $3, coalesce(
        (SELECT file_id FROM results.upload_dicomresult ORDER BY file_id DESC LIMIT 1), $1))
    RETURNING {_COLUMNS}
"""
_GET = f"SELECT {_COLUMNS} FROM results.job WHERE id = $1"
_LIST = f"""
    SELECT {_COLUMNS} FROM results.job
    WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR state = $2) ORDER BY id DESC LIMIT $3
"""
_COUNT_RUNNING = "SELECT count(*) FROM results.job WHERE state = 'running' AND NOT wanted ? 'action'"
_COUNT_ACTIONS = """
    SELECT count(*) FROM results.job WHERE state = 'running' AND created_by = $1 AND wanted ? 'action'
"""
_LOCK_MAKER = "SELECT pg_advisory_xact_lock(hashtextextended('results.actions ' || $1::bigint, 0))"
_GET_ACTION = f"SELECT {_COLUMNS} FROM results.job WHERE id = $1 AND created_by = $2 AND wanted ? 'action'"
_ALL_ASKED = f"""
    UPDATE results.job SET counted = true, walked = true, total = $2, requested = $2 WHERE id = $1
    RETURNING {_COLUMNS}
"""
_CANCEL = f"""
    UPDATE results.job SET state = 'cancelled', changed_at = now(), finished_at = now()
    WHERE id = $1 AND state = 'running' RETURNING {_COLUMNS}
"""
_RESUME = f"""
    UPDATE results.job SET state = 'running', changed_at = now(), finished_at = NULL
    WHERE id = $1 AND state = 'cancelled' RETURNING {_COLUMNS}
"""
_RAISE = f"""
    UPDATE results.job SET raised_at = now() WHERE id = $1 AND state = 'running' RETURNING {_COLUMNS}
"""
_ACTIVE = """
    SELECT id, state, wanted::text AS wanted, last_file, counted_to, counted, walked_to, walked,
        requested - processed - failed AS under_way, created_by, raised_at,
        extract(epoch FROM now() - changed_at)::float8 AS idle_seconds
    FROM results.job WHERE state = 'running' OR requested > processed + failed ORDER BY id
"""
# So many rows at once, wanted or not: no statement walks long, however few match. It stops where enough are
# found, since places come free one by one; where the page ends is only asked when there are too few.
_PAGE = """
    WITH wanted AS MATERIALIZED (
        SELECT file_id FROM (
            SELECT file_id, ({conditions}) IS TRUE AS wanted FROM results.upload_dicomresult
            WHERE file_id > {after} AND file_id <= {last} ORDER BY file_id LIMIT {rows}
        ) AS page WHERE wanted ORDER BY file_id LIMIT {most}
    )
    SELECT ARRAY (SELECT file_id FROM wanted ORDER BY file_id) AS found, seen.files, seen.end
    FROM (SELECT count(*) AS files, max(file_id::text)::uuid AS end FROM (
        SELECT file_id FROM results.upload_dicomresult
        WHERE (SELECT count(*) FROM wanted) < {most} AND file_id > {after} AND file_id <= {last}
        ORDER BY file_id LIMIT {rows}) AS page) AS seen
"""
_NOTE_COUNT = """
    UPDATE results.job SET total = total + $2, counted_to = $3, counted = $4, changed_at = now() WHERE id = $1
"""
_NOTE_WALK = """
    UPDATE results.job SET requested = requested + $2, walked_to = $3, walked = $4, changed_at = now()
    WHERE id = $1
"""
_FINISH = """
    UPDATE results.job SET state = 'done', changed_at = now(), finished_at = now()
    WHERE id = $1 AND state = 'running' AND walked AND requested <= processed + failed
"""


class WalkedPage(NamedTuple):
    """Part of a walk: which files match in it, and where it ends."""

    found: list[UUID]
    end: UUID | None
    """Last file looked at; None: there was none."""
    whole: bool
    """Whether nothing follows."""


async def take_turn(connection: Connection) -> bool:
    """Be the only one who works on jobs until the transaction ends; False while another one is."""
    taken: bool = await connection.fetchval(_LOCK)
    return taken


async def insert(connection: Connection, job_id: UUID, where: JobFilter, created_by: int | None) -> Job:
    """A job on the files that there are now."""
    row = await connection.fetchrow(_INSERT, job_id, orjson.dumps(where.told()).decode(), created_by)
    assert row is not None  # noqa: S101  an INSERT returns its row
    return job_of(row)


async def get(connection: Connection, job_id: UUID) -> Job | None:
    """One job."""
    row = await connection.fetchrow(_GET, job_id)
    return None if row is None else job_of(row)


async def list_jobs(
    connection: Connection, before: UUID | None, state: JobState | None, limit: int
) -> list[Job]:
    """Newest first, below `before`."""
    return [job_of(row) for row in await connection.fetch(_LIST, before, state, limit)]


async def count_running(connection: Connection) -> int:
    """Jobs that ask for files."""
    return int(await connection.fetchval(_COUNT_RUNNING))


async def count_actions(connection: Connection, user_id: int) -> int:
    """Running actions of one account, of which nobody begins another until the transaction ends."""
    await connection.execute(_LOCK_MAKER, user_id)
    return int(await connection.fetchval(_COUNT_ACTIONS, user_id))


async def get_action(connection: Connection, job_id: UUID, user_id: int) -> Job | None:
    """An action that this account has begun."""
    row = await connection.fetchrow(_GET_ACTION, job_id, user_id)
    return None if row is None else job_of(row)


async def note_all_asked(connection: Connection, job_id: UUID, files: int) -> Job:
    """There is no more to ask for."""
    row = await connection.fetchrow(_ALL_ASKED, job_id, files)
    assert row is not None  # noqa: S101  it was made in this transaction
    return job_of(row)


async def change(connection: Connection, job_id: UUID, how: str) -> Job | None:
    """`cancel`, `resume` or `raise` a job; None where its state does not allow it."""
    statement = {"cancel": _CANCEL, "resume": _RESUME, "raise": _RAISE}[how]
    row = await connection.fetchrow(statement, job_id)
    return None if row is None else job_of(row)


async def active(connection: Connection) -> list[asyncpg.Record]:
    """Jobs that ask for files, or have some under way; oldest first."""
    return await connection.fetch(_ACTIVE)


def page_statement(
    where: JobFilter, after: UUID, last: UUID, *, rows: int, most: int
) -> tuple[str, list[Any]]:
    """The statement of `page`, and its values."""
    parameters = Parameters()
    statement = _PAGE.format(
        conditions=" AND ".join(_conditions(where, parameters)),
        after=parameters.add(after),
        last=parameters.add(last),
        rows=parameters.add(rows),
        most=parameters.add(most),
    )
    return statement, parameters.values


async def page(
    connection: Connection, where: JobFilter, after: UUID, last: UUID, *, rows: int, most: int
) -> WalkedPage:
    """Look at the next `rows` files above `after`, or until `most` match."""
    (row,) = await fetch_planned(connection, *page_statement(where, after, last, rows=rows, most=most))
    found = [UUID(bytes=file_id.bytes) for file_id in row["found"]]
    if len(found) == most:
        return WalkedPage(found, found[-1], False)
    return WalkedPage(found, row["end"], row["files"] < rows)


async def note_count(connection: Connection, job_id: UUID, found: int, to: UUID, *, whole: bool) -> None:
    """Files that match, counted up to `to`; `whole`: all are."""
    await connection.execute(_NOTE_COUNT, job_id, found, to, whole)


async def note_walk(connection: Connection, job_id: UUID, asked: int, to: UUID, *, whole: bool) -> None:
    """Files asked for, up to `to`; `whole`: there are no others."""
    await connection.execute(_NOTE_WALK, job_id, asked, to, whole)


async def finish(connection: Connection, job_id: UUID) -> bool:
    """End a job of which everything is answered; whether it is."""
    return await connection.execute(_FINISH, job_id) == "UPDATE 1"


def job_of(row: asyncpg.Record) -> Job:
    """A row as it is answered."""
    values: dict[str, Any] = dict(row)
    under_way = values["requested"] - values["processed"] - values["failed"]
    where = orjson.loads(values["wanted"])
    # What somebody looked for may be a patient's name: that is shown to nobody who looks after jobs.
    where.pop("q", None)
    values |= {"where": where, "under_way": max(under_way, 0)}
    if not values["counted"]:
        values["total"] = None
    return Job.model_validate(values)


def _conditions(where: JobFilter, parameters: Parameters) -> list[str]:
    equal = {
        "state": where.state,
        "collection": where.collection,
        "modality": where.modality,
        "device_name": where.device,
        "study_instance_uid": where.study,
        "series_instance_uid": where.series,
        "sop_class_uid": where.sop_class,
        "transfer_syntax_uid": where.transfer_syntax,
        "failure_reason": where.reason,
    }
    found = ["state IN ('processed', 'failed')"]
    found += [f"{name} = {parameters.add(value)}" for name, value in equal.items() if value is not None]
    if where.method_below is not None:
        found.append(f"(method_version IS NULL OR method_version < {parameters.add(where.method_below)})")
    if where.from_ is not None:
        found.append(f"received_at >= {parameters.add(where.from_)}")
    if where.to is not None:
        found.append(f"received_at < {parameters.add(where.to)}")
    return found + (_of_action(where, parameters) if isinstance(where, ActionFilter) else [])


def _of_action(where: ActionFilter, parameters: Parameters) -> list[str]:
    """Only what its maker may change, whatever else is asked for."""
    found = []
    if where.collections is not None:
        found.append(f"collection = ANY ({parameters.add(where.collections)}::text[])")
    if where.owner is not None:
        found.append(f"owner_id = {parameters.add(where.owner)}")
    if where.studies is not None:
        found.append(f"study_instance_uid = ANY ({parameters.add(where.studies)}::text[])")
    if where.part_of_device is not None:
        found.append(f"lower(device_name) LIKE lower({parameters.add(contains(where.part_of_device))})")
    meanings = [" AND ".join(meaning) for meaning in meanings_of(parameters, where.q) if meaning]
    return [*found, f"({' OR '.join(f'({meaning})' for meaning in meanings)})"] if meanings else found
