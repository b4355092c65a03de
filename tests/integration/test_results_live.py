"""The change feed and its live stream: nothing lost, nothing seen that is not the caller's."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.common.database.postgres import Connection
from libs.common.keys import DRAINING
from libs.common.security.revocations import Revocations
from services.results.cursors import Position, decode_position, encode_position
from services.results.feed import store as changes
from services.results.keys import FEED
from tests.results_support import GROUPS, MEMBER, OWNER, STAFF, STRANGER, Results, bearer, running_results
from tests.sse_support import Stream
from tests.unit.services.results.events import failed, processed, received
from tests.waiting import eventually

Start = Callable[..., Any]


@pytest.fixture
def start(role_url: Callable[[str], str], tmp_path: Path) -> Start:
    """Another replica on the same database and objects: `async with start(...) as results`."""
    return lambda **changed: running_results(role_url("results"), tmp_path, **changed)


@pytest.fixture
async def results(start: Start) -> AsyncIterator[Results]:
    """One replica."""
    async with start() as running:
        yield running


@pytest.fixture
async def other_sql(database_url: str) -> AsyncIterator[Connection]:
    """Another one, for a transaction of its own."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def stream(
    results: Results, user: int = OWNER, *, lifetime: float = 600, after: str | None = None
) -> AsyncIterator[Stream]:
    headers = bearer(user, lifetime, GROUPS.get(user, {}))
    if after is not None:
        headers["Last-Event-ID"] = after
    async with results.client.get("/api/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)


async def change_list(results: Results, query: str = "", user: int = OWNER) -> tuple[list[Any], str]:
    body = await results.json(f"/api/changes?{query}", user)
    return body["changes"], body["next"]


async def test_changes_are_pages_in_order_and_end_where_news_begin(results: Results) -> None:
    files = [await results.upload() for _ in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        found, following = await change_list(results, f"limit=2{cursor}")
        seen += [change["file_id"] for change in found]
        cursor = f"&after={following}"
    assert seen == [str(file) for file in files]
    assert (await change_list(results, cursor.removeprefix("&")))[0] == []
    await results.publish(processed(files[0]))
    found, _ = await change_list(results, cursor.removeprefix("&"))
    assert [(change["file_id"], change["state"]) for change in found] == [(str(files[0]), "processed")]


async def test_a_transaction_that_commits_late_is_not_lost(results: Results, other_sql: Connection) -> None:
    """The late one took its numbers first; a reader that had gone past them would never see it."""
    _, after = await change_list(results)
    late = uuid4()
    async with stream(results) as live:
        async with other_sql.transaction():
            await other_sql.execute(
                "INSERT INTO results.change_feed (file_id, owner_id, state) VALUES ($1, $2, 'received')",
                late,
                OWNER,
            )
            early = await results.upload()
            assert (await change_list(results, f"after={after}"))[0] == []
        expected = [(str(late), "received"), (str(early), "received")]
        assert await live.files(2) == expected
    found, _ = await change_list(results, f"after={after}")
    assert [(change["file_id"], change["state"]) for change in found] == expected


async def test_transaction_ids_order_as_numbers(results: Results, sql: Connection) -> None:
    """A page must not skip 10 because 9 is the greater text."""
    for xid in ("9", "10", "99", "100", "101"):
        await sql.execute(
            "INSERT INTO results.change_feed (xid, file_id, owner_id, state) "
            "VALUES ($1::text::xid8, gen_random_uuid(), $2, 'received')",
            xid,
            OWNER,
        )
    in_order = [
        str(row["file_id"]) for row in await sql.fetch("SELECT file_id FROM results.change_feed ORDER BY seq")
    ]
    seen: list[str] = []
    found, cursor = await change_list(results, "limit=1")
    while found:
        seen += [change["file_id"] for change in found]
        found, cursor = await change_list(results, f"limit=1&after={cursor}")
    assert seen == in_order


async def test_readers_lose_nothing_while_many_write(results: Results, sql: Connection) -> None:
    """Every change is read exactly once by a reader that follows cursors all the while."""
    events = [processed() for _ in range(300)]
    _, cursor = await change_list(results)
    seen: list[str] = []

    async def read_until_idle(writing: asyncio.Task[Any]) -> None:
        nonlocal cursor
        while True:
            done = writing.done()
            found, cursor = await change_list(results, f"limit=20&after={cursor}")
            seen.extend(change["file_id"] for change in found)
            if done and not found:
                return

    async def write(event: Any) -> None:
        await results.publish(event)

    async with stream(results) as live:
        writing = asyncio.ensure_future(asyncio.gather(*map(write, events)))
        await read_until_idle(writing)  # type: ignore[arg-type]
        told = [file for file, _ in await live.files(len(events))]
    expected = sorted(str(event.file_id) for event in events)
    assert sorted(seen) == expected
    assert sorted(told) == expected


async def test_what_comes_alone_is_told_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing but a wake-up has the reader look, and once it has found something it rests for long.
    for pause in ("POLL", "SPACING", "GATHER"):
        monkeypatch.setattr(f"services.results.feed.reader.{pause}", 3600.0)
    async with start() as results, stream(results) as live:
        file = await results.upload()
        assert await live.files(1) == [(str(file), "received")]


async def test_live_changes_on_every_replica_for_those_who_may_see_them(
    results: Results, start: Start
) -> None:
    async with (
        start() as other,
        stream(other) as mine,
        stream(other, STRANGER) as theirs,
        stream(other, STAFF) as all_of_them,
    ):
        file_id = str(await results.upload())
        foreign = await results.upload(received(owner_id=STRANGER))
        await results.publish(failed(foreign, STRANGER))
        await results.publish(processed(UUID(file_id)))
        assert await mine.files(2) == [(file_id, "received"), (file_id, "processed")]
        assert await theirs.files(2) == [(str(foreign), "received"), (str(foreign), "failed")]
        assert len(await all_of_them.files(4)) == 4


async def test_a_stream_tells_each_change_of_all_its_collections_once_and_in_order(
    results: Results, sql: Connection
) -> None:
    """What was before the stream opened comes from the table, what is after from the reader."""
    first = await results.upload(received(owner_id=MEMBER))
    _, cursor = await change_list(results, user=MEMBER)
    places = ("group:3", "user:9", "group:4", "group:5", "group:3", "user:7")

    async def write(count: int) -> list[tuple[str, str]]:
        written = []
        for number in range(count):
            collection = places[number % len(places)]
            file_id = await results.upload(received(owner_id=MEMBER, collection=collection))
            if collection not in ("group:5", "user:7"):
                written.append((str(file_id), "received"))
        return written

    expected = await write(12)
    async with stream(results, MEMBER, after=cursor) as live, stream(results, STAFF, after=cursor) as staff:
        assert await live.files(len(expected)) == expected
        expected_live = await write(12)
        # One transaction with changes of several collections.
        await sql.execute(
            "INSERT INTO results.change_feed (file_id, owner_id, collection, state) "
            "SELECT $1, 9, collection, 'failed' FROM unnest($2::text[]) AS collection",
            first,
            ["group:4", "group:5", "group:3"],
        )
        expected_live += [(str(first), "failed")] * 2
        assert await live.files(len(expected_live)) == expected_live
        assert len(await staff.files(27)) == 27
        await results.publish(processed(first, MEMBER))
        assert await live.files(1) == [(str(first), "processed")]
    listed, _ = await change_list(results, f"after={cursor}", MEMBER)
    assert [(change["file_id"], change["state"]) for change in listed] == [
        *expected,
        *expected_live,
        (str(first), "processed"),
    ]


async def test_a_stream_begins_now_and_resumes_where_it_was(results: Results) -> None:
    await results.upload()
    async with stream(results) as live:
        second = await results.upload()
        message = await live.next()
        assert message is not None
        assert message.data["file_id"] == str(second)
    third, fourth = await results.upload(), await results.upload()
    await results.upload(received(owner_id=STRANGER))
    async with stream(results, after=live.last_id) as live:
        assert await live.files(2) == [(str(third), "received"), (str(fourth), "received")]
        fifth = await results.upload()
        assert await live.files(1) == [(str(fifth), "received")]
    path = f"/api/events?after={message.id}"
    async with results.client.get(path, headers=bearer(OWNER)) as response:
        assert await Stream(response).files(3) == [(str(f), "received") for f in (third, fourth, fifth)]


async def test_a_stream_that_saw_nothing_resumes_too(results: Results) -> None:
    async with stream(results) as live:
        await live.listen_until(lambda: live.last_id is not None)
    missed = await results.upload()
    async with stream(results, after=live.last_id) as live:
        assert await live.files(1) == [(str(missed), "received")]


async def test_an_idle_stream_beats_and_its_cursor_moves(start: Start) -> None:
    async with start(events_heartbeat_seconds=0.05) as results, stream(results, STRANGER) as live:
        await live.listen_until(lambda: live.last_id is not None)
        first = live.last_id
        await results.upload()
        await live.listen_until(lambda: live.comments > 2 and live.last_id != first)
    async with start() as results, stream(results, after=live.last_id, user=STAFF) as later:
        file_id = await results.upload()
        assert await later.files(1) == [(str(file_id), "received")]


async def test_a_stream_ends_with_its_token(results: Results) -> None:
    for lifetime in (2, 10, 30):
        async with results.client.get("/api/events", headers=bearer(OWNER, lifetime)) as response:
            file_id = await results.upload()
            message = await Stream(response).next() if response.status == 200 else None
            if message is None:
                continue  # a busy machine: it was over before it began
            assert message.data["file_id"] == str(file_id)
            assert await Stream(response).next() is None
            return
    pytest.fail("no token lived long enough")


async def test_a_stream_ends_when_the_service_drains(results: Results) -> None:
    async with stream(results) as live:
        await results.upload()
        await live.files(1)
        app = results.client.app
        assert app is not None
        app[DRAINING].set()
        assert await live.next() is None


async def test_a_slow_client_is_cut_and_resumes_by_id(start: Start, sql: Connection) -> None:
    async with start(events_queue=10) as results, stream(results) as live:
        await results.upload()
        await live.files(1)
        app = results.client.app
        assert app is not None
        # More in one transaction than the queue holds, so that no reader could have kept up.
        await sql.execute(
            "INSERT INTO results.change_feed (file_id, owner_id, state) "
            "SELECT gen_random_uuid(), $1, 'received' FROM generate_series(1, 25)",
            OWNER,
        )
        await live.files(10)
        assert await live.next() is None
        async with results.client.get("/metrics") as response:
            assert "results_sse_cut_total 1.0" in await response.text()
    async with start() as results, stream(results, after=live.last_id) as live:
        await live.files(15)


async def test_streams_outlive_an_outage_of_the_database(results: Results, sql: Connection) -> None:
    async with stream(results) as live:
        await results.upload()
        await live.files(1)
        for _ in range(3):
            await sql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename = 'results'"
            )
            file_id = await results.upload()
            assert await live.files(1) == [(str(file_id), "received")]


async def test_a_cursor_older_than_the_feed(results: Results, sql: Connection) -> None:
    await results.upload()
    (change,), _ = await change_list(results)
    await results.upload()
    _, fresh = await change_list(results)
    await sql.execute("UPDATE results.change_feed SET changed_at = now() - interval '2 hours'")
    assert await changes.prune(sql, timedelta(hours=1), 1) == 1
    # The cursor of the last pruned change itself has missed nothing.
    assert len((await change_list(results, f"after={change['cursor']}"))[0]) == 1
    assert await changes.prune(sql, timedelta(hours=1)) == 1
    assert await changes.prune(sql, timedelta(hours=1)) == 0

    problem = await results.json(f"/api/changes?after={change['cursor']}", status=410)
    assert problem["code"] == "cursor-expired"
    assert (await change_list(results, f"after={fresh}"))[0] == []
    kept = await results.upload()
    assert [entry["file_id"] for entry in (await change_list(results))[0]] == [str(kept)]

    async with stream(results, after=change["cursor"]) as live:
        message = await live.next()
        assert message is not None
        assert message.event == "restart"
        file_id = await results.upload()
        assert await live.files(1) == [(str(file_id), "received")]


async def test_a_cursor_of_another_life_of_the_database(results: Results) -> None:
    _, fresh = await change_list(results)
    timeline = decode_position(fresh).timeline
    assert timeline is not None
    future = encode_position(Position(2**63, 1), timeline)
    assert (await results.json(f"/api/changes?after={future}", status=410))["code"] == "cursor-expired"


async def test_a_cursor_of_the_release_before_is_resumed(results: Results) -> None:
    await results.upload()
    _, fresh = await change_list(results)
    packed = struct.pack(">cQq", b"c", *decode_position(fresh).position)
    former = base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    file_id = await results.upload()
    found, _ = await change_list(results, f"after={former}")
    assert [entry["file_id"] for entry in found] == [str(file_id)]
    async with stream(results, after=former) as live:
        assert await live.files(1) == [(str(file_id), "received")]
        assert live.last_id is not None
        assert decode_position(live.last_id).timeline is not None


async def test_recent_changes_are_not_pruned(results: Results, sql: Connection) -> None:
    await results.upload()
    assert await changes.prune(sql, timedelta(hours=1)) == 0
    assert len((await change_list(results))[0]) == 1


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "ñ"])
async def test_a_wrong_last_event_id_is_refused(results: Results, cursor: str) -> None:
    headers = {**bearer(OWNER), "Last-Event-ID": cursor}
    async with results.client.get("/api/events", headers=headers) as response:
        assert response.status == 400


async def test_the_streams_of_clients_that_left_are_forgotten(results: Results) -> None:
    async with stream(results) as live:
        await results.upload()
        await live.files(1)

    async def forgotten() -> bool:
        await results.upload()
        async with results.client.get("/metrics") as response:
            return "results_sse_clients 0.0" in await response.text()

    await eventually(forgotten)
    app = results.client.app
    assert app is not None
    assert app[FEED].position is not None


async def test_a_stream_ends_when_its_access_is_revoked(start: Start) -> None:
    document = b'{"sessions": {}, "users": {}}'

    async def fetch() -> bytes:
        return document

    revocations = Revocations(fetch)
    async with (
        start(revocations=revocations) as results,
        stream(results) as live,
        stream(results, STRANGER) as other,
    ):
        document = b'{"sessions": {}, "users": {"%d": 1}}' % OWNER
        await revocations.refresh()
        assert await live.next() is None
        answer = await results.client.get("/api/events", headers=bearer(OWNER))
        assert (answer.status, (await answer.json())["code"]) == (401, "token-expired")
        file = await results.upload(received(owner_id=STRANGER))
        assert await other.files(1) == [(str(file), "received")]
