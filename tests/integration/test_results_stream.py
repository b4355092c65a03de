"""One live stream where catching up and news meet: each change once, whichever way it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import MappingProxyType
from typing import cast
from uuid import UUID

import pytest
from aiohttp import web

from libs.common.access import Viewer
from libs.common.permissions import ALL
from services.results.cursors import START
from services.results.feed.followers import Inbox
from services.results.feed.live import Stream
from services.results.feed.reader import Feed
from services.results.keys import FEED
from tests.results_support import Results, running_results
from tests.waiting import eventually

STAFF = Viewer(1, MappingProxyType({}), ALL)


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


class Client:
    """Notes which files it is told of; takes nothing while `open` is not set."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.writing = False
        self.open = asyncio.Event()

    async def write(self, data: bytes) -> None:
        self.writing = True
        await self.open.wait()
        self.told += [line[18:54] for line in data.decode().splitlines() if line.startswith('data: {"file')]


def following(feed: Feed, client: Client, inbox: Inbox, timeline: int) -> asyncio.Task[None]:
    stream = Stream(cast(web.StreamResponse, client), feed, STAFF, heartbeat=60.0, timeline=timeline)
    return asyncio.create_task(stream.follow(inbox, START))


async def ended(inbox: Inbox, task: asyncio.Task[None], client: Client, files: list[UUID]) -> None:
    await eventually(lambda: len(client.told) >= len(files) and not inbox.waiting)
    inbox.end()
    await task
    assert client.told == [str(file_id) for file_id in files]


async def test_what_comes_both_ways_is_sent_once(results: Results) -> None:
    feed, client = results.client.app[FEED], Client()
    client.open.set()
    async with feed.join(STAFF) as (inbox, now):
        files = [await results.upload()]
        await eventually(lambda: inbox.waiting)
        task = following(feed, client, inbox, now.timeline)
        await ended(inbox, task, client, files)


async def test_what_comes_while_a_client_catches_up_is_not_lost(results: Results) -> None:
    feed, client = results.client.app[FEED], Client()
    files = [await results.upload()]
    async with feed.join(STAFF) as (inbox, now):
        task = following(feed, client, inbox, now.timeline)
        await eventually(lambda: client.writing)
        files.append(await results.upload())
        await eventually(lambda: inbox.waiting)
        client.open.set()
        await ended(inbox, task, client, files)
