"""Reconciling rows lost to a failover, supersedings half known, and thumbnails, on real servers."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from libs.common.events import new_event
from libs.common.ids import file_key, new_file_id, thumbnail_key
from services.operator.reconcile.findings import Discrepancy
from tests.builders import ct_instance
from tests.fixtures_reconcile import OWNER, World
from tests.unit.services.results.events import failed, processed


async def test_a_row_that_both_lost_is_made_from_the_object(world: World) -> None:
    lost = await world.process(await world.accept(collection="group:3"))
    kept = await world.process(await world.accept())
    before = await world.row(lost)
    (announced,) = await world.announced(lost)
    await world.forget(lost)
    for key in (file_key(lost), thumbnail_key(lost), file_key(kept)):
        world.make_old(key)
    # Never an orphan, and not mended unasked.
    assert await world.kinds(repair=True, delete_orphans=True) == {("row-missing", str(lost))}
    assert await world.storage.exists(file_key(lost))
    (found,) = await world.look(rebuild_rows=True)
    assert (found.kind, found.subject, found.repaired) == ("row-missing", str(lost), True)
    assert await world.row(lost) == before
    assert (await world.announced(lost))[-1] == announced
    await world.process(lost)
    await world.quiet()
    assert await world.look() == []


async def test_a_young_object_may_be_of_an_upload_under_way(world: World) -> None:
    await world.process(await world.accept())
    lost = await world.accept()
    await world.forget(lost)
    assert await world.look(rebuild_rows=True, older_than=3600.0) == []
    assert await world.kinds() == {("row-missing", str(lost))}


async def test_a_row_made_while_its_upload_goes_on_harms_nothing(world: World) -> None:
    """Between object and row: whoever comes second finds the row, and nobody takes the object away."""
    await world.process(await world.accept())
    await world.sql.execute(
        """
        CREATE FUNCTION ingest.overtaken() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF pg_trigger_depth() = 1 THEN
                INSERT INTO ingest.upload_dicomfile SELECT NEW.*;
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER overtaken BEFORE INSERT ON ingest.upload_dicomfile
            FOR EACH ROW EXECUTE FUNCTION ingest.overtaken();
        """
    )
    file_id = await world.accept()
    assert (await world.row(file_id))["state"] == "accepted"
    assert await world.storage.exists(file_key(file_id))


async def test_objects_of_before_are_reported_and_not_made_into_rows(world: World) -> None:
    """Their trailers do not say whose they are."""
    await world.process(await world.accept())
    old = new_file_id()
    await world.storage.put(file_key(old), b"DICM", {"file_name": "a.dcm", "dicom": {}, "warnings": []})
    world.make_old(str(old))
    (found,) = await world.look(repair=True, rebuild_rows=True)
    assert (found.kind, found.subject, found.repaired) == ("orphan-object", str(old), False)


async def test_nothing_is_made_where_the_database_knows_no_file(world: World) -> None:
    lost = await world.accept()
    await world.forget(lost)
    (found,) = await world.look(rebuild_rows=True)
    assert (found.kind, found.repaired) == ("row-missing", False)
    assert "knows no file at all" in (found.detail or "")


async def test_an_object_whose_bytes_are_accepted_under_another_id_is_an_orphan(world: World) -> None:
    content = ct_instance(seed=1)
    lost = await world.accept(content)
    await world.forget(lost)
    again = await world.process(await world.accept(content))
    world.make_old(str(lost))
    (found,) = await world.look(rebuild_rows=True)
    assert (found.kind, found.repaired) == ("orphan-object", False)
    assert f"{again} has the same bytes" in (found.detail or "")
    # Unless it is the only good copy.
    world.path(str(again)).write_bytes(b"")
    found = (await world.look(delete_orphans=True, rebuild_rows=True))[-1]
    assert (found.kind, found.repaired) == ("row-missing", False)
    assert "in no sound object" in (found.detail or "")


async def test_an_object_whose_place_other_bytes_have_is_kept(world: World) -> None:
    lost = await world.accept(ct_instance(seed=1, sop_instance_uid="1.2.3"))
    await world.forget(lost)
    other = await world.process(await world.accept(ct_instance(seed=2, sop_instance_uid="1.2.3")))
    world.make_old(str(lost))
    (found,) = await world.look(delete_orphans=True, rebuild_rows=True)
    assert (found.kind, found.repaired) == ("row-missing", False)
    assert str(other) in (found.detail or "")
    assert await world.storage.exists(file_key(lost))


async def test_what_was_erased_is_an_orphan(world: World) -> None:
    await world.process(await world.accept())
    erased = await world.accept()
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET state = 'erased' WHERE id = $1", erased)
    world.make_old(str(erased))
    (found,) = await world.look(delete_orphans=True, rebuild_rows=True)
    assert (found.kind, found.repaired) == ("orphan-object", True)
    assert not await world.storage.exists(file_key(erased))


async def test_a_result_that_knows_too_little_is_completed_from_the_object(world: World) -> None:
    file_id = await world.process(await world.accept())
    before = await world.row(file_id)
    await world.forget(file_id, "ingest")
    await world.sql.execute("UPDATE results.upload_dicomresult SET received_at = NULL")
    assert await world.look(repair=True) == [Discrepancy("result-without-file", str(file_id))]
    found = await world.look(repair=True, rebuild_rows=True)
    assert found == [Discrepancy("result-without-file", str(file_id), repaired=True)]
    assert await world.row(file_id) == before


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    """As a power cut leaves a file that was not synced."""
    path.write_bytes(b"")


def blank(path: Path) -> None:
    """The same, where the length came through."""
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(remove, "thumbnail-missing"), (empty, "thumbnail-corrupt"), (blank, "thumbnail-corrupt")],
)
async def test_a_thumbnail_that_cannot_be_read_is_made_again(world: World, damage: object, kind: str) -> None:
    assert callable(damage)
    sound, broken = [await world.process(await world.accept()) for _ in range(2)]
    damage(world.path(thumbnail_key(broken)))
    (found,) = await world.look(repair=True)
    assert (found.kind, found.subject, found.repaired) == (kind, str(broken), True)
    assert (len(await world.announced(sound)), len(await world.announced(broken))) == (1, 2)
    await world.process(broken)
    await world.quiet()
    assert await world.look() == []


async def superseded(world: World) -> tuple[UUID, UUID]:
    """A failed file and the one that took its place; results heard of both, but not of that."""
    old = await world.accept(ct_instance(seed=1, sop_instance_uid="1.2.3"))
    (data,) = await world.announced(old)
    await world.results.publish(new_event("/ingest", data), failed(old, OWNER))
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET failed_at = now()")
    new = await world.process(await world.accept(ct_instance(seed=2, sop_instance_uid="1.2.3")))
    await world.sql.execute(
        "UPDATE results.upload_dicomresult SET state = 'failed', failure_reason = 'decode-failed' "
        "WHERE file_id = $1",
        old,
    )
    return old, new


async def test_results_is_told_of_a_superseding_that_it_missed(world: World) -> None:
    old, new = await superseded(world)
    # While the event that says so is on its way, nothing is wrong.
    await world.sql.execute("UPDATE ingest.outbox SET published_at = NULL")
    assert await world.look() == []
    await world.quiet()
    expected = Discrepancy("result-not-superseded", str(old), repaired=True)
    assert await world.look(repair=True) == [expected]
    first, again = await world.announced(new)
    assert again == first
    assert again.supersedes == old
    assert await world.look() == []
    # Nobody misses the object of a superseded file.
    await world.quiet()
    await world.sql.execute(
        "UPDATE results.upload_dicomresult SET state = 'superseded' WHERE file_id = $1", old
    )
    world.path(str(old)).unlink()
    assert await world.look() == []


async def test_a_superseding_whose_heir_was_erased_cannot_be_told(world: World) -> None:
    old, new = await superseded(world)
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET state = 'erased' WHERE id = $1", new)
    assert await world.look(repair=True) == [Discrepancy("result-not-superseded", str(old))]


async def test_ingest_is_told_of_a_superseding_that_it_lost(world: World) -> None:
    """An older database came back: the heir's row is gone, and the old one has its place again."""
    old, new = await superseded(world)
    await world.sql.execute(
        "UPDATE results.upload_dicomresult SET state = 'superseded' WHERE file_id = $1", old
    )
    await world.forget(new, "ingest")
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET state = 'accepted'")
    expected = {("supersession-not-noted", str(old)), ("result-without-file", str(new))}
    found = await world.look(repair=True)
    assert {(f.kind, f.subject) for f in found if f.repaired} == expected
    assert (await world.row(old))["state"] == "superseded"
    assert (await world.row(new))["state"] == "accepted"
    assert await world.look() == []
    # And both rows at once.
    await world.sql.execute("DELETE FROM ingest.upload_dicomfile")
    assert all(f.repaired for f in await world.look(repair=True))
    assert (await world.row(old))["state"] == "superseded"
    assert await world.look() == []


async def test_a_failure_that_a_later_success_outdated_is_forgotten(world: World) -> None:
    """Else other bytes could take the place of a file that was measured."""
    file_id = await world.process(await world.accept())
    await world.sql.execute("UPDATE ingest.upload_dicomfile SET failed_at = now()")
    expected = Discrepancy("failure-outdated", str(file_id), repaired=True)
    assert await world.look(repair=True) == [expected]
    assert (await world.row(file_id))["failed_at"] is None
    assert await world.look() == []
    await world.results.publish(processed(file_id, OWNER))
