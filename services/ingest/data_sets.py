"""Whether two stored objects are one data set, written by two programs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from libs.common.ids import ObjectKey
from libs.common.storage import ObjectReader, Storage
from libs.dicom.parse.part10 import META_START, data_set_offset
from libs.dicom.parse.syntax import DEFLATED_UID, IMPLICIT_LITTLE_UID
from services.ingest.likeness import DataSetSide, are_alike

EXPLICIT_LITTLE_UID = "1.2.840.10008.1.2.1"
PIECE = 1 << 20
_PADDING = "FFFCFFFC"
_OF_META = "file meta information"
"""In what a reading notes of that, which does not count here."""


def comparable(one: str, other: str) -> bool:
    """Whether values of data sets in these transfer syntaxes are written by the same bytes."""
    return one == other or {one, other} == {IMPLICIT_LITTLE_UID, EXPLICIT_LITTLE_UID}


async def same_data_set(
    storage: Storage, first: ObjectKey, second: ObjectKey, transfer_syntax_uid: str
) -> bool:
    """Compare the headers as they were read and sealed, and bulk values byte by byte; a few MiB in memory.

    So neither file meta information counts, nor VRs, nor how lengths of sequences are written.
    `transfer_syntax_uid` is that of either. Raises as reading does.
    """
    async with _opened(storage, first) as one, _opened(storage, second) as other:
        here, there = one.trailer, other.trailer
        if any(_OF_META not in text for told in (here, there) for text in told.get("warnings") or ()):
            # What could not be read is in no header: only its bytes tell it.
            return await _same_rest(one, other)
        first_header, second_header = (_unpadded(told.get("dicom") or {}) for told in (here, there))
        if transfer_syntax_uid == DEFLATED_UID or "bulk" not in here or "bulk" not in there:
            # Places of values are those of the inflated stream; or an earlier release sealed none.
            return first_header == second_header and await _same_rest(one, other)
        bulk, bulk_there = _unpadded(here["bulk"]), _unpadded(there["bulk"])
        side, side_there = DataSetSide(one, first_header, bulk), DataSetSide(other, second_header, bulk_there)
        if not await are_alike(side, side_there):
            return False
        return await _same_bulk(
            one, _without(bulk, side.compared), other, _without(bulk_there, side_there.compared)
        )


def _without(bulk: Mapping[str, Any], compared: set[str]) -> dict[str, Any]:
    return {uri: place for uri, place in bulk.items() if uri not in compared}


def _unpadded(members: Mapping[str, Any]) -> dict[str, Any]:
    """Elements, or places of values, without the trailing padding that programs leave out (PS3.10 7.2)."""
    return {name: value for name, value in members.items() if name.rpartition("/")[2] != _PADDING}


async def _same_bulk(
    one: ObjectReader, here: dict[str, Any], other: ObjectReader, there: dict[str, Any]
) -> bool:
    if here.keys() != there.keys():
        return False
    for uri, (start, length, *_) in here.items():
        begin, size, *_ = there[uri]
        if size != length or not await _same_piece(one, start, other, begin, length):
            return False
    return True


async def _same_rest(one: ObjectReader, other: ObjectReader) -> bool:
    """Whether the same bytes follow the file meta information."""
    here = data_set_offset(await one.read(0, META_START))
    there = data_set_offset(await other.read(0, META_START))
    if here is None or there is None or one.size - here != other.size - there:
        return False
    return await _same_piece(one, here, other, there, one.size - here)


async def _same_piece(one: ObjectReader, here: int, other: ObjectReader, there: int, length: int) -> bool:
    for offset in range(0, length, PIECE):
        size = min(PIECE, length - offset)
        if await one.read(here + offset, size) != await other.read(there + offset, size):
            return False
    return True


@contextlib.asynccontextmanager
async def _opened(storage: Storage, key: ObjectKey) -> AsyncIterator[ObjectReader]:
    reader = await storage.open(key)
    try:
        yield reader
    finally:
        await reader.close()
