"""Intake at its limits: the greatest file, most pixels, largest dimensions, an answer that is lost."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.common.errors import InvalidContent, TooLarge, Unavailable
from libs.common.ids import file_key
from services.ingest import store
from tests.builders import ct_instance, many_frames
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import Kit
from tests.waiting import PATIENCE, eventually


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest"))


def limit(kit: Kit, **limits: int) -> None:
    kit.intake._limits = replace(kit.intake._limits, **limits)  # type: ignore[arg-type]


async def test_a_file_may_have_exactly_the_greatest_size(kit: Kit) -> None:
    content = ct_instance(rows=300, columns=300)
    limit(kit, max_file_bytes=len(content) - 1)
    with pytest.raises(TooLarge):
        await kit.send(content)
    assert kit.objects() == []
    limit(kit, max_file_bytes=len(content))
    await kit.send(content)


async def test_a_header_may_announce_exactly_the_most_pixels(kit: Kit) -> None:
    content = ct_instance(rows=10, columns=10)
    limit(kit, max_decoded_bytes=199)
    with pytest.raises(InvalidContent) as refused:
        await kit.send(content)
    assert refused.value.code == "too-large-when-decoded"
    limit(kit, max_decoded_bytes=200)
    await kit.send(content)


async def test_dimensions_that_no_table_holds_are_refused(kit: Kit) -> None:
    with pytest.raises(InvalidContent) as refused:
        await kit.send(many_frames("2147483648"))
    assert refused.value.code == "invalid-dimensions"
    assert kit.objects() == []


async def test_what_is_erased_may_come_again(kit: Kit) -> None:
    content = ct_instance(seed=3, sop_instance_uid="1.2.4")
    first = await kit.send(content)
    async with kit.database.connection() as connection:
        await connection.execute("UPDATE ingest.upload_dicomfile SET state = 'erased'")
        sha256 = hashlib.sha256(content).hexdigest()
        assert await store.find_twin(connection, "user:7", sha256, "1.2.4") is None
    again = await kit.send(content)
    assert again.id != first.id
    assert not again.duplicate
    assert (await kit.send(content)).id == again.id


async def test_a_sound_file_gives_up_no_place(kit: Kit) -> None:
    """Whatever its sender saw a moment ago: it may have been cured since, or superseded."""
    sound = await kit.send(ct_instance(seed=4))
    failed = await kit.send(ct_instance(seed=5))
    await kit.fail(failed.id)
    async with kit.database.connection() as connection:
        assert await store.supersede(connection, sound.id, "user:7") is None
        assert await store.supersede(connection, failed.id, "user:8") is None
        assert await store.supersede(connection, failed.id, "user:7") == 0
        assert await store.supersede(connection, failed.id, "user:7") is None
    assert await kit.states() == {sound.id: "accepted", failed.id: "superseded"}


async def test_the_object_stays_when_the_answer_about_a_failed_files_place_is_lost(
    kit: Kit, database_url: str
) -> None:
    """The database may have accepted the file: without its object it would be lost."""
    first = await kit.send(ct_instance(seed=1, sop_instance_uid="1.2.3"))
    await kit.fail(first.id)
    # Within a transaction the list of activities stays as it was first seen.
    operator, watcher = [await asyncpg.connect(database_url) for _ in range(2)]
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    try:
        async with operator.transaction():
            await operator.execute("SELECT FROM ingest.upload_dicomfile FOR UPDATE")
            sending = asyncio.create_task(kit.send(ct_instance(seed=2, sop_instance_uid="1.2.3")))

            async def asked() -> bool:
                return await watcher.fetchval(waiting) is not None

            await eventually(asked)
            await watcher.fetchval(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS found")
            with pytest.raises(Unavailable):
                await sending
    finally:
        await operator.close()
        await watcher.close()
    assert len(kit.objects()) == 2


async def test_a_refused_upload_gives_its_place_back(tmp_path: Path, open_database: OpenDatabase) -> None:
    narrow = Kit(tmp_path, await open_database("ingest"), concurrency=1)
    with pytest.raises(InvalidContent):
        await narrow.send(b"no image at all" * 100)
    async with asyncio.timeout(PATIENCE):
        await narrow.send(ct_instance())


async def test_a_row_that_a_reconciliation_has_made_meanwhile_keeps_its_object(kit: Kit) -> None:
    accepted = await kit.send(ct_instance(seed=6))
    async with kit.database.connection() as connection:
        file = await store.get_file(connection, accepted.id, None)
    assert file is not None
    settled = await kit.intake._resending.settle(file)
    assert (settled.id, settled.duplicate) == (accepted.id, False)
    assert kit.objects() == [str(accepted.id)]


async def test_a_sound_object_of_other_bytes_is_replaced(kit: Kit) -> None:
    content = ct_instance(seed=7)
    first = await kit.send(content)
    await kit.storage.put(file_key(first.id), b"other bytes", {})
    assert (await kit.send(content)).id == first.id
    reader = await kit.storage.open(file_key(first.id))
    assert await reader.read(0, reader.size) == content
    await reader.close()
    assert len(await kit.events()) == 2


async def test_a_failed_file_keeps_its_place_until_the_other_is_accepted(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await kit.send(ct_instance(seed=8, sop_instance_uid="1.2.5"))
    await kit.fail(first.id)
    accept, refused = store.accept_file, 0

    async def overtaken(*given: Any) -> bool:
        nonlocal refused
        refused += 1
        return False

    monkeypatch.setattr(store, "accept_file", overtaken)
    with pytest.raises(Unavailable):
        await kit.send(ct_instance(seed=9, sop_instance_uid="1.2.5"))
    assert refused > 1
    assert await kit.states() == {first.id: "accepted"}
    monkeypatch.setattr(store, "accept_file", accept)
    second = await kit.send(ct_instance(seed=9, sop_instance_uid="1.2.5"))
    assert await kit.states() == {first.id: "superseded", second.id: "accepted"}
