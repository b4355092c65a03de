"""HTTP of actions: what somebody has done with many of their files, as a job of their own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from aiohttp import web

from libs.common.access import Viewer
from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection
from libs.common.errors import Conflict, NotFound, TooLarge, UnsupportedType
from libs.common.events import FileRequested
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from libs.common.ids import new_uuid
from services.results.jobs import store
from services.results.jobs.models import (
    Action,
    ActionFilter,
    ActionName,
    ActionQuery,
    ActionRequest,
    Job,
    LeftOut,
)
from services.results.keys import DATABASE, JOBS, METRICS, REQUESTS
from services.results.processing.access_store import find_all_seen
from services.results.processing.requests import Asker, ask
from services.results.write.store import lock_files

log = logging.getLogger(__name__)

RUNNING_MOST = 3
"""Actions of one account that may be under way at once."""


async def begin_action(request: web.Request) -> web.Response:
    """Do something with many files."""
    caller, body = viewer(request), await read_body(request, ActionRequest)
    if body.action == "reprocess":
        caller.require("reprocess_dicomresult")
    left_out, asked = None, list[FileRequested]()
    async with request.app[DATABASE].transaction() as connection:
        if await store.count_actions(connection, caller.user_id) >= RUNNING_MOST:
            raise Conflict(f"{RUNNING_MOST} actions of yours run already: wait for one.")
        if body.ids is not None:
            named = list(dict.fromkeys(body.ids))
            job, left_out, asked = await _ask_for(connection, caller, body.action, named)
        else:
            where = _filter_of(caller, body.where or ActionQuery())
            job = await store.insert(connection, new_uuid(), where, caller.user_id)
        await note_done(connection, "job", job.id, *(body.ids or ()))
    for one in asked:
        request.app[METRICS].requests.labels(one.reason).inc()
    if asked:
        request.app[REQUESTS].wake()
    request.app[JOBS].wake()
    log.info("job %s: user %d has files measured again", job.id, caller.user_id)
    return json_response(_shown(job, left_out), status=202)


async def get_action(request: web.Request) -> web.Response:
    """How far an action of one's own has come."""
    caller = viewer(request)
    async with request.app[DATABASE].connection() as connection:
        job = await store.get_action(connection, path_uuid(request, "job_id", _unknown()), caller.user_id)
    if job is None:
        raise _unknown()
    return json_response(_shown(job, None))


async def _ask_for(
    connection: Connection, caller: Viewer, action: ActionName, file_ids: Sequence[UUID]
) -> tuple[Job, LeftOut, list[FileRequested]]:
    """Ask for all of these that fit and that `caller` manages, within a transaction."""
    # Before they are looked at: nobody else asks for them, or answers, until this ends.
    await lock_files(connection, file_ids)
    seen = await find_all_seen(connection, file_ids, caller)
    managed = [file_id for file_id, found in seen.items() if found.managed]
    states = ("failed", "processed") if action == "reprocess" else ("failed",)
    fitting = [file_id for file_id in managed if seen[file_id].state in states]
    wanted = ActionFilter(action=action, files=len(file_ids))
    job = await store.insert(connection, new_uuid(), wanted, caller.user_id)
    asked = await ask(connection, fitting, Asker(caller.user_id, "normal", job.id)) if fitting else []
    left_out = LeftOut(
        unknown=len(file_ids) - len(seen),
        not_managed=len(seen) - len(managed),
        not_failed=len(managed) - len(asked),
    )
    return await store.note_all_asked(connection, job.id, len(asked)), left_out, asked


def _filter_of(caller: Viewer, where: ActionQuery) -> ActionFilter:
    """What of `where` the caller may change: what lies in collections that they manage."""
    everywhere = caller.sees_all and caller.may("manage_all_dicomresult")
    managed = tuple(sorted(name for name in caller.collections if caller.may_manage(name)))
    told = where.model_dump(exclude={"device", "from_", "to"})
    return ActionFilter(
        action="retry",
        collections=None if everywhere else managed,
        part_of_device=where.device,
        **{name: at.isoformat() for name, at in (("from", where.from_), ("to", where.to)) if at is not None},
        **told,
    )


def _shown(job: Job, left_out: LeftOut | None) -> Action:
    values = job.model_dump(include=Action.model_fields.keys() - {"action", "left_out"})
    return Action(action=job.where["action"], left_out=left_out, **values)


def _unknown() -> NotFound:
    return NotFound("You have no action with this id.")


OPERATIONS = (
    Operation(
        "POST",
        "/results/actions",
        begin_action,
        "Have many files measured again: those named, or failed ones that a query finds",
        tag="processing",
        body=ActionRequest,
        response=Action,
        status=202,
        problems=(Conflict, TooLarge, UnsupportedType),
        permission="retry_dicomfile",
    ),
    Operation(
        "GET",
        "/results/actions/{job_id}",
        get_action,
        "How far an action of one's own has come",
        audited="refusals",
        tag="processing",
        response=Action,
        problems=(NotFound,),
        permission="retry_dicomfile",
    ),
)
