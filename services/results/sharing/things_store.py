"""SQL of what shares are of, as the headers of its files name it, to those who see it. Never commits."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from services.results.read.visibility import seen
from services.results.sharing.store import TABLE

_COLUMNS = """file.file_name, file.patient_name, file.patient_id, file.study_date, file.study_description,
    file.series_description, file.modality"""
_SEEN = f"file.collection = asked.collection AND file.state <> 'erased' AND {seen('$1', '$2')}"
# One file stands for all of a study or a series.
THINGS = f"""
    SELECT asked.place, thing.* FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[])
        WITH ORDINALITY AS asked (collection, file_id, study, series, place)
    CROSS JOIN LATERAL (
        (SELECT {_COLUMNS} FROM {TABLE} AS file WHERE file.file_id = asked.file_id AND {_SEEN})
        UNION ALL
        (SELECT {_COLUMNS} FROM {TABLE} AS file
        WHERE asked.file_id IS NULL AND file.study_instance_uid = asked.study AND {_SEEN}
            AND (asked.series IS NULL OR file.series_instance_uid = asked.series)
        ORDER BY file.file_id DESC LIMIT 1)
        LIMIT 1
    ) AS thing
"""


async def things_of(
    connection: Connection, viewer: Viewer, shares: Sequence[asyncpg.Record]
) -> list[asyncpg.Record | None]:
    """What each of `shares` is of, in their order; None for what `viewer` does not see (any more)."""
    asked = [
        [share[name] for share in shares]
        for name in ("collection", "file_id", "study_instance_uid", "series_instance_uid")
    ]
    rows = await connection.fetch(THINGS, viewer.visible, viewer.grantees, *asked)
    found = {row["place"]: row for row in rows}
    return [found.get(place) for place in range(1, len(shares) + 1)]
