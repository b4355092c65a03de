"""SQL of the DICOM door. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from libs.common.database.postgres import Connection

_KEPT = """
    SELECT sop_instance_uid, sop_class_uid FROM ingest.upload_dicomfile
    WHERE collection = $1 AND sop_instance_uid = ANY ($2::text[]) AND state NOT IN ('erased', 'superseded')
"""


class Instance(NamedTuple):
    """What a reference names."""

    sop_class_uid: str
    uid: str


async def kept_instances(connection: Connection, collection: str, uids: Sequence[str]) -> dict[str, str]:
    """The SOP class of each instance that the collection has."""
    return {row[0]: row[1] for row in await connection.fetch(_KEPT, collection, uids)}
