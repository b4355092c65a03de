"""Change cursors across a failover and a restore: whoever may have missed something is told so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.operator.backup.database import expire_cursors
from services.operator.migrations import bring_up_to_date
from services.operator.settings import DATABASE
from services.results.cursors import decode_position
from tests.fixtures_postgres import run_apart
from tests.postgres_pair import Primary, Standby
from tests.results_support import OWNER, Results, bearer, running_results
from tests.sse_support import Stream
from tests.waiting import eventually


@pytest.fixture
def primary(data_dir: Path) -> Iterator[Primary]:
    with Primary(data_dir) as server:
        run_apart(bring_up_to_date(server.url(DATABASE)))
        yield server
        if server.sockets.is_symlink():
            server.sockets.unlink()


@pytest.fixture
def start_standby(primary: Primary, tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(Standby.of(primary, tmp_path / name))


@asynccontextmanager
async def following(results: Results, cursor: str | None = None) -> AsyncIterator[Stream]:
    headers = bearer(OWNER) if cursor is None else {**bearer(OWNER), "Last-Event-ID": cursor}
    async with results.client.get("/api/events", headers=headers) as response:
        assert response.status == 200
        yield Stream(response)


async def changes(results: Results, after: str | None = None) -> tuple[list[UUID], str]:
    """The files of all that changed, and where to go on."""
    answer = await results.json("/api/changes" + (f"?after={after}" if after else ""))
    return [UUID(change["file_id"]) for change in answer["changes"]], answer["next"]


async def expired(results: Results, cursor: str) -> None:
    problem = await results.json(f"/api/changes?after={cursor}", status=410)
    assert problem["code"] == "cursor-expired"
    assert "failover" in problem["detail"]


async def test_a_failover_that_lost_the_tail_is_noticed(
    primary: Primary, start_standby: Any, tmp_path: Path
) -> None:
    standby: Standby = start_standby("standby")
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        kept = await results.upload()
        _, early = await changes(results)
        await standby.caught_up(primary)
        await standby.cut_off()
        async with following(results) as live:
            lost = [await results.upload() for _ in range(20)]
            assert [UUID(file_id) for file_id, _ in await live.files(20)] == lost
            last_id = live.last_id
            assert last_id is not None
            found, late = await changes(results, early)
            assert found == lost

            primary.lose()
            await standby.promote()
            primary.replace_by(standby)
            # This very process goes on with the other server, and ends what it cannot go on with.
            assert await live.next() is None

        async def ready() -> bool:
            async with results.client.get("/readyz") as answer:
                return answer.status == 200

        await eventually(ready)
        # What happens now takes the numbers of what was lost: nobody who goes on from there would see it.
        new = [await results.upload() for _ in range(3)]
        for cursor in (early, late, last_id):
            await expired(results, cursor)
            async with following(results, cursor) as live:
                message = await live.next()
                assert message is not None
                assert message.event == "restart"
        found, fresh = await changes(results)
        assert found == [kept, *new]
        more = await results.upload()
        assert await changes(results, fresh) == ([more], (await changes(results))[1])
        async with results.client.get("/metrics") as answer:
            assert "results_feed_restarts_total 1.0" in await answer.text()


async def test_two_standbys_of_one_server_are_two_histories(
    primary: Primary, start_standby: Any, tmp_path: Path
) -> None:
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        await results.upload()
        _, of_primary = await changes(results)
    standbys = [start_standby(name) for name in ("one", "two")]
    for standby in standbys:
        await standby.promote()
    cursors: list[str] = []
    for standby in standbys:
        # Both write their second WAL timeline.
        async with running_results(standby.url(DATABASE, "results"), tmp_path) as results:
            for cursor in (of_primary, *cursors):
                await expired(results, cursor)
            found, cursor = await changes(results)
            assert len(found) == 1
            assert await changes(results, cursor) == ([], cursor)
            cursors.append(cursor)


async def test_a_restart_of_the_same_server_keeps_everybodys_place(primary: Primary, tmp_path: Path) -> None:
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        await results.upload()
        _, cursor = await changes(results)
    primary.lose()
    primary.stop()
    primary.start()
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        file_id = await results.upload()
        assert (await changes(results, cursor))[0] == [file_id]


async def test_a_restore_into_the_same_server_begins_another_history(
    primary: Primary, tmp_path: Path
) -> None:
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        await results.upload()
        _, before = await changes(results)
        connection = await asyncpg.connect(primary.url(DATABASE))
        await expire_cursors(connection)
        await connection.close()
        await expired(results, before)
        _, after = await changes(results)
        assert decode_position(after).timeline != decode_position(before).timeline
