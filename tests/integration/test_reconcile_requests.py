"""Files that are asked for again, and whose event was lost: found, and asked for under the same number."""

from __future__ import annotations

from uuid import UUID

from libs.common.events import FileReceived, FileRequested, new_event, parse_event
from services.results.processing.requests import Asker, ask
from tests.fixtures_reconcile import OWNER, World
from tests.unit.services.results.events import failed, processed

PASSED_ON = "UPDATE results.outbox SET published_at = now() - interval '1 minute'"


async def failed_file(world: World) -> UUID:
    file_id = await world.accept()
    (data,) = await world.announced(file_id)
    await world.results.publish(new_event("/ingest", data), failed(file_id, OWNER))
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET failed_at = now() WHERE id = $1", file_id)
    return file_id


async def ask_for(world: World, file_id: UUID) -> FileRequested:
    """As the retry of a file and as a job do."""
    async with world.operator.transaction() as connection:
        (asked,) = await ask(connection, [file_id], Asker(OWNER, "normal"))
    return asked


async def requested(world: World, file_id: UUID) -> list[FileRequested]:
    rows = await world.sql.fetch(
        "SELECT event::text FROM results.outbox WHERE event->>'subject' = $1 ORDER BY id", str(file_id)
    )
    data = [parse_event(row[0]).data for row in rows]
    return [one for one in data if isinstance(one, FileRequested)]


async def test_a_request_under_way_is_not_judged(world: World) -> None:
    file_id = await failed_file(world)
    await ask_for(world, file_id)
    assert await world.look() == []
    await world.sql.execute(PASSED_ON)
    assert await world.look(backlog=True) == []
    assert await world.look(older_than=300.0) == []


async def test_a_lost_request_is_made_again_under_its_number(world: World) -> None:
    file_id, measured = await failed_file(world), await world.process(await world.accept())
    asked = [await ask_for(world, one) for one in (file_id, measured)]
    assert [one.reason for one in asked] == ["retry", "reprocess"]
    await world.sql.execute(PASSED_ON)
    found = {("request-unanswered", str(one)) for one in (file_id, measured)}
    assert await world.kinds() == found
    assert await world.kinds(repair=True) == found
    for one in asked:
        assert await requested(world, one.file_id) == [one, one]
    await world.sql.execute(PASSED_ON)
    # The second failure is ingest's to hear of: in this world nobody has told it of the request.
    await world.results.publish(failed(file_id, OWNER, request=1), processed(measured, OWNER, request=1))
    assert await world.look() == []


async def test_a_file_that_waits_without_a_request_is_announced_under_the_latest_number(
    world: World,
) -> None:
    """Else its failure would count as an old one, and the file wait for ever."""
    file_id = await failed_file(world)
    await ask_for(world, file_id)
    await world.sql.execute(PASSED_ON)
    await world.sql.execute("DELETE FROM results.request")
    assert await world.kinds(repair=True) == {("stalled", str(file_id))}
    again: FileReceived = (await world.announced(file_id))[-1]
    assert again.request == 1


async def test_a_given_up_request_is_replayed(world: World) -> None:
    file_id = await failed_file(world)
    await ask_for(world, file_id)
    await world.sql.execute("UPDATE results.outbox SET dead_at = now(), dead_reason = 'x'")
    assert await world.kinds(repair=True) == {
        ("outbox-dead", str(file_id)),
    }
    assert await world.sql.fetchval("SELECT count(*) FROM results.outbox WHERE dead_at IS NULL") == 1
