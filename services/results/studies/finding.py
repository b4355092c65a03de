"""Which study is meant by a UID: the same may lie in several collections."""

from __future__ import annotations

import re

import asyncpg

from libs.common.access import Viewer, user_collection
from libs.common.database.postgres import Connection
from libs.common.errors import NotFound
from services.results.studies import store
from services.results.studies.models import StudyFilter

_UID = re.compile(r"[!-~]{1,64}")


async def find(
    connection: Connection, caller: Viewer, uid: str, collection: str | None
) -> list[asyncpg.Record]:
    """The study of this UID that is meant, then those of other collections. Raises NotFound."""
    if not _UID.fullmatch(uid):
        raise _unknown()
    asked = store.Listing(StudyFilter(collection=collection), "received", store.COLLECTIONS_MOST, uid=uid)
    found = await store.list_studies(connection, caller, asked)
    if not found:
        raise _unknown()
    places = {name: place for place, name in enumerate(ranked(caller))}
    # Sorted by the arrival of the first file already; groups are in the order of their numbers.
    return sorted(found, key=lambda row: places.get(row["collection"], len(places)))


def ranked(caller: Viewer) -> list[str]:
    """The caller's own collection, then those of groups in the order of their numbers: who answers first."""
    own = user_collection(caller.user_id)
    return [own, *sorted(set(caller.collections) - {own}, key=lambda name: (len(name), name))]


def _unknown() -> NotFound:
    return NotFound("You have no study with this UID.")
