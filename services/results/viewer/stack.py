"""A series as a stack: all that drawing and measuring need of its frames, in the order they are scrolled."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson
from aiohttp import hdrs, web

from libs.common.access import Viewer
from libs.common.errors import InvalidContent, NotFound
from libs.common.http.authenticate import viewer
from libs.common.http.compression import LEAST_BYTES, takes_gzip
from libs.common.http.json import parse_query
from libs.dicom.stack.groups import StackOrder, grouped
from libs.dicom.stack.instances import StackedInstance, describe
from services.results.dicomweb.answers import decoding_for
from services.results.keys import DATABASE, READS, SETTINGS
from services.results.read.downloads import CACHE_CONTROL
from services.results.read.ranges import etag_matches
from services.results.read.shared_store import note_use
from services.results.studies.finding import ranked
from services.results.viewer import stack_store
from services.results.viewer.looking import look_at_stack
from services.results.viewer.models import StackQuery
from services.results.viewer.stack_store import SeriesPlace
from services.results.viewer.tables import MOST_TABLES, fetch_table

_FORMAT = 1
"""Goes up with every change of what is made of the same headers: what browsers keep is stale then."""
_LEVEL = 4
_UID = re.compile(r"[!-~]{1,64}")
_PATIENT = ("patient_name", "patient_id", "patient_birth_date", "patient_sex")
_STUDY = ("study_date", "study_time", "study_description", "accession_number")


class StackedFile(NamedTuple):
    """A file of the series."""

    row: asyncpg.Record
    instance: StackedInstance

    @property
    def file_id(self) -> UUID:
        """Its id."""
        return UUID(bytes=self.row["file_id"].bytes)


async def view_stack(request: web.Request) -> web.StreamResponse:
    """A series as a stack."""
    caller, query = viewer(request), parse_query(request, StackQuery)
    place = await _find(request, caller, request.match_info["series_uid"], query.collection)
    look_at_stack(request, place.collection, place.study, place.series)
    await note_use(request.app[DATABASE], caller, place.collection, place.study, None, place.series)
    most = request.app[SETTINGS].stack_max_frames
    if place.frames > most:
        raise InvalidContent(
            f"This series has {place.frames} frames, and {most} is the most that are looked through at once.",
            code="stack-too-large",
        )
    told = f"{_FORMAT} {place.collection} {place.study} {place.digest} {query.order}"
    etag = f'"{sha256(told.encode()).hexdigest()[:32]}"'
    headers = {
        hdrs.CACHE_CONTROL: CACHE_CONTROL,
        hdrs.ETAG: f"W/{etag}",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        "X-Content-Type-Options": "nosniff",
    }
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    files = await _read(request, caller, place)
    tables = await _tables(request, files)
    gzip = takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    body, packed = await asyncio.to_thread(_written, place, files, tables, query.order, gzip)
    if packed:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=body, content_type="application/json", headers=headers)


async def _find(request: web.Request, caller: Viewer, series: str, collection: str | None) -> SeriesPlace:
    """The series that is meant: in the caller's own collection first, as studies are. Raises NotFound."""
    if _UID.fullmatch(series):
        found = await request.app[READS](
            lambda connection: stack_store.places(connection, caller, series, collection)
        )
        order = {name: number for number, name in enumerate(ranked(caller))}
        if found:
            return min(found, key=lambda place: order.get(place.collection, len(order)))
    raise NotFound("You have no series with this UID.")


async def _read(request: web.Request, caller: Viewer, place: SeriesPlace) -> list[StackedFile]:
    """What is seen of it, by instance number. Headers are read off the event loop."""
    found: list[StackedFile] = []
    after: UUID | None = None
    while True:
        read = partial(stack_store.files, viewer=caller, place=place, after=after)
        rows = await request.app[READS](read)
        found += await asyncio.to_thread(_described, rows)
        if len(rows) < stack_store.AT_ONCE:
            break
        after = rows[-1]["file_id"]
    return sorted(found, key=_by_number)


def _by_number(file: StackedFile) -> tuple[bool, int, UUID]:
    number = file.instance.instance_number
    return number is None, number or 0, file.file_id


def _described(rows: Sequence[asyncpg.Record]) -> list[StackedFile]:
    return [
        StackedFile(
            row,
            describe(
                orjson.loads(row["header"] or b"{}"),
                sop_class_uid=row["sop_class_uid"],
                transfer_syntax_uid=row["transfer_syntax_uid"],
            ),
        )
        for row in rows
    ]


async def _tables(request: web.Request, files: Sequence[StackedFile]) -> dict[UUID, dict[str, Any] | None]:
    """The VOI LUTs that are not in the headers."""
    decoding = decoding_for(request)
    wanted = [(file.file_id, file.instance.table) for file in files if file.instance.table is not None]
    return {file_id: await fetch_table(decoding, file_id, table) for file_id, table in wanted[:MOST_TABLES]}


def _written(
    place: SeriesPlace,
    files: Sequence[StackedFile],
    tables: dict[UUID, dict[str, Any] | None],
    order: StackOrder | None,
    gzip: bool,
) -> tuple[bytes, bool]:
    """The answer, and whether it is compressed; thousands of instances are nothing for the event loop."""
    body = orjson.dumps(_told(place, files, tables, order))
    if not gzip or len(body) < LEAST_BYTES:
        return body, False
    packer = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush(), True


def _told(
    place: SeriesPlace,
    files: Sequence[StackedFile],
    tables: dict[UUID, dict[str, Any] | None],
    order: StackOrder | None,
) -> dict[str, Any]:
    def first(column: str) -> Any:
        return next((file.row[column] for file in files if file.row[column] is not None), None)

    return {
        "study_instance_uid": place.study,
        "series_instance_uid": place.series,
        "collection": place.collection,
        "modality": first("modality"),
        "series_number": first("series_number"),
        "series_description": first("series_description"),
        "body_part": first("body_part_examined"),
        "laterality": next((side for side in map(_laterality, files) if side), None),
        "patient": {name: first(name) for name in _PATIENT},
        **{name: first(name) for name in _STUDY},
        "unknown": place.unknown,
        "instances": list(_instances(files, tables)),
        "groups": grouped([file.instance for file in files], order),
    }


def _laterality(file: StackedFile) -> str | None:
    side: str | None = file.instance.told.get("laterality")
    return side


def _instances(
    files: Sequence[StackedFile], tables: dict[UUID, dict[str, Any] | None]
) -> Iterator[dict[str, Any]]:
    for row, instance in files:
        file_id = UUID(bytes=row["file_id"].bytes)
        reason = row["failure_reason"]
        told = {
            "file_id": str(file_id),
            "sop_instance_uid": row["sop_instance_uid"],
            "sop_class_uid": row["sop_class_uid"],
            "instance_number": instance.instance_number,
            "state": row["state"],
            "error": None if reason is None else {"code": reason, "detail": row["failure_detail"]},
            **instance.to_json(),
        }
        if instance.table is not None:
            told["voi_lut"] = tables.get(file_id)
        least, most = (None if row[name] is None else orjson.loads(row[name]) for name in ("least", "most"))
        told["range"] = instance.range_of(least, most)
        yield told
