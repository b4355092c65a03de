"""SQL that keeps studies, series and counters, in the transaction that changes their files.

Everybody locks series before studies before counters, each in the order of their keys, and all of them after
the files: nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson

from libs.common.database.postgres import Connection
from services.results.write.accounts import FILES, Accounts, Key, Tally
from services.results.write.header import ALSO_CHARACTERS, SERIES, STUDY, TYPES, patient_of, study_search
from services.results.write.left_store import close_left

_STUDY_FACTS = (*STUDY, "search")
_SERIES_FACTS = ("modality", "device", *SERIES)
_SETS = ("modalities", "devices", "owners")
"""What strangers write: a study has so many of each at most."""
_TYPES: Mapping[str, str] = {
    **TYPES,
    "collection": "text",
    "study_instance_uid": "text",
    "series_instance_uid": "text",
    "modality": "text",
    "modalities": "text[]",
    "devices": "text[]",
    "owners": "bigint[]",
    "also": "text",
    **dict.fromkeys(FILES, "integer"),
    "first_received_at": "timestamptz",
    "last_received_at": "timestamptz",
    "cover_file_id": "uuid",
}
_TIMES = ("first_received_at", "last_received_at", "cover_file_id")
_STUDY_KEY = ("collection", "study_instance_uid")
_SERIES_KEY = (*_STUDY_KEY, "series_instance_uid")
_STUDY_COLUMNS = (*_STUDY_KEY, *_STUDY_FACTS, "patient", "also", *_SETS, *FILES, *_TIMES)
_SERIES_COLUMNS = (*_SERIES_KEY, *_SERIES_FACTS, *FILES, *_TIMES)


def _names(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in columns)


def _told(parameter: str, columns: Iterable[str]) -> str:
    """The FROM item of rows that are given as one JSON array, in order."""
    types = ", ".join(f"{name} {_TYPES[name]}" for name in columns)
    return f"jsonb_to_recordset({parameter}::text::jsonb) AS told ({types})"


def _kept(facts: Iterable[str]) -> str:
    """What becomes of a row: the first known fact stands, files are moved, times grow."""
    return ", ".join(
        [
            *(f"{name} = coalesce(held.{name}, excluded.{name})" for name in (*facts, "cover_file_id")),
            *(f"{name} = held.{name} + excluded.{name}" for name in FILES),
            "first_received_at = least(held.first_received_at, excluded.first_received_at)",
            "last_received_at = greatest(held.last_received_at, excluded.last_received_at)",
        ]
    )


def _united(name: str) -> str:
    """What becomes of a set that both know some of."""
    return f"""{name} = CASE WHEN excluded.{name} <@ held.{name} THEN held.{name}
        ELSE (ARRAY (SELECT DISTINCT unnest(held.{name} || excluded.{name}) ORDER BY 1))[:32] END"""


# Lines are added that no other one holds, but for the first, which is the name of a file.
_ALSO = f"""also = CASE WHEN excluded.also = '' THEN held.also WHEN held.also = '' THEN excluded.also
        ELSE left(held.also || coalesce((
            SELECT string_agg(chr(10) || line, '' ORDER BY place)
            FROM unnest(string_to_array(excluded.also, chr(10))) WITH ORDINALITY AS told (line, place)
            WHERE place > 1 AND position(line IN held.also) = 0), ''), {ALSO_CHARACTERS}) END"""
# The order of the three is that of the locks: each reads the one before, and so waits for it.
_ACCOUNT = f"""
    WITH series AS (
        INSERT INTO results.series AS held ({_names(_SERIES_COLUMNS)})
        SELECT {_names(_SERIES_COLUMNS)} FROM {_told("$1", _SERIES_COLUMNS)}
        ON CONFLICT ({_names(_SERIES_KEY)}) DO UPDATE SET {_kept(_SERIES_FACTS)}
        RETURNING collection, study_instance_uid, held.xmax = 0 AS made
    ), study AS (
        INSERT INTO results.study AS held (series, {_names(_STUDY_COLUMNS)})
        SELECT (SELECT count(*) FROM series WHERE made AND series.collection = told.collection
                AND series.study_instance_uid = told.study_instance_uid),
            {_names(_STUDY_COLUMNS, "told.")}
        FROM {_told("$2", _STUDY_COLUMNS)}
        ON CONFLICT ({_names(_STUDY_KEY)}) DO UPDATE SET {_kept(_STUDY_FACTS)},
            series = held.series + excluded.series, {", ".join(map(_united, _SETS))}, {_ALSO},
            patient = CASE WHEN held.patient = '' THEN excluded.patient ELSE held.patient END
        RETURNING 1
    )
    INSERT INTO results.counter AS held (collection, state, files)
    SELECT * FROM unnest($3::text[], $4::text[], $5::bigint[]) WHERE (SELECT count(*) FROM study) >= 0
    ON CONFLICT (collection, state) DO UPDATE SET files = held.files + excluded.files
