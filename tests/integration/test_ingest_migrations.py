"""Ingest's schema: old rows get their collection, and the release before goes on writing and reading."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.database.migrations import Migrations, migrate
from libs.common.database.postgres import Connection
from libs.common.ids import new_file_id
from services.operator.migrations import MIGRATIONS

(INGEST,) = (source for source in MIGRATIONS if source.schema == "ingest")

# As the release before inserts: it knows no collection.
OLD_INSERT = """
    INSERT INTO ingest.upload_dicomfile (id, file, file_name, owner_id, size_bytes, sha256, state,
        sop_class_uid, sop_instance_uid, transfer_syntax_uid)
    VALUES ($1, $1::uuid::text, 'a.dcm', $2, 1, $3, 'accepted', '1.2', $4, '1.2.840.10008.1.2.1')
    ON CONFLICT DO NOTHING
    RETURNING id
"""


@pytest.fixture
async def old(empty_database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Connection, Migrations]]:
    """A database as the release before left it, and the folder of what was applied."""
    folder = tmp_path / "ingest"
    folder.mkdir()
    for path in sorted(INGEST.folder.glob("*.sql"))[:2]:
        shutil.copy(path, folder)
    source = Migrations("ingest", folder)
    await migrate(empty_database_url, [source])
    connection = await asyncpg.connect(empty_database_url)
    yield connection, source
    await connection.close()


async def insert(connection: Connection, owner: int, digit: str, uid: str) -> UUID | None:
    """What a service of the release before does with an upload."""
    found: UUID | None = await connection.fetchval(
        OLD_INSERT, new_file_id(), owner, digit * (64 // len(digit)), uid
    )
    return found


async def row(connection: Connection, file_id: UUID | None) -> Any:
    return await connection.fetchrow("SELECT * FROM ingest.upload_dicomfile WHERE id = $1", file_id)


async def test_at_every_step_the_release_before_goes_on(
    old: tuple[Connection, Migrations], empty_database_url: str
) -> None:
    connection, source = old
    files = [await insert(connection, 7, "a", "1.1")]
    for number, path in enumerate(sorted(INGEST.folder.glob("*.sql"))[2:]):
        shutil.copy(path, source.folder)
        assert await migrate(empty_database_url, [source]) == [f"ingest/{path.stem}"]
        files.append(await insert(connection, 7, f"{number:02}", f"1.2.{number}"))
        # It tells its own duplicates and conflicts, and notes failures on rows of any age.
        assert await insert(connection, 7, "a", "1.3") is None
        assert await insert(connection, 7, "b", "1.1") is None
        await connection.execute(
            "UPDATE ingest.upload_dicomfile SET failed_at = now() WHERE id = ANY($1::uuid[])", files
        )
    assert None not in files
    for file_id in files:
        assert (await row(connection, file_id))["collection"] == "user:7"
    assert await insert(connection, 8, "a", "1.1") is not None
    unchecked = "SELECT conname FROM pg_constraint WHERE NOT convalidated"
    assert await connection.fetch(unchecked) == []


async def test_what_the_new_schema_refuses_and_takes(
    old: tuple[Connection, Migrations], empty_database_url: str
) -> None:
    connection, _ = old
    first = await insert(connection, 7, "a", "1.1")
    await migrate(empty_database_url, [INGEST])
    update = "UPDATE ingest.upload_dicomfile SET {} WHERE id = $1"
    for collection in ("user:", "group:0", "room:7", "user:7 ", "user:07"):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(update.format(f"collection = '{collection}'"), first)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(update.format("state = 'lost'"), first)
    # Another collection does not notice it, nor does anything once it is superseded.
    await connection.execute(update.format("collection = 'group:3'"), first)
    second = await insert(connection, 7, "a", "1.1")
    assert second is not None
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(update.format("collection = 'group:3'"), second)
    await connection.execute(update.format("state = 'superseded'"), second)
    assert await insert(connection, 7, "a", "1.1") is not None
