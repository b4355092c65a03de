"""HTTP of links for who makes them: make, list, take back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from aiohttp import web

from libs.common.audit.acts import note_done
from libs.common.errors import (
    Conflict,
    NotFound,
    TooLarge,
    UnsupportedType,
)
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import BASE_URL, viewer
from libs.common.http.json import json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from libs.common.http.prefixes import LINK_PAGES
from libs.common.ids import new_uuid
from services.results.cursors import decode_share, encode_share
from services.results.keys import DATABASE, LINKS, METRICS, SETTINGS
from services.results.links import store
from services.results.links.models import (
    LinkEntry,
    LinkList,
    LinkQuery,
    LinkRequest,
    NewLink,
)
from services.results.links.secrets import hash_of, new_token
from services.results.sharing import giving, lists_store
from services.results.sharing.store import Terms

log = logging.getLogger(__name__)


async def create_link(request: web.Request) -> web.Response:
    """Make a link to a file, a study or a series; its token is told here and nowhere else."""
    caller, body = viewer(request), await read_body(request, LinkRequest)
    settings, link_id, token = request.app[SETTINGS], new_uuid(), new_token()
    # Else a key with nothing but the permission to share would read by the link that it makes.
    caller.require("view_dicomresult")
    if body.download:
        caller.require("view_dicomfile")
    until = body.end(datetime.now(UTC), settings.link_max_days)
    password = None
    if body.password is not None:
        password = await request.app[LINKS].passwords.hash(body.password.get_secret_value())
    limits = giving.ShareLimits.of(settings)
    terms = Terms(f"{store.WHOM}{link_id}", "view", until, body.reason)
    chosen = body.expires_at is not None or body.seconds is not None
    async with request.app[DATABASE].transaction() as connection:
        subject = await giving.find(connection, caller, body)
        share, _ = await giving.give(connection, caller, subject, terms, limits, shorten=not chosen)
        await store.insert(connection, link_id, share["id"], hash_of(token), password, download=body.download)
        [made] = await store.with_facts(connection, caller, [share])
        await note_done(connection, "link", link_id, **giving.what_is_given(share))
    request.app[METRICS].shares_given.inc()
    log.info("link %s: user %d makes it", link_id, caller.user_id)
    url = f"{request.app[BASE_URL]}{LINK_PAGES}{token}"
    return json_response(NewLink.model_validate({**made, "token": token, "url": url}), status=201)


async def list_links(request: web.Request) -> web.Response:
    """Those one has made, all of something that one manages, or everybody's."""
    caller, query = viewer(request), parse_query(request, LinkQuery)
    before = None if query.cursor is None else decode_share(query.cursor)
    more = query.limit + 1
    if query.all:
        caller.require("view_entry")
    async with request.app[DATABASE].connection() as connection:
        if query.all:
            rows = await lists_store.list_all(connection, before, more, store.WHOM)
        elif query.names_item:
            subject = await giving.find(connection, caller, query)
            await giving.require_managed(connection, caller, subject)
            rows = await lists_store.list_of(connection, subject, before, more, store.WHOM)
        else:
            rows = await lists_store.list_by(connection, caller.user_id, before, more, store.WHOM)
        page = rows[: query.limit]
        links = await store.with_facts(connection, caller, page)
    cursor = encode_share(page[-1]["id"]) if len(rows) > query.limit else None
    speak_of(request, "link", studies=[share["study_instance_uid"] for share in page])
    return json_response(
        LinkList(links=[LinkEntry.model_validate(link) for link in links], next_cursor=cursor)
    )


async def delete_link(request: web.Request) -> web.Response:
    """Take a link back: who opened it sees nothing more."""
    caller = viewer(request)
    link_id = path_uuid(request, "link_id", _no_link())
    async with request.app[DATABASE].transaction() as connection:
        share_id = await store.share_of(connection, link_id)
        if share_id is None:
            raise _no_link()
        try:
            ended = await giving.take_back(connection, caller, share_id)
        except NotFound:
            raise _no_link() from None
        await note_done(connection, "link", link_id, ended=ended)
    request.app[METRICS].shares_ended.labels("taken-back").inc(ended)
    log.info("link %s: user %d ends it", link_id, caller.user_id)
    return web.Response(status=204)


def _no_link() -> NotFound:
    return NotFound("You have no link with this id.")


OPERATIONS = (
    Operation(
        "POST",
        "/links",
        create_link,
        "Make a link for people without an account",
        tag="links",
        body=LinkRequest,
        response=NewLink,
        status=201,
        problems=(NotFound, Conflict, TooLarge, UnsupportedType),
        permission="share_dicomfile",
    ),
    Operation(
        "GET",
        "/links",
        list_links,
        "Links that one has made, or manages; everybody's",
        tag="links",
        query=LinkQuery,
        response=LinkList,
        problems=(NotFound,),
        permission="view_link",
    ),
    Operation(
        "DELETE",
        "/links/{link_id}",
        delete_link,
        "Take a link back",
        tag="links",
        status=204,
        problems=(NotFound,),
        permission="delete_link",
    ),
)
