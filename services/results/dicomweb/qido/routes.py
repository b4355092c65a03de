"""HTTP of QIDO-RS: searches for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import orjson
from aiohttp import web

from libs.common.errors import InvalidRequest, NotAcceptable
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import viewer
from libs.common.http.dicomweb import asked_collection, web_addresses
from libs.common.http.json import NO_STORE
from libs.common.http.openapi import Operation
from libs.dicom.web.matching import AttributeSearch, UidMatch, UnreadableQuery, WantedAttribute, parse_search
from libs.dicom.web.media_ranges import covers
from libs.dicom.web.multipart import RelatedWriter
from libs.dicom.web.native import native_document
from libs.dicom.web.searching import AttributePath, QueryLevel
from libs.dicom.web.transactions import DICOM_JSON, DICOM_XML
from services.results.dicomweb.answers import accepted, not_acceptable
from services.results.dicomweb.qido import store
from services.results.dicomweb.qido.answers import Element, MatchWriter
from services.results.dicomweb.qido.models import QUERIES, DicomMatches
from services.results.keys import DATABASE, READS, SETTINGS
from services.results.read.shared_store import note_use

_AS_XML = f'multipart/related; type="{DICOM_XML}"'
_PATHS: dict[QueryLevel, tuple[str, AttributePath]] = {
    "study": ("study_uid", ("0020000D",)),
    "series": ("series_uid", ("0020000E",)),
}
_CUT = (
    "The number of results exceeded the maximum supported by the server. Additional results can be requested."
)


async def search_studies(request: web.Request) -> web.Response:
    """Studies that the caller may see."""
    return await _search(request, "study")


async def search_series(request: web.Request) -> web.Response:
    """Series of all studies, or of one."""
    return await _search(request, "series")


async def search_instances(request: web.Request) -> web.Response:
    """Instances of all studies, of one, or of one series."""
    return await _search(request, "instance")


async def _search(request: web.Request, level: QueryLevel) -> web.Response:
    caller, collection, settings = viewer(request), asked_collection(request), request.app[SETTINGS]
    as_xml = _takes_xml(request)
    try:
        search = parse_search(request.query.items(), level)
    except UnreadableQuery as error:
        raise InvalidRequest(str(error)) from error
    within = _within(request)
    answer = MatchWriter(level, search, frozenset(within))
    most = settings.qido_matches if search.limit is None else min(search.limit, settings.qido_matches)
    asked = store.SearchAsked(
        level,
        (*search.wanted, *within.values()),
        collection,
        most + 1,
        search.offset,
        answer.header_tags,
        bounded=search.everything or bool(search.included),
    )
    if search.offset > settings.qido_offset:
        await _require_end(request, asked, settings.qido_offset)
        found = store.SearchPage([], whole=True)
    else:
        found = await request.app[READS](lambda connection: store.search(connection, caller, asked))
    rows = found.rows[:most]
    studies = list(dict.fromkeys(row["study_instance_uid"] for row in rows))
    speak_of(request, "study", collection=collection, studies=studies)
    if "study" in within and rows:
        await note_use(request.app[DATABASE], caller, rows[0]["collection"], studies[0])
    addresses = web_addresses(request, collection)

    def encode() -> tuple[str, bytes]:
        matches = [answer.of(dict(row), addresses) for row in rows]
        return _xml(matches) if as_xml else (DICOM_JSON, orjson.dumps(matches))

    # Many rows, or long ones, take longer than others should wait.
    content_type, body = await asyncio.to_thread(encode)
    response = web.Response(body=body, headers={**NO_STORE, "Content-Type": content_type, "Vary": "Accept"})
    if as_xml and not rows:
        response = web.Response(status=204, headers={**NO_STORE, "Vary": "Accept"})
    for warning in _warnings(level, search, found, cut=found.more or len(found.rows) > most):
        response.headers.add("Warning", f'299 {addresses.root}: "{warning}"')
    return response


def _takes_xml(request: web.Request) -> bool:
    """Whether XML is what the caller would rather have. Raises NotAcceptable."""
    for media in accepted(request):
        if media.takes(DICOM_JSON) or media.type == "application/json":
            return False
        if media.type == DICOM_XML or (media.takes("multipart/related") and covers(media.part, DICOM_XML)):
            return True
    raise not_acceptable(f"Searches are answered as {DICOM_JSON} or {_AS_XML}.")


def _xml(matches: Sequence[Mapping[str, Element]]) -> tuple[str, bytes]:
    """A part for each match (PS3.18 8.7.3.2)."""
    writer = RelatedWriter(DICOM_XML)
    parts = [writer.begin(DICOM_XML) + native_document(match) for match in matches]
    return writer.content_type, b"".join((*parts, writer.end()))


def _within(request: web.Request) -> dict[QueryLevel, WantedAttribute]:
    """What the path names, by level."""
    found: dict[QueryLevel, WantedAttribute] = {}
    for level, (name, path) in _PATHS.items():
        if (uid := request.match_info.get(name)) is not None:
            found[level] = WantedAttribute(path, UidMatch((uid,)))
    return found


async def _require_end(request: web.Request, asked: store.SearchAsked, most: int) -> None:
    """Nothing lies that far. Raises InvalidRequest where something may."""
    caller, last = viewer(request), asked._replace(limit=1, offset=most, tags=())
    found = await request.app[READS](lambda connection: store.search(connection, caller, last))
    if found.rows:
        raise InvalidRequest(
            f"offset goes as far as {most} here, and there is more: search for less at once, e.g. by "
            "StudyDate."
        )


def _warnings(level: QueryLevel, search: AttributeSearch, found: store.SearchPage, *, cut: bool) -> list[str]:
    told = [_CUT] if cut else []
    if not found.whole:
        told.append(
            f"Only the latest {store.LOOKED_MOST[level]} of a collection were compared. Narrow the search by "
            "StudyDate, PatientID, AccessionNumber or a UID."
        )
    if search.ignored:
        told.append(f"These parameters are not supported and were ignored: {', '.join(search.ignored)}")
    return told


def _operation(path: str, level: QueryLevel, summary: str, operation_id: str = "") -> Operation:
    handler = {"study": search_studies, "series": search_series, "instance": search_instances}[level]
    return Operation(
        "GET",
        path,
        handler,
        summary,
        tag="dicomweb",
        query=QUERIES[level],
        response=DicomMatches,
        response_type=DICOM_JSON,
        other_types=(_AS_XML,),
        problems=(NotAcceptable,),
        head=True,
        operation_id=operation_id,
        permission="view_dicomresult",
    )


OPERATIONS = (
    _operation("/studies", "study", "Search for studies (QIDO-RS)"),
    _operation("/series", "series", "Search for series (QIDO-RS)"),
    _operation("/instances", "instance", "Search for instances (QIDO-RS)"),
    _operation(
        "/studies/{study_uid}/series", "series", "Search for series of a study", "search_study_series"
    ),
    _operation(
        "/studies/{study_uid}/instances",
        "instance",
        "Search for instances of a study",
        "search_study_instances",
    ),
    _operation(
        "/studies/{study_uid}/series/{series_uid}/instances",
        "instance",
        "Search for instances of a series",
        "search_series_instances",
    ),
)
