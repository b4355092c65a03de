"""Reconciling moved files: rows made anew lie where the files lie, and lost moves are told again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from libs.common.events import parse_event
from libs.common.ids import file_key, place_key
from tests.accounts_support import require_agreement
from tests.builders import ct_instance
from tests.fixtures_reconcile import World


async def shown_in(world: World, file_id: UUID) -> Any:
    return await world.sql.fetchval(
        "SELECT collection FROM results.upload_dicomresult WHERE file_id = $1", file_id
    )


async def tell(world: World) -> None:
    """Pass on what waits, as the relay does."""
    rows = await world.sql.fetch(
        "SELECT event::text FROM ingest.outbox WHERE published_at IS NULL ORDER BY id"
    )
    await world.results.publish(*(parse_event(row[0]) for row in rows))
    await world.quiet()


@pytest.mark.parametrize("schemas", [("ingest", "results"), ("ingest",), ("results",)])
async def test_a_lost_row_of_a_moved_file_is_made_where_it_lies(
    world: World, schemas: tuple[str, ...]
) -> None:
    await world.process(await world.accept())
    lost = await world.process(await world.accept())
    await world.move(lost, "group:3")
    await world.move(lost, "group:4")
    before = await world.row(lost)
    await world.forget(lost, *schemas)
    for key in (file_key(lost), place_key(lost)):
        world.make_old(key)
    (found,) = await world.look(repair=True, rebuild_rows=True)
    assert (found.subject, found.repaired) == (str(lost), True)
    row = await world.row(lost)
    known = ("collection", "moves", "owner_id", "sha256", "state")
    assert [row[name] for name in known] == [before[name] for name in known]
    await tell(world)
    assert await shown_in(world, lost) == "group:4"
    assert await shown_in(world, lost) == row["collection"]
    # A late copy of the first move does not bring it back.
    await world.results.publish(*(await moves_of(world, lost))[:1])
    assert await shown_in(world, lost) == "group:4"


async def moves_of(world: World, file_id: UUID) -> list[Any]:
    rows = await world.sql.fetch(
        "SELECT event::text FROM ingest.outbox "
        "WHERE event->>'subject' = $1 AND event->>'type' LIKE '%moved%' ORDER BY id",
        str(file_id),
    )
    return [parse_event(row[0]) for row in rows]


async def test_nothing_is_made_where_nobody_knows_the_place(world: World) -> None:
    await world.process(await world.accept())
    lost = await world.process(await world.accept())
    await world.move(lost, "group:3")
    await world.forget(lost)
    world.path(place_key(lost)).write_bytes(b"torn")
    world.make_old(file_key(lost))
    world.make_old(place_key(lost))
    (found,) = await world.look(repair=True, rebuild_rows=True, delete_orphans=True)
    assert (found.kind, found.repaired) == ("row-missing", False)
    assert "does not say where it was moved to" in (found.detail or "")
    assert await world.storage.exists(file_key(lost))


async def test_a_move_that_results_never_heard_of_is_told_again(world: World) -> None:
    file_id = await world.process(await world.accept())
    await world.move(file_id, "group:3", told=False)
    assert await shown_in(world, file_id) == "user:7"
    assert await world.look(backlog=True) == []
    (found,) = await world.look(repair=True)
    assert (found.kind, found.repaired) == ("move-not-told", True)
    await tell(world)
    assert await shown_in(world, file_id) == "group:3"
    await require_agreement(world.sql)
    assert await world.look() == []


@pytest.mark.parametrize("taken", [False, True])
async def test_a_move_that_ingest_has_forgotten_is_noted(world: World, taken: bool) -> None:
    """Its database came back from an older backup; unless the place was taken meanwhile."""
    content = ct_instance(seed=77)
    file_id = await world.process(await world.accept(content))
    await world.move(file_id, "group:3")
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET collection = 'user:7', moves = 0")
    if taken:
        await world.process(await world.accept(content, "group:3"))
    (found,) = await world.look(repair=True)
    assert (found.kind, found.repaired) == ("move-not-noted", not taken)
    row = await world.row(file_id)
    assert (row["collection"], row["moves"]) == (("user:7", 0) if taken else ("group:3", 1))