"""
# These rows are locked already.
_UNCOVER = """
    UPDATE results.{table} AS held SET cover_file_id = (
        SELECT file_id FROM results.upload_dicomresult AS file
        WHERE file.collection = held.collection AND file.{uid} = held.{uid}
            AND file.study_instance_uid = held.study_instance_uid
            AND file.state = 'processed' AND file.thumbnail_key IS NOT NULL LIMIT 1)
    WHERE cover_file_id = ANY ($1::uuid[]) AND (collection, {uid}) IN (
        SELECT * FROM unnest($2::text[], $3::text[]))
"""


async def apply_accounts(connection: Connection, accounts: Accounts) -> None:
    """Add the differences."""
    if accounts.nothing:
        return
    counters = sorted((*key, files) for key, files in accounts.counters.items() if files)
    await connection.execute(
        _ACCOUNT,
        _rows(accounts.series, _SERIES_KEY, _SERIES_FACTS),
        _rows(accounts.studies, _STUDY_KEY, _STUDY_FACTS, more=_of_study),
        [collection for collection, _, _ in counters],
        [state for _, state, _ in counters],
        [files for _, _, files in counters],
    )
    if accounts.uncovered:
        await _uncover(connection, accounts.uncovered, "study", "study_instance_uid", accounts.studies)
        await _uncover(connection, accounts.uncovered, "series", "series_instance_uid", accounts.series)
    if accounts.left:
        await close_left(connection, accounts.left)


async def _uncover(
    connection: Connection, files: list[UUID], table: str, uid: str, keys: Iterable[Key]
) -> None:
    named = sorted(keys)
    await connection.execute(
        _UNCOVER.format(table=table, uid=uid), files, [key[0] for key in named], [key[-1] for key in named]
    )


def _rows(
    tallies: Mapping[Key, Tally],
    key_names: tuple[str, ...],
    facts: tuple[str, ...],
    more: Callable[[Tally], dict[str, Any]] = lambda _: {},
) -> str:
    """The rows as JSON, in the order of their keys."""
    rows: list[dict[str, Any]] = []
    for key, tally in sorted(tallies.items(), key=lambda item: item[0]):
        row: dict[str, Any] = dict(zip(key_names, key, strict=True))
        row |= {name: tally.facts.get(name) for name in facts}
        row |= {name: tally.files.get(name, 0) for name in FILES}
        row |= {
            "first_received_at": tally.first,
            "last_received_at": tally.last,
            "cover_file_id": tally.cover,
        }
        rows.append(row | more(tally))
    return orjson.dumps(rows).decode()


def _of_study(tally: Tally) -> dict[str, Any]:
    """What only results.study has. Texts beyond its longest lose their end."""
    return {
        "search": study_search(tally.facts),
        "patient": patient_of(tally.facts),
        "also": "\n".join(tally.also)[:ALSO_CHARACTERS],
        "modalities": sorted(tally.modalities),
        "devices": sorted(tally.devices),
        "owners": sorted(tally.owners),
    }
