"""HTTP of jobs: make, list, look at, cancel, resume, raise."""

from __future__ import annotations

import logging

from aiohttp import web

from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection
from libs.common.errors import Conflict, NotFound, TooLarge, UnsupportedType
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from libs.common.ids import new_uuid
from services.results.cursors import decode_job, encode_job
from services.results.jobs import store
from services.results.jobs.models import Job, JobList, JobQuery, JobRequest
from services.results.keys import DATABASE, JOBS, SETTINGS

log = logging.getLogger(__name__)

_REFUSALS = {
    "cancel": "Only a running job can be cancelled.",
    "resume": "Only a cancelled job can be resumed.",
    "raise": "Only a running job can be raised.",
}


async def create_job(request: web.Request) -> web.Response:
    """Have many files measured again."""
    caller, body = viewer(request), await read_body(request, JobRequest)
    caller.require("reprocess_dicomresult")
    async with request.app[DATABASE].transaction() as connection:
        job = await store.insert(connection, new_uuid(), body.where, caller.user_id)
        await _require_room(connection, request.app[SETTINGS].jobs_running)
        await note_done(connection, "job", job.id)
    request.app[JOBS].wake()
    log.info("job %s: user %d has files measured again", job.id, caller.user_id)
    return json_response(job, status=201)


async def list_jobs(request: web.Request) -> web.Response:
    """All jobs, newest first."""
    query = parse_query(request, JobQuery)
    before = None if query.cursor is None else decode_job(query.cursor)
    async with request.app[DATABASE].connection() as connection:
        found = await store.list_jobs(connection, before, query.state, query.limit + 1)
    page = found[: query.limit]
    cursor = encode_job(page[-1].id) if len(found) > query.limit else None
    return json_response(JobList(jobs=page, next_cursor=cursor))


async def get_job(request: web.Request) -> web.Response:
    """One job."""
    async with request.app[DATABASE].connection() as connection:
        job = await store.get(connection, path_uuid(request, "job_id", _unknown()))
    if job is None:
        raise _unknown()
    return json_response(job)


async def cancel_job(request: web.Request) -> web.Response:
    """Ask for no more files; what is under way ends."""
    return await _change(request, "cancel")


async def resume_job(request: web.Request) -> web.Response:
    """Go on where a cancelled job was."""
    return await _change(request, "resume")


async def raise_job(request: web.Request) -> web.Response:
    """Put a job before all others."""
    return await _change(request, "raise")


async def _change(request: web.Request, how: str) -> web.Response:
    job_id = path_uuid(request, "job_id", _unknown())
    async with request.app[DATABASE].transaction() as connection:
        job = await store.change(connection, job_id, how)
        known = job is not None or await store.get(connection, job_id) is not None
        if job is not None and how == "resume":
            await _require_room(connection, request.app[SETTINGS].jobs_running)
        if job is not None:
            await note_done(connection, "job", job_id)
    if not known:
        raise _unknown()
    if job is None:
        raise Conflict(_REFUSALS[how])
    request.app[JOBS].wake()
    log.info("job %s: user %d says %s", job_id, viewer(request).user_id, how)
    return json_response(job)


async def _require_room(connection: Connection, most: int) -> None:
    """Raises Conflict, which undoes what the transaction did, when more jobs run than may."""
    if await store.count_running(connection) > most:
        raise Conflict(f"{most} jobs run already (JOBS_RUNNING): wait for one, or cancel it.")


def _unknown() -> NotFound:
    return NotFound("There is no job with this id.")


OPERATIONS = (
    Operation(
        "GET",
        "/processing/jobs",
        list_jobs,
        "List jobs",
        audited="refusals",
        tag="processing",
        query=JobQuery,
        response=JobList,
        permission="view_job",
    ),
    Operation(
        "POST",
        "/processing/jobs",
        create_job,
        "Have many files measured again; takes `reprocess_dicomresult` as well",
        tag="processing",
        body=JobRequest,
        response=Job,
        status=201,
        problems=(Conflict, TooLarge, UnsupportedType),
        permission="add_job",
    ),
    Operation(
        "GET",
        "/processing/jobs/{job_id}",
        get_job,
        "One job",
        audited="refusals",
        tag="processing",
        response=Job,
        problems=(NotFound,),
        permission="view_job",
    ),
    *(
        Operation(
            "POST",
            f"/processing/jobs/{{job_id}}/{how}",
            handler,
            summary,
            tag="processing",
            response=Job,
            problems=(NotFound, Conflict),
            permission="change_job",
        )
        for how, handler, summary in (
            ("cancel", cancel_job, "Ask for no more files of a job"),
            ("resume", resume_job, "Go on with a cancelled job"),
            ("raise", raise_job, "Put a job before all others"),
        )
    ),
)
