"""What the audit log is told of files that no transaction has: those that were there, those refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from aiohttp import web

from libs.common.audit.entries import MOST_OBJECTS
from libs.common.http.audited import ACT, note_part, speak_of


async def note_the_rest(
    request: web.Request, before: Sequence[UUID], refused: Counter[str], *, accepted: bool
) -> None:
    """`before` are the duplicates, `refused` counts problem codes, `accepted` is whether any file was.

    Raises Unavailable.
    """
    if not accepted:
        speak_of(request, "file", refused=refused)
        return
    seen = [file_id for file_id in before if str(file_id) not in request[ACT].of_these]
    request[ACT].noted, request[ACT].object_type = True, "file"
    for first in range(0, len(seen), MOST_OBJECTS):
        await note_part(request, "success", *seen[first : first + MOST_OBJECTS], duplicate=True)
    if refused:
        await note_part(request, "refused", refused=refused)
