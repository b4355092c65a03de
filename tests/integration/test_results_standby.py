"""Reads on a real streaming standby: never older than when they were asked for, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from libs.common.database.postgres import Connection
from libs.common.errors import NotFound, Unavailable
from libs.common.permissions import ALL
from services.operator.doctor.database import check_standby
from services.operator.doctor.settings import DoctorSettings
from services.operator.migrations import bring_up_to_date
from services.operator.settings import DATABASE
from services.results.keys import DATABASE as PRIMARY
from services.results.keys import READS
from services.results.standby.marks import Marks
from services.results.standby.store import WalMark, read_mark
from tests.exposition import Exposition
from tests.fixtures_postgres import run_apart
from tests.postgres_pair import Primary, Standby
from tests.results_support import OWNER, STRANGER, Results, bearer, running_results
from tests.sse_support import Stream
from tests.unit.services.results.events import processed, received
from tests.waiting import eventually

READ = (
    "/api/results",
    "/api/results/summary",
    "/api/results/facets",
    "/api/results/{file_id}",
    "/api/results/{file_id}/neighbours",
    "/api/results/{file_id}/frame-means",
    "/api/studies",
    "/api/studies/facets",
    "/api/studies/{study}",
    "/api/studies/{study}/zip",
)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Primary, Path]]:
    """A migrated primary for the module, and a folder for its standbys."""
    folder = tmp_path_factory.mktemp("pair")
    with Primary(folder / "primary") as server:
        run_apart(bring_up_to_date(server.url(DATABASE)))
        yield server, folder


@pytest.fixture
def primary(clusters: tuple[Primary, Path]) -> Primary:
    return clusters[0]


@pytest.fixture
def standby(primary: Primary, tmp_path: Path) -> Iterator[Standby]:
    with Standby.of(primary, tmp_path / "standby") as server:
        yield server


@asynccontextmanager
async def replica(
    primary: Primary, standby: Standby, folder: Path, *, wait: float = 10.0
) -> AsyncIterator[Results]:
    """A replica that reads on `standby`, and does so already. It waits long where the test does not tell."""
    url = SecretStr(standby.url(DATABASE, "results"))
    async with running_results(
        primary.url(DATABASE, "results"), folder, database_read_url=url, database_read_wait=wait
    ) as results:
        await eventually(lambda: asked(results, "standby"))
        yield results


async def asked(results: Results, target: str) -> bool:
    """Whether a list read now came from there."""
    before = await counted(results, target)
    await results.json("/api/results?limit=1")
    return await counted(results, target) > before


async def counted(results: Results, target: str) -> float:
    async with results.client.get("/metrics") as answer:
        return Exposition(await answer.text()).value("results_reads_total", target=target)


async def refused(results: Results, cause: str) -> float:
    async with results.client.get("/metrics") as answer:
        return Exposition(await answer.text()).value("results_standby_refusals_total", cause=cause)


async def listed(results: Results, user: int = OWNER) -> list[UUID]:
    return [UUID(row["file_id"]) for row in (await results.json("/api/results?limit=200", user))["results"]]


async def ask(server: Primary, query: str) -> Any:
    connection = await asyncpg.connect(server.url(DATABASE))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@asynccontextmanager
async def paused(standby: Standby) -> AsyncIterator[None]:
    """It hears of everything and shows none of it."""
    await ask(standby, "SELECT pg_wal_replay_pause()")
    await eventually(lambda: ask(standby, "SELECT pg_get_wal_replay_pause_state() = 'paused'"))
    try:
        yield
    finally:
        await ask(standby, "SELECT pg_wal_replay_resume()")


def sharer() -> dict[str, str]:
    """OWNER, who may share."""
    return bearer(OWNER, permissions=ALL)


async def well(results: Results) -> bool:
    async with results.client.get("/readyz") as answer:
        return answer.status == 200


async def test_whatever_only_reads_is_answered_by_the_standby(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        file_id = await results.upload()
        await results.publish(processed(file_id))
        study = (await results.json(f"/api/results/{file_id}"))["study_instance_uid"]
        by_primary = await counted(results, "primary")
        for path in READ:
            before = await counted(results, "standby")
            async with await results.get(path.format(file_id=file_id, study=study)) as answer:
                assert answer.status in (200, 404), path
                await answer.read()
            assert await counted(results, "standby") > before, path
        # What was only just written is there each time: the read waits until the standby has it.
        for _ in range(20):
            new = await results.upload()
            assert new in await listed(results)
        assert await counted(results, "primary") == by_primary


async def test_what_was_written_or_told_is_never_missed_on_a_standby_that_lags(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    # Two replicas: one is told to, and tells; the other is asked.
    async with (
        replica(primary, standby, tmp_path) as teller,
        replica(primary, standby, tmp_path, wait=0.05) as results,
    ):
        async with paused(standby):
            headers = bearer(OWNER)
            async with teller.client.get("/api/events", headers=headers) as stream:
                live = Stream(stream)
                for _ in range(5):
                    file_id = await teller.upload()
                    assert [UUID(told) for told, _ in await live.files(1)] == [file_id]
                    assert file_id in await listed(results)
            assert await refused(results, "behind") > 0
            assert await well(results)
            assert not await ask(
                standby, f"SELECT true FROM results.upload_dicomresult WHERE file_id = '{file_id}'"
            )
        await eventually(lambda: asked(results, "standby"))
        assert file_id in await listed(results)


async def test_a_standby_that_has_all_answers_though_it_hears_of_nothing_new(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        file_id = await results.upload()
        await standby.caught_up(primary)
        async with results.client.get("/metrics") as answer:
            assert Exposition(await answer.text()).value("results_standby_lag_seconds") == 0
        before = await counted(results, "standby")
        assert file_id in await listed(results)
        assert await counted(results, "standby") == before + 1


async def test_what_was_taken_back_is_gone_at_once_on_a_standby_that_lags(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path, wait=0.05) as results:
        file_id = await results.upload(received(owner_id=OWNER))
        body = {"file_id": str(file_id), "grantee": {"user": STRANGER}, "mode": "view"}
        async with results.client.post("/api/shares", json=body, headers=sharer()) as answer:
            assert answer.status == 200, await answer.text()
            share = (await answer.json())["id"]
        await standby.caught_up(primary)
        await eventually(lambda: asked(results, "standby"))
        assert file_id in await listed(results, STRANGER)
        async with paused(standby):
            path = f"/api/shares/{share}"
            async with results.client.delete(path, headers=sharer()) as answer:
                assert answer.status == 204
            assert file_id not in await listed(results, STRANGER)
            await results.json(f"/api/results/{file_id}", STRANGER, status=404)
            # The standby itself would still show it.
            assert await ask(standby, "SELECT count(*) FROM results.share WHERE revoked_at IS NULL") > 0


async def test_who_opens_what_is_shared_is_noted_on_the_primary(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        file_id = await results.upload(received(owner_id=OWNER))
        body = {"file_id": str(file_id), "grantee": {"user": STRANGER}, "mode": "view"}
        async with results.client.post("/api/shares", json=body, headers=sharer()) as answer:
            share = (await answer.json())["id"]
        before = await counted(results, "standby")
        await results.json(f"/api/results/{file_id}", STRANGER)
        assert await counted(results, "standby") == before + 1
        assert await ask(primary, f"SELECT last_used_at IS NOT NULL FROM results.share WHERE id = '{share}'")


async def test_reads_go_on_without_the_standby_and_return_to_it(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path, wait=1.0) as results:
        file_id = await results.upload()
        standby.lose()
        for _ in range(3):
            assert file_id in await listed(results)
            assert await well(results)
        assert await refused(results, "away") > 0
        standby.stop()
        standby.start()
        await eventually(lambda: asked(results, "standby"))


async def test_a_standby_that_no_longer_answers_is_left(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path, wait=0.05) as results:
        file_id = await results.upload()
        await eventually(lambda: asked(results, "standby"))
        with standby.frozen():
            for _ in range(3):
                assert file_id in await listed(results)
            assert await refused(results, "away") > 0
            assert await well(results)
        await eventually(lambda: asked(results, "standby"))


async def test_a_read_that_loses_its_standby_in_the_middle_is_begun_anew_on_the_primary(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        reads, places = results.client.app[READS], []

        async def read(connection: Connection) -> int:
            places.append(await connection.fetchval("SELECT pg_is_in_recovery()"))
            if places[-1]:
                standby.lose()
            return int(await connection.fetchval("SELECT 7"))

        assert await reads(read) == 7
        assert places == [True, False]


async def test_a_server_that_complains_is_left_to_the_primary(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        # As a broken index there, or a statement that is wrong everywhere.
        sent = "SELECT CASE WHEN pg_is_in_recovery() THEN 1 / (SELECT 0) ELSE 7 END"
        assert await results.client.app[READS](lambda connection: connection.fetchval(sent)) == 7
        assert await refused(results, "away") == 1
        with pytest.raises(asyncpg.DivisionByZeroError):
            await results.client.app[READS](lambda connection: connection.fetchval("SELECT 1 / (SELECT 0)"))


async def test_what_a_read_raises_of_its_own_is_no_fault_of_the_standby(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        await results.json("/api/results/018f0000-0000-7000-8000-000000000000", status=404)
        with pytest.raises(NotFound):
            await results.client.app[READS](_unknown)
        assert await refused(results, "away") == 0
        assert await asked(results, "standby")


async def _unknown(_: Connection) -> None:
    raise NotFound("None such.")


async def test_a_standby_that_lags_for_a_moment_is_waited_for(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async with replica(primary, standby, tmp_path) as results:
        by_primary = await counted(results, "primary")
        async with paused(standby):
            file_id = await results.upload()
            read = asyncio.create_task(listed(results))
            _, pending = await asyncio.wait([read], timeout=0.3)
            assert pending
        assert file_id in await read
        assert await counted(results, "primary") == by_primary


async def test_a_primary_is_no_standby(primary: Primary, tmp_path: Path) -> None:
    url = primary.url(DATABASE, "results")
    async with running_results(url, tmp_path, database_read_url=SecretStr(url)) as results:
        await eventually(lambda: positive(results, "foreign"))
        assert await asked(results, "primary")
        assert await counted(results, "standby") == 0


async def test_a_promoted_standby_is_none(primary: Primary, standby: Standby, tmp_path: Path) -> None:
    async with replica(primary, standby, tmp_path, wait=0.05) as results:
        await standby.promote()
        file_id = await results.upload()
        for _ in range(3):
            assert file_id in await listed(results)
        await eventually(lambda: positive(results, "foreign"))
        assert not await asked(results, "standby")
        assert await well(results)


async def positive(results: Results, cause: str) -> bool:
    return await refused(results, cause) > 0


async def test_a_standby_of_the_former_primary_is_none(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    # The primary goes on, as one does that a failover took for dead; its standby is further than the new one.
    with Standby.of(primary, tmp_path / "new") as new:
        await new.promote()
        async with running_results(
            new.url(DATABASE, "results"),
            tmp_path,
            database_read_url=SecretStr(standby.url(DATABASE, "results")),
            database_read_wait=0.05,
        ) as results:
            file_id = await results.upload()
            await ask(primary, "CREATE TABLE public.much AS SELECT generate_series(1, 100000)")
            await standby.caught_up(primary)
            await eventually(lambda: positive(results, "foreign"))
            assert file_id in await listed(results)
            assert await counted(results, "standby") == 0
        await ask(primary, "DROP TABLE public.much")


@pytest.mark.parametrize("database", ["postgres", "no_such_database"])
async def test_an_address_without_our_tables_is_none(
    primary: Primary, standby: Standby, tmp_path: Path, database: str
) -> None:
    async with running_results(
        primary.url(DATABASE, "results"), tmp_path, database_read_url=SecretStr(standby.url(database))
    ) as results:
        await eventually(lambda: positive(results, "foreign" if database == "postgres" else "away"))
        assert await well(results)
        assert await asked(results, "primary")


async def test_those_who_come_while_somebody_asks_share_the_next_question(
    primary: Primary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        marks, begun, let = Marks(results.client.app[PRIMARY]), [], asyncio.Event()

        async def slow(connection: Connection) -> WalMark:
            begun.append(1)
            mark = await read_mark(connection)
            await let.wait()
            return mark

        monkeypatch.setattr("services.results.standby.marks.read_mark", slow)
        first = asyncio.create_task(marks.after_now())
        await eventually(lambda: _true(begun))
        later = [asyncio.create_task(marks.after_now()) for _ in range(50)]
        await asyncio.sleep(0)
        file_id = await results.upload()
        let.set()
        old, *new = await asyncio.gather(first, *later)
        assert len(begun) == 2
        assert {*new} != {old}
        assert len({*new}) == 1
        assert file_id in await listed(results)


async def _true(found: list[int]) -> bool:
    return bool(found)


async def test_a_primary_that_does_not_tell_is_asked_no_more_than_once_by_all(
    primary: Primary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_results(primary.url(DATABASE, "results"), tmp_path) as results:
        marks, begun = Marks(results.client.app[PRIMARY]), []

        async def failing(_: Connection) -> WalMark:
            begun.append(1)
            await asyncio.sleep(0)
            raise Unavailable("PostgreSQL is not available.")

        monkeypatch.setattr("services.results.standby.marks.read_mark", failing)
        assert await asyncio.gather(*(marks.after_now() for _ in range(50))) == [None] * 50
        assert len(begun) <= 2


@contextmanager
def told(primary: Primary, read_url: str | None) -> Iterator[DoctorSettings]:
    given = None if read_url is None else SecretStr(read_url)
    yield DoctorSettings(database_url=SecretStr(primary.url(DATABASE)), database_read_url=given)


async def test_the_doctor_looks_whether_it_is_a_standby_of_the_primary(
    primary: Primary, standby: Standby, tmp_path: Path
) -> None:
    async def found(read_url: str | None) -> list[tuple[str, str]]:
        with told(primary, read_url) as settings:
            return [(finding.level, finding.what) for finding in await check_standby(settings)]

    assert await found(None) == []
    await ask(primary, "CREATE TABLE IF NOT EXISTS public.more (x int)")
    await standby.caught_up(primary)
    ((level, what),) = await found(standby.url(DATABASE))
    assert level == "ok", what
    async with paused(standby):
        await ask(primary, "INSERT INTO public.more VALUES (1)")
        ((level, what),) = await found(standby.url(DATABASE))
        assert (level, "behind" in what) == ("warning", True)
    ((level, what),) = await found(primary.url(DATABASE))
    assert (level, "no standby" in what) == ("problem", True)
