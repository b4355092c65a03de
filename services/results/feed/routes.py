"""HTTP of the change feed: changes after a cursor, and live."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import TooManyRequests
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response, parse_query
from libs.common.http.openapi import Operation
from services.results.cursors import START, CursorExpired, FeedCursor, decode_position, encode_position
from services.results.feed import store
from services.results.feed.live import stream_events
from services.results.feed.models import ChangeEntry, ChangeList, ChangeQuery, EventQuery
from services.results.keys import DATABASE

LOOKS = 20
"""Pages without anything that is shared with the caller, before one is answered that goes on from there."""


async def list_changes(request: web.Request) -> web.Response:
    """Changes after a cursor, oldest first."""
    caller = viewer(request)
    query = parse_query(request, ChangeQuery)
    cursor = FeedCursor(START, None) if query.after is None else decode_position(query.after)
    async with request.app[DATABASE].connection() as connection:
        horizon = await store.read_horizon(connection)
        if query.after is not None:
            await store.require_resumable(connection, cursor, horizon)
        page = await store.read_page(connection, cursor.position, horizon, caller, query.limit)
        for _ in range(LOOKS):
            if page.changes or not page.more:
                break
            page = await store.read_page(connection, page.next, horizon, caller, query.limit)
    entries = [
        ChangeEntry.model_validate(
            {**change._asdict(), "cursor": encode_position(change.position, horizon.timeline)}
        )
        for change in page.changes
    ]
    return json_response(ChangeList(changes=entries, next=encode_position(page.next, horizon.timeline)))


OPERATIONS = (
    Operation(
        "GET",
        "/changes",
        list_changes,
        "Changes of results after a cursor",
        audited="refusals",
        tag="changes",
        query=ChangeQuery,
        response=ChangeList,
        problems=(CursorExpired,),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/events",
        stream_events,
        "Live changes as server-sent events",
        tag="changes",
        query=EventQuery,
        response_type="text/event-stream",
        problems=(TooManyRequests,),
        permission="view_dicomresult",
        by_link=True,
    ),
)
