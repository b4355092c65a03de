"""How looking at images is audited: one entry for a series and a reader's visit, not one for each frame."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from aiohttp import web

from libs.common.http.audited import speak_of, visiting


def look_at_frame(request: web.Request, row: asyncpg.Record, file_id: UUID) -> None:
    """Say that a frame of a series is looked at; what was noted of the series, or of another frame, does."""
    series = row["series_instance_uid"] or str(file_id)
    speak_of(request, "file", series=series)
    of_series = row["collection"], row["study_instance_uid"], series
    visiting(request, (*of_series, "frames"), (*of_series, "stack"))


def look_at_stack(request: web.Request, collection: str, study: str, series: str) -> None:
    """Say that a series is looked at, and so all of its frames."""
    speak_of(request, "study", collection=collection, studies=[study], series=series)
    visiting(request, (collection, study, series, "stack"))
