"""Live streams of those with whom something is shared: told when it is given, silent when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from libs.common.database.postgres import Connection
from services.results.feed import reader
from services.results.keys import FEED
from tests.results_support import Results, running_results
from tests.sharing_support import ANA, BEN, CAT, CHIEF, GUEST, MANAGER, VIEWER, Person, Sharing
from tests.sse_support import Stream
from tests.unit.services.results.events import processed
from tests.waiting import eventually


@pytest.fixture
async def sharing(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Sharing]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield Sharing(running)


@asynccontextmanager
async def following(results: Results, who: Person, after: str | None = None) -> AsyncIterator[Stream]:
    """An open stream."""
    headers = who.headers() | ({} if after is None else {"Last-Event-ID": after})
    async with results.client.get("/api/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        yield Stream(response)


async def told(stream: Stream) -> dict[str, int]:
    """What the next event says of shares."""
    message = await stream.next()
    assert message is not None
    assert (message.event, message.id) == ("shares", None)
    return dict(message.data)


@pytest.mark.parametrize("what", [{"study_instance_uid": "1.2"}, {"series_instance_uid": "1.2.3"}])
@pytest.mark.parametrize("to", [BEN, 6])
async def test_a_stream_begins_and_ends_with_its_share(
    sharing: Sharing, what: dict[str, Any], to: Person | int
) -> None:
    await sharing.file()
    who = BEN if isinstance(to, Person) else GUEST
    async with following(sharing.results, who) as stream:
        share = await sharing.share(ANA, to, **what)
        assert await told(stream) == {"given": 1, "taken_back": 0}
        file_id = await sharing.file()
        await sharing.file("user:9")
        await sharing.file(study="1.7", series="1.7.1")
        assert await stream.files(2) == [(file_id, "received"), (file_id, "processed")]
        await sharing.take_back(ANA, share)
        assert await told(stream) == {"given": 0, "taken_back": 1}
        await sharing.file()
        # The next that comes is one's own.
        own = await sharing.file(f"user:{who.id}")
        assert await stream.files(1) == [(own, "received")]


async def test_a_stream_knows_the_shares_of_before_it_and_a_file_by_its_id(sharing: Sharing) -> None:
    file_id, other = [await sharing.results.upload() for _ in range(2)]
    await sharing.share(ANA, BEN, file_id=str(file_id))
    async with following(sharing.results, BEN) as stream:
        await sharing.results.publish(processed(other), processed(file_id))
        assert await stream.files(1) == [(str(file_id), "processed")]


async def test_a_stream_catches_up_with_what_is_shared(sharing: Sharing) -> None:
    async with following(sharing.results, BEN) as stream:
        own = await sharing.file("user:8")
        await stream.files(2)
        after = stream.last_id
    await sharing.share(BEN, CAT, file_id=own)
    missed = [await sharing.file() for _ in range(3)]
    await sharing.share(ANA, BEN, file_id=missed[1])
    async with following(sharing.results, BEN, after) as stream:
        assert await stream.files(2) == [(missed[1], "received"), (missed[1], "processed")]
        assert await told(stream) == {"given": 1, "taken_back": 0}, "what it may have missed"


async def test_what_is_ones_own_or_seen_anyway_is_told_once(sharing: Sharing) -> None:
    file_id = await sharing.file()
    async with following(sharing.results, ANA) as owner, following(sharing.results, CHIEF) as chief:
        await sharing.share(ANA, CHIEF, file_id=file_id)
        await sharing.share(ANA, GUEST, study_instance_uid="1.2")
        again = await sharing.file()
        for stream in (owner, chief):
            assert await stream.files(2) == [(again, "received"), (again, "processed")]


async def test_what_is_shared_of_ones_own_collection_is_no_news(sharing: Sharing) -> None:
    file_id = await sharing.file("group:3")
    async with following(sharing.results, VIEWER) as stream:
        await sharing.share(MANAGER, VIEWER, file_id=file_id)
        own = await sharing.file("group:3")
        assert await stream.files(2) == [(own, "received"), (own, "processed")]
        await sharing.file()
        await sharing.share(ANA, VIEWER, study_instance_uid="1.2", collection="user:7")
        assert await told(stream) == {"given": 1, "taken_back": 0}


async def test_a_stream_notices_what_nobody_tells_it(
    sharing: Sharing, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the time of a share is over, or a notification was lost."""
    monkeypatch.setattr(reader, "SHARES_POLL", 0.05)
    await sharing.file()
    await sharing.share(ANA, BEN, study_instance_uid="1.2")
    async with following(sharing.results, BEN) as stream:
        await sql.execute("UPDATE results.share SET until = now()")
        assert await told(stream) == {"given": 0, "taken_back": 1}


async def test_nothing_is_kept_of_a_stream_that_ended(sharing: Sharing) -> None:
    feed = sharing.results.client.app[FEED]
    await sharing.file()
    await sharing.share(ANA, BEN, study_instance_uid="1.2")
    async with following(sharing.results, BEN):
        await eventually(lambda: len(feed._followers._by_place) == 2)
    await eventually(lambda: not feed._followers._by_place)
    assert not feed._followers
