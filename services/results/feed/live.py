"""GET /api/events: server-sent events (HTML Living Standard 9.2) of what the caller may see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson
from aiohttp import web

from libs.common.access import Viewer
from libs.common.errors import Unavailable
from libs.common.http.authenticate import LEASE, OWNER, viewer
from libs.common.http.json import parse_query
from libs.common.keys import DRAINING
from services.results.cursors import CursorExpired, FeedCursor, Position, decode_position, encode_position
from services.results.feed import store as changes
from services.results.feed.followers import Inbox, SharesChanged
from services.results.feed.models import EventQuery
from services.results.feed.reader import Feed
from services.results.feed.store import Change, Horizon
from services.results.keys import DATABASE, FEED, SETTINGS, STREAMS

log = logging.getLogger(__name__)

WRITE_TIMEOUT = 10.0
"""Seconds that a client may take nothing from its socket before it is cut."""
RECONNECT_MILLISECONDS = 2000
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


async def stream_events(request: web.Request) -> web.StreamResponse:
    """Stream changes until the token ends or is revoked, the client leaves or lags, or the service stops."""
    with request.app[STREAMS].hold(request[OWNER]):
        return await _stream(request)


async def _stream(request: web.Request) -> web.StreamResponse:
    caller, lease, feed = viewer(request), request[LEASE], request.app[FEED]
    query = parse_query(request, EventQuery)
    cursor = request.headers.get("Last-Event-ID") or query.after
    after = None if cursor is None else decode_position(cursor)
    async with feed.join(caller, again=after is not None) as (inbox, now):
        expired = after is not None and await _is_expired(request, after, now)
        resumed = now.position if after is None or expired else after.position
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        heartbeat = request.app[SETTINGS].events_heartbeat_seconds
        stream = Stream(response, feed, caller, heartbeat=heartbeat, timeline=now.timeline)
        draining = asyncio.create_task(request.app[DRAINING].wait())
        draining.add_done_callback(lambda _: inbox.end())
        revoked = asyncio.ensure_future(lease.ended())
        revoked.add_done_callback(lambda _: inbox.end())
        try:
            async with asyncio.timeout((lease.expires_at - datetime.now(UTC)).total_seconds()):
                await stream.begin(resumed, restarted=expired)
                await stream.follow(inbox, resumed)
        except TimeoutError:
            # The token is at its end, or the client takes nothing: a polite end would wait for it as well.
            if request.transport is not None and stream.stuck:
                request.transport.abort()
        except Unavailable as error:
            # The headers are out: end here, the client comes back with its cursor.
            log.warning("a live stream ends: %s", error.detail)
        finally:
            draining.cancel()
            revoked.cancel()
    return response


async def _is_expired(request: web.Request, after: FeedCursor, now: Horizon) -> bool:
    async with request.app[DATABASE].connection() as connection:
        try:
            await changes.require_resumable(connection, after, now)
        except CursorExpired:
            return True
    return False


class Stream:
    """One client's stream: what it has been sent, and how."""

    def __init__(
        self, response: web.StreamResponse, feed: Feed, viewer: Viewer, *, heartbeat: float, timeline: int
    ) -> None:
        """`heartbeat` in seconds; `timeline` is what all of its positions are of."""
        self.stuck = False
        self._response = response
        self._feed = feed
        self._viewer = viewer
        self._heartbeat = heartbeat
        self._timeline = timeline

    async def begin(self, position: Position, *, restarted: bool) -> None:
        """Tell the client where it stands; `restarted`: changes may be missing, its list is stale."""
        text = f"retry: {RECONNECT_MILLISECONDS}\n{self._mark(position)}"
        if restarted:
            text += f"event: restart\n{self._mark(position, data='{}')}"
        await self._write(text)

    async def follow(self, inbox: Inbox, after: Position) -> None:
        """Send what was before the inbox, then what comes through it, until it ends."""
        async for page, position in self._feed.catch_up(after, self._viewer, self._timeline):
            await self._send(page)
            after = position
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):
                    taken = await inbox.take()
            except TimeoutError:
                if inbox.waiting:
                    continue  # offered between the timer and this line
                # Nothing waits, so all up to the feed's position was sent: an idle client's cursor moves on.
                after = max(after, self._feed.position or after)
                await self._write(f": still here\n{self._mark(after)}")
                continue
            if taken is None:
                return
            changes = [told for told in taken if isinstance(told, Change) and told.position > after]
            notices = [told for told in taken if isinstance(told, SharesChanged)]
            await self._send(changes, notices)
            after = changes[-1].position if changes else after

    async def _send(self, found: Iterable[Change], notices: Iterable[SharesChanged] = ()) -> None:
        if text := "".join([*map(self._event, found), *map(_notice, notices)]):
            await self._write(text)

    def _mark(self, position: Position, data: str | None = None) -> str:
        """An id; without data it moves the client's Last-Event-ID and fires nothing."""
        told = "\n" if data is None else f"data: {data}\n\n"
        return f"id: {encode_position(position, self._timeline)}\n{told}"

    def _event(self, change: Change) -> str:
        told = {**change._asdict(), "file_id": str(change.file_id)}
        del told["position"]
        data = orjson.dumps(told, option=orjson.OPT_UTC_Z).decode()
        return f"event: change\n{self._mark(change.position, data)}"

    async def _write(self, text: str) -> None:
        self.stuck = True
        async with asyncio.timeout(WRITE_TIMEOUT):
            await self._response.write(text.encode())
        self.stuck = False


def _notice(told: SharesChanged) -> str:
    """Without an id: it has no place among the changes."""
    return f"event: shares\ndata: {orjson.dumps(told._asdict()).decode()}\n\n"
