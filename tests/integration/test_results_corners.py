"""Lists, objects and feed of results at their edges: spellings, kept copies, outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote
from uuid import UUID

import asyncpg
import pytest

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.common.ids import thumbnail_key
from libs.common.permissions import ALL
from services.results.cursors import START
from services.results.feed import store as changes
from services.results.keys import DATABASE, FEED
from services.results.write import store
from tests.results_support import Results, running_results
from tests.unit.services.results.events import processed
from tests.waiting import eventually

STAFF = Viewer(1, MappingProxyType({}), ALL)


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_an_id_has_one_spelling(results: Results) -> None:
    file_id = await results.upload()
    await results.json(f"/api/results/{str(file_id).upper()}")
    for spelling in (file_id.hex, f"{{{file_id}}}", f"urn:uuid:{file_id}"):
        await results.json(f"/api/results/{quote(spelling)}", status=404)


async def test_browsers_ask_again_before_they_show_what_they_keep(results: Results) -> None:
    file_id = await results.upload()
    await results.storage.put(thumbnail_key(file_id), b"jpeg", {}, durable=False)
    await results.publish(processed(file_id))
    for path in ("file", "thumbnail"):
        async with await results.get(f"/api/results/{file_id}/{path}") as response:
            assert response.status == 200
            assert response.headers["Cache-Control"] == "private, no-cache"


async def test_what_was_hidden_at_the_horizon_is_read_once(results: Results, sql: Connection) -> None:
    """It may become visible between the look at the horizon and the reading of a page."""
    file_id = await results.upload()
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(
        "INSERT INTO results.change_feed (file_id, collection, owner_id, state, changed_at)"
        " SELECT file_id, collection, owner_id, 'failed', now() FROM results.change_feed"
    )
    async with results.client.app[DATABASE].connection() as connection:
        horizon = await changes.read_horizon(connection)
        await transaction.commit()
        page = await changes.read_page(connection, START, horizon, STAFF)
        assert [change.state for change in page.changes] == ["received"]
        later = await changes.read_horizon(connection)
        following = await changes.read_page(connection, page.next, later, STAFF)
    assert [(change.file_id, change.state) for change in following.changes] == [(file_id, "failed")]


async def test_the_feed_waits_for_a_database_that_is_away(results: Results) -> None:
    app = results.client.app
    feed, database = app[FEED], app[DATABASE]
    async with feed.join(STAFF) as (inbox, _):
        await database.close()
        await eventually(lambda: feed._waiting)
        await database.open()
        await results.upload()
        await eventually(lambda: inbox.waiting)
        assert len(await inbox.take() or ()) == 1
    assert not feed._followers
    assert not feed._followers._by_place


async def test_the_trace_of_the_upload_stands(results: Results) -> None:
    file_id = await results.upload()
    before = (await results.json(f"/api/results/{file_id}"))["trace_id"]
    outcome = processed(file_id).model_copy(update={"traceparent": f"00-{'5' * 32}-{'6' * 16}-01"})
    await results.publish(outcome)
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["trace_id"]) == ("processed", before)


async def test_who_waits_for_one_file_holds_no_later_one(results: Results, sql: Connection) -> None:
    """In one order for everybody: so nobody waits in a circle."""
    first, last = UUID(int=1), UUID(int=2)

    async def lock_both() -> None:
        async with results.client.app[DATABASE].transaction() as connection:
            await store.lock_files(connection, [last, first])

    async with sql.transaction():
        await store.lock_files(sql, [first])
        other = asyncio.create_task(lock_both())

        async def waits() -> bool:
            statement = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            return bool(await sql.fetchval(statement))

        await eventually(waits)
        assert await sql.fetchval("SELECT pg_try_advisory_xact_lock(2)")
    await other
