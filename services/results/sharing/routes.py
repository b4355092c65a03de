"""HTTP of sharing: give, list, take back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import asyncpg
from aiohttp import web

from libs.common.audit.acts import note_done
from libs.common.errors import Conflict, InvalidRequest, NotFound, TooLarge, UnsupportedType
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from services.results.cursors import decode_share, encode_share
from services.results.keys import DATABASE, METRICS, SETTINGS
from services.results.sharing import giving, lists_store, store
from services.results.sharing.models import ShareEntry, ShareList, ShareQuery, ShareRequest
from services.results.sharing.things_store import things_of

log = logging.getLogger(__name__)


async def create_share(request: web.Request) -> web.Response:
    """Share a file, a study or a series; the same again changes mode, end and reason."""
    caller, body = viewer(request), await read_body(request, ShareRequest)
    # Else a key with nothing but this permission would read by way of whom it shares with.
    caller.require("view_dicomresult")
    settings, metrics = request.app[SETTINGS], request.app[METRICS]
    terms = store.Terms(body.grantee.name, body.mode, body.until, body.reason)
    if terms.grantee == f"user:{caller.user_id}":
        raise InvalidRequest("This is your own account: share with somebody else.")
    if terms.until is not None and terms.until <= datetime.now(UTC):
        raise InvalidRequest("The end is over already: `until` must be in the future.")
    limits = giving.ShareLimits.of(settings)
    async with request.app[DATABASE].transaction() as connection:
        subject = await giving.find(connection, caller, body)
        row, made = await giving.give(connection, caller, subject, terms, limits)
        [thing] = await things_of(connection, caller, [row])
        await note_done(connection, "share", row["id"], **giving.what_is_given(row))
    if made:
        metrics.shares_given.inc()
    log.info("share %s: user %d shares with %s", row["id"], caller.user_id, terms.grantee)
    return json_response(entry_of(row, thing))


async def list_shares(request: web.Request) -> web.Response:
    """Those one has made, those with oneself, those of something that one manages, or everybody's."""
    caller, query = viewer(request), parse_query(request, ShareQuery)
    before = None if query.cursor is None else decode_share(query.cursor)
    more = query.limit + 1
    if query.all:
        caller.require("view_entry")
    async with request.app[DATABASE].connection() as connection:
        if query.all:
            rows = await lists_store.list_all(connection, before, more)
        elif query.by:
            rows = await lists_store.list_by(connection, caller.user_id, before, more)
        elif query.with_:
            rows = await lists_store.list_with(connection, caller.grantees, before, more)
        else:
            subject = await giving.find(connection, caller, query)
            await giving.require_managed(connection, caller, subject)
            rows = await lists_store.list_of(connection, subject, before, more)
        page = rows[: query.limit]
        things = await things_of(connection, caller, page)
    cursor = encode_share(page[-1]["id"]) if len(rows) > query.limit else None
    speak_of(request, "share", studies=[share["study_instance_uid"] for share in page])
    return json_response(ShareList(shares=list(map(entry_of, page, things)), next_cursor=cursor))


async def delete_share(request: web.Request) -> web.Response:
    """Take a share back, or drop what is shared with oneself; what was given under it ends with it."""
    caller = viewer(request)
    share_id = path_uuid(request, "share_id", NotFound("You have no share with this id."))
    async with request.app[DATABASE].transaction() as connection:
        ended = await giving.take_back(connection, caller, share_id)
        await note_done(connection, "share", share_id, ended=ended)
    request.app[METRICS].shares_ended.labels("taken-back").inc(ended)
    log.info("share %s: user %d ends it", share_id, caller.user_id)
    return web.Response(status=204)


def entry_of(row: asyncpg.Record, thing: asyncpg.Record | None) -> ShareEntry:
    """A row, and what it is of, as they are answered."""
    values: dict[str, Any] = dict(row)
    whom, _, name = values["grantee"].partition(":")
    return ShareEntry.model_validate(
        {**values, "grantee": {whom: name}, "thing": None if thing is None else dict(thing)}
    )


OPERATIONS = (
    Operation(
        "POST",
        "/shares",
        create_share,
        "Share a file, a study or a series",
        tag="shares",
        body=ShareRequest,
        response=ShareEntry,
        problems=(NotFound, Conflict, TooLarge, UnsupportedType),
        permission="share_dicomfile",
    ),
    Operation(
        "GET",
        "/shares",
        list_shares,
        "Shares that one has made, has, or manages; everybody's",
        tag="shares",
        query=ShareQuery,
        response=ShareList,
        problems=(NotFound,),
        permission="view_share",
    ),
    Operation(
        "DELETE",
        "/shares/{share_id}",
        delete_share,
        "Take a share back, or drop it",
        tag="shares",
        status=204,
        problems=(NotFound,),
        permission="delete_share",
    ),
)
