"""Every request leaves its audit entry: acts write theirs in their own transaction, all else is noted here.

What a handler reads or is refused goes into a buffer that is written within a second, so that readers do not
wait for it; with AUDIT_STRICT_READS it is written before the answer begins.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Literal, NamedTuple
from uuid import UUID

from aiohttp import web

from libs.common.audit.acts import Act, acting, entry_of
from libs.common.audit.entries import Ending
from libs.common.audit.trail import AuditTrail
from libs.common.errors import DicomSystemError, Unavailable
from libs.common.http.client import address_of
from libs.common.http.cross_origin import SAFE_METHODS
from libs.common.http.problems import RequestHandler, problem_of

Audited = Literal["always", "together", "visit", "refusals", "never"]
"""Which requests of an operation leave an entry: `refusals` are those that are answered 4xx or 5xx.

What one caller got `together` within a moment, as the pictures of a list, is one entry; so is a `visit`, as
handlers say by `visiting`.
"""


class AuditRule(NamedTuple):
    """How the requests of one operation are noted."""

    service: str
    action: str
    """Its operationId."""
    audited: Audited


ACT = web.RequestKey("act", Act)
_NUMBER = re.compile(r"[0-9]{1,19}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_UID = re.compile(r"[0-9.]{1,64}")


def speak_of(
    request: web.Request,
    object_type: str,
    *objects: object,
    collection: str | None = None,
    studies: Iterable[str | None] = (),
    **details: Any,
) -> None:
    """Say which objects a request is about, as far as its path does not."""
    act = request[ACT]
    act.object_type = object_type
    act.objects += map(str, objects)
    act.collection = collection or act.collection
    act.studies += [study for study in studies if study is not None]
    act.details.update(details)


def visiting(request: web.Request, *visits: Hashable) -> None:
    """Say what a request is a look at, the narrowest first.

    It leaves an entry, for the first of them, unless this caller has left one for any of them lately.
    """
    act = request[ACT]
    act.visit = tuple((act.actor, act.acting_as, visit) for visit in visits)


async def note_part(request: web.Request, ending: Ending, *objects: object, **details: Any) -> None:
    """Note a part of a request that ended otherwise than the rest. Raises Unavailable."""
    act = request[ACT]
    trail = request.app[AUDIT_TRAILS].get(act.service)
    if trail is not None:
        told = {**act.details, **details}
        await trail.add(replace(entry_of(act, ending), objects=tuple(map(str, objects)), details=told))


async def note_ahead(request: web.Request, object_type: str, *objects: object, **details: Any) -> None:
    """Note an act that no transaction of ours can hold, before it is done. Raises Unavailable.

    What it comes to is told by a second entry only where it fails.
    """
    speak_of(request, object_type, *objects, **details)
    act = request[ACT]
    trail = request.app[AUDIT_TRAILS].get(act.service)
    if trail is not None:
        await trail.add(entry_of(act, "success"), at_once=True)
        act.noted = True


async def note_refusal(request: web.Request, error: DicomSystemError) -> None:
    """Note a request that is refused by leading the browser elsewhere. Raises Unavailable."""
    act = request[ACT]
    act.answered = True
    trail = request.app[AUDIT_TRAILS].get(act.service)
    if trail is not None:
        details = {**act.details, "problem": error.code}
        await trail.add(replace(entry_of(act, ending_of(error.status), error.status), details=details))


def ending_of(status: int) -> Ending:
    """What an HTTP status says of how an act ended."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "error"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "success"


AUDIT_TRAILS = web.AppKey("audit_trails", dict[str, AuditTrail])
"""By service; one that gives out nothing that is anybody's has none."""
AUDIT_RULES = web.AppKey("audit_rules", dict[RequestHandler, AuditRule])


@web.middleware
async def audited(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Note the request before its answer begins, unless the act has noted itself."""
    rule = request.app[AUDIT_RULES].get(request.match_info.handler)
    if rule is None or rule.audited == "never":
        return await handler(request)
    act = request[ACT] = Act(
        service=rule.service, action=rule.action, address=address_of(request), route=route_of(request)
    )
    for name, value in request.match_info.items():
        if name == "study_uid":
            act.object_type, act.studies = "study", [value] if _UID.fullmatch(value) else []
        elif name == "id" or name.endswith("_id"):
            act.object_type, act.objects = name.removesuffix("_id"), written_id(value)
    redirection: web.HTTPException | None = None
    with acting(act):
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = redirection = error
    if not response.prepared:
        try:
            await _note(request, rule, response.status)
        except Unavailable as error:
            return problem_of(error)
    if redirection is not None:
        raise redirection
    return response


async def note_streamed(request: web.Request, response: web.StreamResponse) -> None:
    """Before the headers of an answer that its handler sends itself. Raises Unavailable."""
    rule = request.app[AUDIT_RULES].get(request.match_info.handler)
    if rule is not None and ACT in request:
        await _note(request, rule, response.status)


async def _note(request: web.Request, rule: AuditRule, status: int) -> None:
    act, trail = request[ACT], request.app[AUDIT_TRAILS].get(rule.service)
    ending = ending_of(status)
    if act.answered or trail is None:
        return
    act.answered = True
    if ending == "success" and (act.noted or rule.audited == "refusals"):
        return
    if ending == "success" and trail.visits.any_of(act.visit):
        return
    joins = rule.audited == "together" and ending == "success"
    # What changes something and is written by no transaction is not told before it is noted.
    changes = ending == "success" and request.method not in SAFE_METHODS
    await trail.add(replace(entry_of(act, ending, status), joins=joins), at_once=changes)
    if ending == "success" and act.visit:
        trail.visits.begin(act.visit[0])


def identify(request: web.Request, actor: str, acting_as: str | None) -> None:
    """Say who a request comes from."""
    if ACT in request:
        request[ACT].actor, request[ACT].acting_as = actor, acting_as


def written_id(text: str) -> list[str]:
    """A number or a UUID of a path in the one form that the log is searched by; nothing for anything else.

    Whoever asks writes into the path what they like: a name, for one.
    """
    if _NUMBER.fullmatch(text):
        return [str(int(text))]
    return [str(UUID(text))] if _UUID.fullmatch(text) else []


def route_of(request: web.Request) -> str:
    """Method and path with its variables unnamed: `GET /api/results/{file_id}`."""
    resource = request.match_info.route.resource
    return f"{request.method} {'unmatched' if resource is None else resource.canonical}"
