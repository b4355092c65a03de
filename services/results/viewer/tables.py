"""VOI LUTs whose entries lie in the stored object, outside of its header."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from libs.common.errors import InvalidContent, StorageError
from libs.dicom.stack.instances import TableElsewhere
from services.results.pixels.source import DecodingFor, FrameSource

log = logging.getLogger(__name__)

MOST_TABLES = 64
"""Of one series, that are fetched; each opens an object. Of the others the server still draws with theirs."""
_MOST_BYTES = 1 << 17


async def fetch_table(decoding: DecodingFor, file_id: UUID, table: TableElsewhere) -> dict[str, Any] | None:
    """The table; None where it cannot be read, or is larger than any (PS3.3 C.11.2.1.1)."""
    try:
        async with await FrameSource.open(decoding, file_id) as source:
            if source.sealed.bulk.get(table.uri, (0, _MOST_BYTES + 1, ""))[1] > _MOST_BYTES:
                return None
            return table.of(b"".join([piece async for piece in source.value(table.uri)]))
    except (StorageError, InvalidContent) as error:
        log.warning("the VOI LUT of %s cannot be read: %s", file_id, error.code)
        return None
