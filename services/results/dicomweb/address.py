"""What a DICOMweb address names: a study, a series or an instance, in one collection that the caller sees."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from uuid import UUID

import asyncpg
from aiohttp import web

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.common.errors import NotFound
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import viewer
from libs.common.http.dicomweb import WebAddresses, asked_collection, web_addresses
from services.results.dicomweb import store
from services.results.dicomweb.store import Addressed
from services.results.keys import DATABASE, READS
from services.results.read.shared_store import note_use
from services.results.studies.finding import find

PLACE_SECONDS = 2.0
_MOST_PLACES = 1024
_UID = re.compile(r"[!-~]{1,64}")


def addresses_of(request: web.Request) -> WebAddresses:
    """URLs that lead back to what answers this request: to its collection where it names one."""
    return web_addresses(request, asked_collection(request))


class StudyPlaces:
    """In which collection a caller's address by UID was found a moment ago.

    Viewers ask for thousands of frames of one study. What may be seen is asked for each of them all the
    same; only whether the study lies in a collection that goes before is not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()

    def get(self, asked: Hashable) -> str | None:
        """The collection, if it is remembered."""
        found = self._found.get(asked)
        return None if found is None or found[0] < self._clock() else found[1]

    def put(self, asked: Hashable, collection: str) -> None:
        """Remember it for PLACE_SECONDS."""
        self._found[asked] = self._clock() + PLACE_SECONDS, collection
        self._found.move_to_end(asked)
        if len(self._found) > _MOST_PLACES:
            self._found.popitem(last=False)


PLACES = web.AppKey("dicomweb_places", StudyPlaces)


async def find_target(request: web.Request) -> Addressed:
    """What the path names. Raises NotFound where the caller sees no such study."""
    caller, asked = viewer(request), asked_collection(request)
    study, series, instance = _uids(request)

    async def read(connection: Connection) -> str:
        (found, *_) = await find(connection, caller, study, asked)
        return str(found["collection"])

    place = await request.app[READS](read)
    request.app[PLACES].put(_question(caller, study, asked), place)
    return Addressed(caller, place, study, series, instance)


async def find_instance(request: web.Request) -> tuple[Addressed, asyncpg.Record]:
    """The one instance that the path names, noted as opened. Raises NotFound."""
    caller, asked = viewer(request), asked_collection(request)
    study, series, instance = _uids(request)
    remembered = request.app[PLACES].get(_question(caller, study, asked))
    row = None
    if remembered is not None:
        target = Addressed(caller, remembered, study, series, instance)
        row = await _first(request, target)
    if row is None:
        target = await find_target(request)
        row = await _first(request, target)
    if row is None:
        raise nothing()
    await note_opened(request, target, row["file_id"])
    return target, row


async def _first(request: web.Request, target: Addressed) -> asyncpg.Record | None:
    rows = await request.app[READS](lambda connection: store.page(connection, target, None, 1))
    return rows[0] if rows else None


def _uids(request: web.Request) -> tuple[str, str | None, str | None]:
    """Study, series and instance of the path. Raises NotFound for what is no UID."""
    uids = [request.match_info.get(f"{name}_uid") for name in ("study", "series", "instance")]
    if not all(uid is None or _UID.fullmatch(uid) for uid in uids):
        raise nothing()
    return uids[0] or "", uids[1], uids[2]


def _question(caller: Viewer, study: str, asked: str | None) -> Hashable:
    visible = caller.visible
    return caller.user_id, None if visible is None else tuple(visible), caller.grantees, study, asked


async def note_opened(request: web.Request, target: Addressed, file_id: UUID | None = None) -> None:
    """Tell the audit log what is opened, and those who shared it that it is used."""
    studies = [target.study]
    if file_id is None:
        told = {} if target.series is None else {"series": target.series}
        speak_of(request, "study", collection=target.collection, studies=studies, **told)
    else:
        speak_of(request, "file", file_id, collection=target.collection, studies=studies)
    primary = request.app[DATABASE]
    await note_use(primary, target.caller, target.collection, target.study, file_id, target.series)


def nothing() -> NotFound:
    """The same answer for what is unknown and for what the caller may not see."""
    return NotFound("You have no study, series or instance with these UIDs.")
